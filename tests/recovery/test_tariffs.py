"""Tariffs over the API: data with dates, computed alone, and facts that are recorded on a complaint.

How it can fail: a version that holds a day too long; an edit that changes what held before; two edits at once, of which one
is lost; facts of somebody else's complaint; facts that come back after they were taken away; a merge that loses or doubles
what was recorded; a body that breaks the program.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.expressions import read
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import tariff_queries, tariffs, tariffs_in_force
from helpdesk.recovery.rule_facts import JUDGED, KEPT_OF_TARIFFS, OF_CUSTOMER
from helpdesk.recovery.tariff_models import TariffVersion
from tests.complaints.merging import merge, new, unmerge
from tests.conftest import Caller
from tests.identity.test_administration import last
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import another, scalar

VERSION: dict[str, Any] = {
    "valid_from": "2997-01-01",
    "title": "Late trains",
    "source": "Carrier's conditions, section 9.",
    "method": "per_unit",
    "currency": "EUR",
    "condition": {"field": "missed_appointments", "operator": "is_set"},
    "numbers": {"units": {"missed_appointments": "12.50"}},
}


def compute(caller: Caller, code: str, **facts: Any) -> Any:
    return caller.post(f"/tariffs/{code}/compute", facts)


def test_a_list_of_many_asks_as_often_as_one_of_few(agent: Caller, statements: Callable[[], Any]) -> None:
    assert len(agent.get("/tariffs").json["items"]) > 3
    counts = []
    for most in (1, 200):
        with statements() as counted:
            assert agent.get(f"/tariffs?limit={most}").status_code == 200
        counts.append(len(counted))
    assert counts[0] == counts[1]


class TestCompute:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert compute(anonymous, "uk.energy").status_code == 401

    def test_alone(self, agent: Caller) -> None:
        found = compute(agent, "uk.energy", failed_standards=1, late_payments=1, on="2026-03-02").json
        assert (found["applies"], found["code"], found["amount"]) == (
            True,
            "owed",
            {"amount": "80.00", "currency": "GBP"},
        )
        assert "SI 2024/1166" in found["source"]

    @pytest.mark.parametrize(
        ("code", "day", "facts", "found"),
        [
            ("uk.energy", "2015-12-31", {"failed_standards": 1}, ("not_known", None)),
            ("uk.energy", "2016-01-01", {"failed_standards": 1}, ("owed", "30.00")),
            ("uk.energy", "2025-01-01", {"failed_standards": 1}, ("owed", "30.00")),
            ("uk.energy", "2025-01-02", {"failed_standards": 1}, ("owed", "40.00")),
            ("uk.telecom", "2019-03-31", {"missed_appointments": 1}, ("not_in_force", None)),
            ("uk.telecom", "2019-04-01", {"missed_appointments": 1}, ("owed", "25.00")),
            ("uk.telecom", "2021-03-31", {"missed_appointments": 1}, ("owed", "25.00")),
            ("uk.telecom", "2021-04-01", {"missed_appointments": 1}, ("owed", "25.18")),
            ("uk.telecom", "2022-03-31", {"days_without_service": 1}, ("owed", "8.06")),
            ("uk.telecom", "2022-04-01", {"days_without_service": 1}, ("owed", "8.40")),
            ("uk.telecom", "2023-03-31", {"days_of_delayed_start": 1}, ("owed", "5.25")),
            ("uk.telecom", "2023-04-01", {"days_of_delayed_start": 1}, ("owed", "5.83")),
            ("uk.telecom", "2024-03-31", {"missed_appointments": 1}, ("owed", "29.15")),
            ("uk.telecom", "2024-04-01", {"missed_appointments": 1}, ("owed", "30.49")),
            ("uk.telecom", "2025-04-01", {"missed_appointments": 1}, ("not_known", None)),
            ("uk.telecom", "2026-04-01", {"missed_appointments": 1}, ("owed", "32.31")),
            ("us.denied_boarding", "2025-01-21", {"cause": "denied_boarding", "rerouted": False}, ("owed", "1550.00")),
            ("us.denied_boarding", "2025-01-22", {"cause": "denied_boarding", "rerouted": False}, ("owed", "2150.00")),
            ("us.denied_boarding", "2021-04-13", {"cause": "denied_boarding", "rerouted": False}, ("owed", "1550.00")),
            ("us.denied_boarding", "2021-04-12", {"cause": "denied_boarding", "rerouted": False}, ("owed", "1350.00")),
            ("us.denied_boarding", "2015-08-25", {"cause": "denied_boarding", "rerouted": False}, ("owed", "1350.00")),
            ("us.denied_boarding", "2015-08-24", {"cause": "denied_boarding", "rerouted": False}, ("owed", "1300.00")),
            ("us.denied_boarding", "2011-08-23", {"cause": "denied_boarding", "rerouted": False}, ("owed", "1300.00")),
            ("us.denied_boarding", "2011-08-22", {"cause": "denied_boarding", "rerouted": False}, ("not_known", None)),
            ("eu.261", "2005-02-16", {"cause": "delay", "distance_km": "900"}, ("not_in_force", None)),
        ],
    )
    def test_either_side_of_a_change(
        self, agent: Caller, code: str, day: str, facts: dict[str, Any], found: tuple[str, str | None]
    ) -> None:
        fare = {"fare": {"amount": "4000.00", "currency": "USD"}} if code == "us.denied_boarding" else {}
        answer = compute(agent, code, **facts, **fare, on=day).json
        assert (answer["code"], None if answer["amount"] is None else answer["amount"]["amount"]) == found

    def test_says_why_not(self, agent: Caller) -> None:
        found = compute(agent, "eu.261", cause="delay").json
        assert (found["applies"], found["missing"], found["amount"]) == (
            None,
            ["distance_km", "delay_hours", "extraordinary"],
            None,
        )
        found = compute(agent, "us.denied_boarding", cause="delay").json
        assert (found["applies"], found["code"], found["because"]) == (
            False,
            "not_this_cause",
            "It is for boarding that was denied.",
        )

    def test_every_bad_field_is_named(self, agent: Caller) -> None:
        wrong = compute(
            agent, "eu.261", distance_km="-3", delay_hours="99999", cause="rain", passengers=0, within_eu="yes", moon=1
        )
        assert wrong.status_code == 422
        assert {pointer for pointer, _ in codes(wrong)} == {
            "/distance_km", "/delay_hours", "/cause", "/passengers", "/within_eu", "/moon",
        }  # fmt: skip
        assert refused(compute(agent, "no.such"))[0] == 404


class TestVersions:
    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        body = VERSION | {"id": "train.late"}
        assert anonymous.post("/tariffs", body).status_code == 401
        assert agent.post("/tariffs", body).status_code == 403
        made = manager.post("/tariffs", body)
        assert (made.status_code, made.json["version"], made.json["in_force"]) == (201, 1, None)
        assert refused(manager.post("/tariffs", body)) == (409, "tariff_exists")

    def test_another_version_holds_from_its_day(self, manager: Caller, auditor: Caller) -> None:
        before = manager.get("/tariffs/uk.telecom").json
        (newest, *_) = manager.get("/tariffs/uk.telecom/versions").json["items"]
        body = {name: value for name, value in newest.items() if name in VERSION} | {
            "valid_from": "2027-04-01",
            "numbers": {"units": {"missed_appointments": "33.00"}},
        }
        path = "/tariffs/uk.telecom/versions"
        assert manager.post(path, body).status_code == 428
        made = manager.post(path, body, if_match=f'"v{before["version"]}"')
        assert (made.status_code, made.json["version"]) == (201, before["version"] + 1)
        for day, amount in (("2027-03-31", "32.31"), ("2027-04-01", "33.00"), ("2024-05-01", "30.49")):
            assert compute(manager, "uk.telecom", missed_appointments=1, on=day).json["amount"]["amount"] == amount
        assert manager.post(path, body, if_match=f'"v{before["version"]}"').status_code == 412
        told = last(auditor, "tariff.changed")["payload"]
        assert told["changes"]["numbers"][1] == {"units": {"missed_appointments": "33.00"}}

    def test_a_mistake_is_put_right_from_the_same_day(self, manager: Caller) -> None:
        shown = manager.get("/tariffs/uk.energy").json
        body = {name: value for name, value in shown["in_force"].items() if name in VERSION}
        body |= {"numbers": {"units": {"failed_standards": "41"}}, "valid_from": "2025-01-02"}
        manager.post("/tariffs/uk.energy/versions", body, if_match=f'"v{shown["version"]}"')
        assert compute(manager, "uk.energy", failed_standards=1, on="2025-01-02").json["amount"]["amount"] == "41.00"
        assert [row["version"] for row in manager.get("/tariffs/uk.energy/versions").json["items"]] == [3, 2, 1]

    @pytest.mark.parametrize(("held_before", "code"), [(True, "not_known"), (False, "not_in_force")])
    def test_before_the_first_one(self, manager: Caller, held_before: bool, code: str) -> None:
        made = manager.post("/tariffs", VERSION | {"id": "train.late", "held_before": held_before})
        assert made.status_code == 201
        (shown,) = manager.get("/tariffs/train.late/versions").json["items"]
        assert shown["held_before"] is held_before
        day = date.fromisoformat(VERSION["valid_from"]) - timedelta(days=1)
        assert compute(manager, "train.late", missed_appointments=1, on=str(day)).json["code"] == code

    def test_of_two_first_ones_of_one_day_the_newer_says_whether_it_held_before(self, manager: Caller) -> None:
        manager.post("/tariffs", VERSION | {"id": "train.late"})
        manager.post("/tariffs/train.late/versions", VERSION | {"held_before": True}, if_match='"v1"')
        day = date.fromisoformat(VERSION["valid_from"]) - timedelta(days=1)
        assert compute(manager, "train.late", missed_appointments=1, on=str(day)).json["code"] == "not_known"

    def test_every_bad_place_is_named(self, manager: Caller) -> None:
        wrong = manager.post(
            "/tariffs",
            VERSION
            | {
                "id": "Train Late",
                "valid_until": "2996-12-31",
                "currency": "EURO",
                "numbers": {"units": {"missed_appointments": "-1"}},
            },
        )
        assert {pointer for pointer, _ in codes(wrong)} == {"/id", "/currency"}
        wrong = manager.post(
            "/tariffs",
            VERSION
            | {
                "id": "train.late",
                "valid_until": "2996-12-31",
                "condition": {"field": "customer_tier", "operator": "is", "value": "key"},
                "numbers": {"units": {"missed_appointments": "-1"}},
            },
        )
        assert {pointer for pointer, _ in codes(wrong)} == {
            "/valid_until", "/condition/field", "/numbers/units/missed_appointments",
        }  # fmt: skip

    def test_its_condition_sees_nothing_of_the_customer_and_of_what_we_judge(
        self, database: Database, manager: Caller
    ) -> None:
        refused_ = {
            "vulnerable": True, "language": "de", "severity": "S1", "impact": 5, "urgency": 4, "double_deviation": True,
            "reopened_count": 1, "outcome": "upheld", "fault": "firm", "repeat": True,
        }  # fmt: skip
        leaves: list[dict[str, Any]] = [
            {"field": field, "operator": "is", "value": value} for field, value in refused_.items()
        ]
        leaves += [{"field": field, "operator": "is_set"} for field in ("root_cause", "stage")]
        for leaf in leaves:
            field = str(leaf["field"])
            answer = manager.post("/tariffs", VERSION | {"id": "train.late", "condition": {"not": leaf}})
            assert codes(answer) == [("/condition", "not_for_tariffs")], field
            assert field in answer.json["errors"][0]["detail"]
        allowed = {name: field for name, field in KEPT_OF_TARIFFS.items() if name not in OF_CUSTOMER | JUDGED}
        for item in (version for tariff in tariffs.shipped()["tariffs"] for version in tariff["versions"]):
            read(item["condition"], allowed)

    def test_a_kept_one_that_asks_for_more_is_still_read(
        self, database: Database, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        """It was written when that was allowed."""
        version = VERSION | {"id": "train.late", "valid_from": "2000-01-01"}
        assert manager.post("/tariffs", version).status_code == 201
        condition = {"field": "severity", "operator": "is", "value": "S3"}
        with database.unit_of_work(SYSTEM) as uow:
            given = {"set_off": False, "held_before": False, "note": None, "condition": condition}
            row = {**VERSION, "valid_until": None, **given}
            tariff_queries.tariff_for_update(uow.session, None, "train.late").touch()
            uow.add_rows(
                TariffVersion,
                [
                    {
                        "tariff_id": "train.late",
                        "version": 2,
                        "valid_from": date(2000, 1, 1),
                        "spec": {name: row[name] for name in tariffs.SPEC},
                        "created_at": uow.now,
                    }
                ],
            )
            tariffs_in_force.changed(uow)
        found = manager.get(f"/complaints/{complaint['reference']}/suggestion?missed_appointments=2").json
        assert found["statutory"]["amount"] == "25.00"

    def test_of_two_at_once_one_is_told(self, manager: Caller) -> None:
        shown = manager.get("/tariffs/uk.energy").json
        body = {name: value for name, value in shown["in_force"].items() if name in VERSION}
        windows = [another(manager) for _ in range(3)]
        answers = at_once(
            *(
                lambda window=window: window.post(
                    "/tariffs/uk.energy/versions", body, if_match=f'"v{shown["version"]}"'
                )
                for window in windows
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201, 412, 412]

    def test_what_held_is_never_changed(self, database: Database) -> None:
        for statement in ("UPDATE tariff_version SET valid_until = now()", "DELETE FROM tariff_version"):
            with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
                uow.session.execute(text(statement))

    def test_installing_again_adds_nothing_and_leaves_the_operators_own(
        self, database: Database, manager: Caller
    ) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            assert not tariffs.install(uow)
        there = sum(len(tariff["versions"]) for tariff in tariffs.shipped()["tariffs"])
        assert scalar(database, "SELECT count(*) FROM tariff_version") == there


class TestFacts:
    def path(self, complaint: dict[str, Any]) -> str:
        return f"/complaints/{complaint['reference']}/recovery-facts"

    def record(self, caller: Caller, complaint: dict[str, Any], **facts: Any) -> Any:
        version = caller.get(self.path(complaint)).json["version"]
        return caller.patch(self.path(complaint), facts, if_match=f'"v{version}"')

    def test_who_may(self, anonymous: Caller, auditor: Caller, stranger: Caller, complaint: dict[str, Any]) -> None:
        path, match = self.path(complaint), f'"v{complaint["version"]}"'
        assert anonymous.get(path).status_code == 401
        assert stranger.get(path).status_code == 404
        assert auditor.get(path).status_code == 200
        assert auditor.patch(path, {}, if_match=match).status_code == 403

    def test_recorded_changed_and_taken_away(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert agent.patch(self.path(complaint), {"passengers": 2}).status_code == 428
        made = self.record(agent, complaint, distance_km="1500.10", cause="delay", happened_on="2026-03-01")
        assert made.json["facts"] == {"distance_km": "1500.1", "cause": "delay", "happened_on": "2026-03-01"}
        changed = self.record(agent, complaint, cause=None, fare={"amount": "10.00", "currency": "USD"})
        assert changed.json["facts"] == {
            "distance_km": "1500.1", "happened_on": "2026-03-01", "fare": {"amount": "10.00", "currency": "USD"},
        }  # fmt: skip
        same = self.record(agent, complaint, distance_km="1500.1")
        assert same.json["version"] == changed.json["version"]
        told = [
            item for item in agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
            if item["type"] == "recovery.facts_recorded"
        ]  # fmt: skip
        assert [item["payload"]["changes"].keys() for item in told] == [
            {"distance_km", "cause", "happened_on"}, {"cause", "fare"},
        ]  # fmt: skip
        assert agent.get(f"/complaints/{complaint['reference']}/timeline/verification").json["valid"]

    def test_every_bad_field_is_named(self, agent: Caller, complaint: dict[str, Any]) -> None:
        wrong = self.record(
            agent,
            complaint,
            fare={"amount": "-1.00", "currency": "EUR"},
            passengers=2.5,
            happened_on="yesterday",
            lost="hope",
        )
        assert {pointer for pointer, _ in codes(wrong)} == {"/fare", "/passengers", "/happened_on", "/lost"}

    def test_a_tariff_that_is_there_and_a_day_that_was(self, agent: Caller, complaint: dict[str, Any]) -> None:
        today = datetime.now(UTC).date()
        wrong = self.record(agent, complaint, tariff="eu.621", happened_on=str(today + timedelta(days=3)))
        assert codes(wrong) == [("/tariff", "unknown"), ("/happened_on", "future")]
        assert self.record(agent, complaint, tariff="eu.261", happened_on=str(today)).status_code == 200

    def test_what_is_added_up_is_in_the_complaint_s_currency(self, agent: Caller, complaint: dict[str, Any]) -> None:
        pounds = {"amount": "10.00", "currency": "GBP"}
        wrong = self.record(agent, complaint, statutory=pounds, refunded=pounds, fare=pounds)
        assert codes(wrong) == [("/statutory/currency", "currency"), ("/refunded/currency", "currency")]
        assert self.record(agent, complaint, fare=pounds).status_code == 200

    def test_nothing_is_a_fact_as_well(self, agent: Caller, complaint: dict[str, Any]) -> None:
        """Whoever knows that nothing was refunded says so, and it is assumed no more."""
        path = f"/complaints/{complaint['reference']}/suggestion"
        assert {"statutory", "refunded"} <= set(agent.get(path).json["assumed"])
        nothing = {"amount": "0.00", "currency": "EUR"}
        recorded = self.record(agent, complaint, statutory=nothing, refunded=nothing, fare=nothing)
        assert recorded.json["facts"] == {"statutory": nothing, "refunded": nothing, "fare": nothing}
        assert not {"statutory", "refunded"} & set(agent.get(path).json["assumed"])

    def test_those_of_a_merged_duplicate_count_where_nothing_is_said(self, manager: Caller) -> None:
        survivor, source = new(manager), new(manager)
        self.record(manager, source, distance_km="900", cause="delay")
        self.record(manager, survivor, cause="cancellation")
        merge(manager, source, survivor)
        shown = manager.get(self.path(survivor)).json
        assert shown["facts"] == {"cause": "cancellation"}
        assert shown["inherited"] == {"distance_km": "900"}
        unmerge(manager, source)
        assert manager.get(self.path(survivor)).json["inherited"] == {}
        assert manager.get(self.path(source)).json["facts"] == {"distance_km": "900", "cause": "delay"}


def test_a_code_with_a_nul_is_nobodys(agent: Caller) -> None:
    """Also where it is that of a tariff but for the NUL."""
    for code in ("%00", "eu.261%00", "eu.%00261"):
        for path in (f"/tariffs/{code}", f"/tariffs/{code}/versions"):
            assert agent.get(path).status_code == 404, path
