"""Every regulatory deadline that comes with the program, against expectations that were written apart from it.

How it can fail: a day is counted that should not be (the day of receipt, a holiday, the make-up Saturday that works); a holiday
moves what is in calendar days; a day ends in the wrong zone or at the wrong side of a clock change; a week rolls over a holiday;
a month ends on a day that it does not have; a rule is left out, or another number than the source's is shipped.

The oracle below walks dates one by one and knows nothing of the engine: its holidays are typed in by hand, from the sources named
beside them. The rows are worked out with a calendar on paper.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from helpdesk.kernel.db import make_engine
from helpdesk.kernel.expressions import read
from helpdesk.kernel.unit_of_work import Consequences, Database
from helpdesk.sla.business_time import due_at
from helpdesk.sla.regime_choosing import verdicts
from helpdesk.sla.regime_counting import count, months_after
from helpdesk.sla.regime_facts import KINDS, Birth, brought
from helpdesk.sla.regime_in_force import Regimes, in_force
from helpdesk.sla.regime_queries import Known
from helpdesk.sla.regime_rules import CONDITIONS, UNITS, Rule, compiled, sector_code, shipped

DAY: Final = timedelta(days=1)


def days(*texts: str) -> frozenset[date]:
    return frozenset(date.fromisoformat(text) for text in texts)


# gov.uk/bank-holidays, England and Wales
ENGLAND: Final = days(
    *("2024-01-01", "2024-03-29", "2024-04-01", "2024-05-06", "2024-05-27", "2024-08-26", "2024-12-25", "2024-12-26"),
    *("2025-01-01", "2025-04-18", "2025-04-21", "2025-05-05", "2025-05-26", "2025-08-25", "2025-12-25", "2025-12-26"),
    *("2026-01-01", "2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25", "2026-08-31", "2026-12-25", "2026-12-28"),
    *("2027-01-01", "2027-03-26", "2027-03-29", "2027-05-03", "2027-05-31", "2027-08-30", "2027-12-27", "2027-12-28"),
)
# frbservices.org/about/holiday-schedules: what falls on a Saturday is not kept on the Friday before
FED: Final = days(
    *("2024-01-01", "2024-01-15", "2024-02-19", "2024-05-27", "2024-06-19", "2024-07-04", "2024-09-02", "2024-10-14"),
    *("2024-11-11", "2024-11-28", "2024-12-25", "2025-01-01", "2025-01-20", "2025-02-17", "2025-05-26", "2025-06-19"),
    *("2025-07-04", "2025-09-01", "2025-10-13", "2025-11-11", "2025-11-27", "2025-12-25", "2026-01-01", "2026-01-19"),
    *("2026-02-16", "2026-05-25", "2026-06-19", "2026-09-07", "2026-10-12", "2026-11-11", "2026-11-26", "2026-12-25"),
    *("2027-01-01", "2027-01-18", "2027-02-15", "2027-05-31", "2027-07-05", "2027-09-06", "2027-10-11", "2027-11-11"),
    "2027-11-25",
)
# ecb.europa.eu: closing days of TARGET
TARGET: Final = days(
    *(f"{year}-{day}" for year in range(2024, 2028) for day in ("01-01", "05-01", "12-25", "12-26")),
    *("2024-03-29", "2024-04-01", "2025-04-18", "2025-04-21", "2026-04-03", "2026-04-06", "2027-03-26", "2027-03-29"),
)
# fairwork.gov.au, national days only
AUSTRALIA: Final = days(
    *(f"{year}-{day}" for year in range(2024, 2028) for day in ("01-01", "01-26", "04-25", "12-25", "12-26")),
    *("2024-03-29", "2024-04-01", "2025-04-18", "2025-04-21", "2026-04-03", "2026-04-06", "2027-03-26", "2027-03-29"),
)
# gov.cn, State Council notices for 2024 to 2026: days off on weekdays, and weekends that work; of 2027 what the law itself says
CHINA: Final = days(
    *("2024-01-01", *(f"2024-02-{day}" for day in (12, 13, 14, 15, 16)), "2024-04-04", "2024-04-05", "2024-05-01"),
    *("2024-05-02", "2024-05-03", "2024-06-10", "2024-09-16", "2024-09-17", "2024-10-01", "2024-10-02", "2024-10-03"),
    *("2024-10-04", "2024-10-07", "2025-01-01", "2025-01-28", "2025-01-29", "2025-01-30", "2025-01-31", "2025-02-03"),
    *("2025-02-04", "2025-04-04", "2025-05-01", "2025-05-02", "2025-05-05", "2025-06-02"),
    *(f"2025-10-0{day}" for day in (1, 2, 3, 6, 7, 8)),
    *("2026-01-01", "2026-01-02", *(f"2026-02-{day}" for day in (16, 17, 18, 19, 20, 23)), "2026-04-06", "2026-05-01"),
    *("2026-05-04", "2026-05-05", "2026-06-19", "2026-09-25", *(f"2026-10-0{day}" for day in (1, 2, 5, 6, 7))),
    *("2027-01-01", "2027-02-05", "2027-02-08", "2027-02-09", "2027-02-10", "2027-04-05", "2027-05-03", "2027-05-04"),
)
CHINA_WORKS: Final = days(
    *("2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11", "2024-09-14", "2024-09-29", "2024-10-12"),
    *("2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"),
    *("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"),
)
OFF: Final = {"GB-ENG": ENGLAND, "US-FED": FED, "EU": TARGET, "AU": AUSTRALIA, "CN": CHINA}

ZONE: Final = {
    "GB": "Europe/London",
    "US": "America/New_York",
    "AU": "Australia/Sydney",
    "IN": "Asia/Kolkata",
    "CN": "Asia/Shanghai",
    "EU": "Europe/Brussels",
    "INT": "UTC",
}

RECEIPTS: Final = {
    "an ordinary Tuesday": "2026-03-10T10:00",
    "a Friday": "2026-03-13T16:30",
    "a Saturday": "2026-03-14T12:00",
    "before Good Friday": "2026-04-02T09:00",
    "before Christmas": "2026-12-23T23:30",
    "a leap day": "2024-02-29T08:00",
    "before the leap day": "2024-02-28T18:00",
    "before clocks go forward in America": "2026-03-07T10:00",
    "before clocks go forward in Europe": "2026-03-28T10:00",
    "before clocks go back in Europe": "2026-10-24T10:00",
    "before clocks go back in America": "2026-10-31T10:00",
    "the evening of New Year's Eve": "2025-12-31T22:15",
    "before Golden Week": "2026-09-30T11:00",
    "before the Spring Festival": "2026-02-13T11:00",
    "a minute past midnight": "2026-06-01T00:01",
}
"""Local wall times."""


def works(day: date, calendar: str) -> bool:
    if calendar == "CN" and day in CHINA_WORKS:
        return True
    return day.weekday() < 5 and day not in OFF[calendar]


def expected(rule: dict[str, Any], received: datetime) -> datetime:
    """`rule`: as in the shipped data; `received`: local. One day after the other."""
    zone, amount, unit = received.tzinfo, rule["amount"], rule["unit"]
    day = received.date()
    if unit == "hours":
        later = (received.astimezone(UTC) + timedelta(hours=amount)).astimezone(zone)
        if works(later.date(), rule["calendar"]):
            return later
        unit, amount = "business_days", amount // 24
    if unit == "months":
        month = day.month + amount
        first = date(day.year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
        last = (first + 31 * DAY).replace(day=1) - DAY
        day = min(first + (day.day - 1) * DAY, last)
    elif unit == "business_days":
        left = amount
        while left:
            day += DAY
            left -= works(day, rule["calendar"])
    else:
        for _ in range(amount * (7 if unit == "weeks" else 1)):
            day += DAY
    return datetime.combine(day + DAY, time(), zone)


@pytest.fixture(scope="module")
def regimes(worker_database_url: str) -> Regimes:
    engine = make_engine(worker_database_url)
    try:
        with Database(engine, Consequences()).reader() as session:
            return in_force(session)
    finally:
        engine.dispose()


RULES: Final = {rule["id"]: rule for rule in shipped()["rule"]}


def due(regimes: Regimes, rule_id: str, received: datetime, jurisdiction: str) -> datetime:
    rule = regimes.rules[rule_id]
    counted = count(rule, received, rule.zone(jurisdiction), regimes.calendars)
    return due_at(counted.calendar, received, counted.target)


@pytest.mark.parametrize("rule_id", RULES)
def test_against_the_oracle(regimes: Regimes, rule_id: str) -> None:
    rule = RULES[rule_id]
    jurisdiction = rule["jurisdiction"]
    for name, text in RECEIPTS.items():
        received = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE[jurisdiction]))
        found = due(regimes, rule_id, received, jurisdiction)
        assert found.astimezone(received.tzinfo) == expected(rule, received), (name, found)


@pytest.mark.parametrize(
    ("rule_id", "received", "end"),
    [
        # Good Friday 3 April and Easter Monday 6 April 2026: Tuesday, Wednesday, Thursday.
        ("uk.fca.src", "2026-04-02T09:00+01:00", "2026-04-09T23:00Z"),
        # The leap day is a Thursday and counts: 8 weeks are 56 days, the end of 25 April 2024 by summer time.
        ("uk.fca.final", "2024-02-29T08:00+00:00", "2024-04-25T23:00Z"),
        # Weeks roll over no holiday: 8 weeks after Friday 30 October 2026 is Christmas Day.
        ("uk.fca.final", "2026-10-30T10:00+00:00", "2026-12-26T00:00Z"),
        ("uk.ofgem.8w", "2026-10-30T10:00+00:00", "2026-12-26T00:00Z"),
        # 15 working days after 23 December 2026: 25 and 28 December and 1 January are off.
        ("uk.fca.psd.15", "2026-12-23T12:00+00:00", "2027-01-19T00:00Z"),
        ("eu.psd2.15", "2026-04-02T12:00+02:00", "2026-04-27T22:00Z"),  # 3 and 6 April off; 1 May is far
        # The 15th day after 2 March in New York ends at its midnight, by then summer time.
        ("us.cfpb.15", "2026-03-02T00:00-05:00", "2026-03-18T04:00Z"),
        ("us.cfpb.60", "2026-03-02T00:00-05:00", "2026-05-02T04:00Z"),
        # Independence Day 2026 is a Saturday, and the Friday before it is worked at the Fed.
        ("us.rege.10", "2026-06-30T10:00-04:00", "2026-07-15T04:00Z"),
        ("us.rege.20", "2026-12-23T10:00-05:00", "2027-01-26T05:00Z"),  # 25 December, 1 and 18 January off
        ("us.respa.ack", "2026-11-25T10:00-05:00", "2026-12-04T05:00Z"),  # Thanksgiving off
        ("us.respa.respond", "2026-11-25T10:00-05:00", "2027-01-12T05:00Z"),
        ("us.dot.refund.card", "2026-07-02T10:00-04:00", "2026-07-14T04:00Z"),
        ("us.dot.respond", "2025-12-31T23:30-05:00", "2026-03-02T05:00Z"),
        ("us.fcra.30", "2024-01-30T10:00-05:00", "2024-03-01T05:00Z"),  # the leap day is the last one
        # 24 hours from a Tuesday; from a Friday afternoon one business day.
        ("au.asic.ack", "2026-03-10T10:00+11:00", "2026-03-10T23:00Z"),
        ("au.asic.ack", "2026-03-13T16:30+11:00", "2026-03-16T13:00Z"),
        # Clocks go back on 5 April 2026: the midnight that ends the 30th day is at 14:00 UTC.
        ("au.asic.std", "2026-03-10T10:00+11:00", "2026-04-09T14:00Z"),
        ("au.asic.5bd", "2026-04-02T10:00+11:00", "2026-04-13T14:00Z"),
        ("in.irdai.final", "2025-12-31T22:15+05:30", "2026-01-14T18:30Z"),
        # Spring Festival 2026: 14 and 28 February are worked, 16 to 20 and 23 February are not.
        ("cn.air.10", "2026-02-13T11:00+08:00", "2026-03-05T16:00Z"),
        ("cn.samr.accept", "2026-09-30T11:00+08:00", "2026-10-15T16:00Z"),  # 10 October is worked
        ("uk.housing.s1", "2026-12-18T10:00+00:00", "2027-01-07T00:00Z"),
        ("uk.ofcom.adr6", "2026-04-08T10:00+01:00", "2026-05-20T23:00Z"),
        ("us.regz.resolve", "2025-12-31T10:00-05:00", "2026-03-01T05:00Z"),  # there is no 31 February
    ],
)
def test_worked_out_on_paper(regimes: Regimes, rule_id: str, received: str, end: str) -> None:
    found = due(regimes, rule_id, datetime.fromisoformat(received), RULES[rule_id]["jurisdiction"])
    assert found == datetime.fromisoformat(end)


def test_a_member_state_has_its_own_midnight(regimes: Regimes) -> None:
    received = datetime.fromisoformat("2026-03-10T12:00Z")
    assert due(regimes, "eu.psd2.15", received, "FI") == datetime.fromisoformat("2026-03-31T21:00Z")
    assert due(regimes, "eu.psd2.15", received, "PT") == datetime.fromisoformat("2026-03-31T23:00Z")


@pytest.mark.parametrize(
    ("day", "number", "end"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-12-15", 0, "2026-12-15"),
    ],
)
def test_months(day: str, number: int, end: str) -> None:
    assert months_after(date.fromisoformat(day), number) == date.fromisoformat(end)


class TestData:
    def test_all_of_them_with_their_numbers(self) -> None:
        assert len(RULES) == 52
        assert sum("default" not in rule for rule in RULES.values()) == 47
        assert {rule["id"] for rule in RULES.values() if "default" in rule} == {
            *("uk.fca.ack", "eu.esma_eba.jc", "us.regz.resolve", "in.irdai.ack", "iso.10002.ack"),
        }

    def test_each_says_all_that_a_reader_has_to_know(self) -> None:
        for rule in RULES.values():
            read_rule = compiled(rule["id"], 1, {"shipped": rule, "own": {}})
            assert read_rule.source, rule["id"]
            assert read_rule.confidence, rule["id"]
            assert read_rule.owner, rule["id"]
            assert rule["unit"] in UNITS, rule["id"]
            assert {rule["clock_start"], *rule["stops_on"]} <= KINDS.keys(), rule["id"]
            assert rule.get("starts_after", rule["id"]) in RULES
            assert set(rule.get("replaces", ())) <= RULES.keys()
            assert (rule.get("calendar") is not None) == (rule["unit"] in {"business_days", "hours"}), rule["id"]
            assert ("applies_if" in rule) == ("condition" in rule or "presumed" in rule), rule["id"]
            assert all(sector == sector_code(sector) for sector in rule["sectors"])

    def test_conditions_ask_for_what_stands_on_the_row(self) -> None:
        """At receipt there is nothing else."""
        asked = {
            name
            for rule in RULES.values()
            if "condition" in rule
            for name in read(rule["condition"], CONDITIONS).fields
        }
        assert asked == {"outcome", "regulatory_facts"}

    def test_extensions_lead_forwards(self) -> None:
        for rule in RULES.values():
            amount = rule["amount"]
            for step in compiled(rule["id"], 1, {"shipped": rule, "own": {}}).extensions:
                assert step.amount(amount) > amount, rule["id"]
                amount = step.amount(amount)

    def test_it_is_all_json(self) -> None:
        """It is kept as such."""
        assert json.loads(json.dumps(shipped()["rule"])) == shipped()["rule"]


class TestChoosing:
    NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)

    def judged(self, regimes: Regimes, jurisdiction: str, sector: str | None, at: str, **known: Any) -> dict[str, Any]:
        received = datetime.fromisoformat(at)
        row = SimpleNamespace(
            jurisdiction=jurisdiction,
            sector=sector,
            received_at=received,
            updated_at=received,
            channel=known.get("channel", "EMAIL"),
            outcome=known.get("outcome"),
        )
        facts = (
            *Birth(received, row.channel).facts(),
            *brought({kind: datetime.fromisoformat(when) for kind, when in known.get("facts", {}).items()}),
        )
        rules = regimes.for_complaint(jurisdiction, sector)
        found = verdicts(rules, row, Known(facts, known.get("decided", {})), self.NOW)
        return {item.rule.id: item for item in found}

    def applying(self, regimes: Regimes, *given: Any, **known: Any) -> set[str]:
        return {name for name, item in self.judged(regimes, *given, **known).items() if item.applies}

    def test_two_rules_at_once(self, regimes: Regimes) -> None:
        assert self.applying(regimes, "GB", "financial", "2026-03-10T10:00Z") == {
            "uk.fca.ack",
            "uk.fca.src",
            "uk.fca.final",
        }
        assert self.applying(regimes, "US", "Airline", "2026-03-10T10:00Z") >= {"us.dot.ack", "us.dot.respond"}

    @pytest.mark.parametrize(
        ("at", "rule"),
        [("2026-04-07T22:59:59Z", "uk.ofcom.adr8"), ("2026-04-07T23:00:00Z", "uk.ofcom.adr6")],
    )
    def test_the_law_changes_at_the_countrys_midnight(self, regimes: Regimes, at: str, rule: str) -> None:
        assert self.applying(regimes, "GB", "telecom", at) == {rule}

    def test_spellings_of_a_sector(self, regimes: Regimes) -> None:
        for sector in ("social housing", "Social-Housing", "SOCIAL_HOUSING "):
            assert "uk.housing.ack" in self.judged(regimes, "GB", sector, "2026-03-10T10:00Z")

    def test_a_member_of_the_union(self, regimes: Regimes) -> None:
        assert "eu.psd2.15" in self.applying(regimes, "DE", "payments", "2026-03-10T10:00Z")
        assert "eu.psd2.15" not in self.judged(regimes, "GB", "payments", "2026-03-10T10:00Z")
        assert self.judged(regimes, "DE", None, "2026-03-10T10:00Z").keys() == {"iso.10002.ack"}

    def test_what_is_switched_off_says_so(self, regimes: Regimes) -> None:
        found = self.judged(regimes, "CN", "general consumer", "2026-03-10T10:00Z")
        assert {item.because for item in found.values()} == {"off"}

    def test_the_record_decides_where_it_can(self, regimes: Regimes) -> None:
        given = ("IN", "bank", "2026-03-10T10:00Z")
        assert "in.rbi.io" in self.applying(regimes, *given)
        assert "in.rbi.io" in self.applying(regimes, *given, outcome="partly_upheld")
        assert "in.rbi.io" not in self.applying(regimes, *given, outcome="upheld")
        given = ("US", "deposit/EFT", "2026-03-10T10:00Z")
        assert "us.rege.45" not in self.applying(regimes, *given)
        posted = {"provisional_credit_posted": "2026-03-20T10:00Z"}
        assert "us.rege.45" in self.applying(regimes, *given, facts=posted)

    def test_a_person_decides_otherwise_and_one_rule_replaces_another(self, regimes: Regimes) -> None:
        given = ("US", "deposit eft", "2026-03-10T10:00Z")
        assert {"us.rege.10"} <= self.applying(regimes, *given)
        found = self.judged(regimes, *given, decided={"us.rege.20": True})
        assert (found["us.rege.20"].applies, found["us.rege.20"].because) == (True, "decided")
        assert (found["us.rege.10"].applies, found["us.rege.10"].because) == (False, "replaced")

    def test_what_was_said_by_telephone_was_not_written(self, regimes: Regimes) -> None:
        given = ("US", "airline", "2026-03-10T10:00Z")
        assert self.judged(regimes, *given)["us.dot.ack"].starts_at is not None
        assert self.judged(regimes, *given, channel="PHONE")["us.dot.ack"].starts_at is None

    def test_a_clock_of_a_chain_waits_for_the_one_before(self, regimes: Regimes) -> None:
        given = ("GB", "social housing", "2026-03-10T10:00Z")
        assert self.judged(regimes, *given)["uk.housing.s1"].starts_at is None
        told = {"acknowledgement_sent": "2026-03-12T10:00Z", "acknowledged_defined_logged": "2026-03-12T10:00Z"}
        found = self.judged(regimes, *given, facts=told)
        assert found["uk.housing.ack"].stops_at == found["uk.housing.s1"].starts_at

    @pytest.mark.parametrize("sent", ["2026-03-11T10:00Z", "2026-03-13T10:00Z", None])
    @pytest.mark.parametrize("logged", ["2026-03-12T10:00Z", None])
    def test_it_starts_where_that_stops_whatever_else_is_known(
        self, regimes: Regimes, sent: str | None, logged: str | None
    ) -> None:
        facts = {"acknowledgement_sent": sent, "acknowledged_defined_logged": logged}
        told = {kind: at for kind, at in facts.items() if at is not None}
        found = self.judged(regimes, "GB", "social housing", "2026-03-10T10:00Z", facts=told)
        first = min((datetime.fromisoformat(at) for at in told.values()), default=None)
        assert (found["uk.housing.ack"].stops_at, found["uk.housing.s1"].starts_at) == (first, first)

    def test_two_of_a_chain_never_run_at_once(self, regimes: Regimes) -> None:
        """What was acknowledged before stage 2 was asked for is something else."""
        told = {"stage2_acknowledged": "2026-03-12T10:00Z", "escalation_requested": "2026-03-20T10:00Z"}
        found = self.judged(regimes, "GB", "social housing", "2026-03-10T10:00Z", facts=told)
        assert found["uk.housing.s2ack"].stops_at is None
        assert found["uk.housing.s2"].starts_at is None
        told["stage2_acknowledged"] = "2026-03-21T10:00Z"
        found = self.judged(regimes, "GB", "social housing", "2026-03-10T10:00Z", facts=told)
        assert found["uk.housing.s2"].starts_at == found["uk.housing.s2ack"].stops_at
        alone = self.judged(
            regimes, "GB", "social housing", "2026-03-10T10:00Z", facts={"stage2_acknowledged": "2026-03-21T10:00Z"}
        )
        assert alone["uk.housing.s2"].starts_at is not None

    def test_what_starts_it_stops_the_one_before(self) -> None:
        """So that one more fact never saves it a day."""
        for rule in RULES.values():
            if "starts_after" in rule:
                assert rule["clock_start"] in RULES[rule["starts_after"]]["stops_on"]


def test_a_review_date_that_has_passed() -> None:
    rule: Rule = compiled("uk.fca.src", 1, {"shipped": RULES["uk.fca.src"], "own": {"review_by": "2026-05-01"}})
    assert not rule.review_overdue(date(2026, 5, 1))
    assert rule.review_overdue(date(2026, 5, 2))
