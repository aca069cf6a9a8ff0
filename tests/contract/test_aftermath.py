"""What was accepted does no harm later: odd calendars, policies, times and sums, and then an ordinary complaint."""

import itertools
from typing import Any

import pytest

from tests.conftest import Caller, complaint_body
from tests.recovery.helpers import eur

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE = {day: [["09:00", "17:00"]] for day in WEEK[:5]}
SEVERITIES = ("S1", "S2", "S3", "S4", "S5")
KINDS = ("acknowledge", "investigate", "resolve", "follow_up")


def targets(amount: int, unit: str) -> dict[str, Any]:
    return {severity: {kind: [amount, unit] for kind in KINDS} for severity in SEVERITIES}


CALENDARS: dict[str, dict[str, Any]] = {
    "no hours at all": {"weekly_hours": {}},
    "empty days": {"weekly_hours": {day: [] for day in WEEK}},
    "one minute a week": {"weekly_hours": {"sun": [["23:59", "00:00"]]}},
    "round the clock": {"weekly_hours": {day: [["00:00", "00:00"]] for day in WEEK}},
    "overlapping shifts": {"weekly_hours": {"mon": [["09:00", "17:00"], ["10:00", "18:00"]]}},
    "no such times": {"weekly_hours": {"mon": [["25:00", "99:99"]]}},
    "no such days": {"weekly_hours": {"someday": [["09:00", "17:00"]]}},
    "no such zone": {"weekly_hours": OFFICE, "timezone": "Mars/Olympus"},
    "a folder for a zone": {"weekly_hours": OFFICE, "timezone": "Europe"},
    "a file for a zone": {"weekly_hours": OFFICE, "timezone": "../../../etc/passwd"},
    "no such date": {"weekly_hours": OFFICE, "holidays": ["2026-02-30"]},
    "a date and more": {"weekly_hours": OFFICE, "holidays": ["2026-02-20 and on"]},
    "digits of other scripts": {"weekly_hours": OFFICE, "holidays": ["\u0662\u0660\u0662\u0666-12-25"]},
    "every day a holiday": {
        "weekly_hours": OFFICE,
        "holidays": [
            f"{year}-{month:02}-{day:02}" for year in (2026, 2027) for month in range(1, 13) for day in range(1, 29)
        ],
    },
    "a make-up day on a holiday": {
        "weekly_hours": OFFICE,
        "holidays": ["2026-12-25"],
        "working_days": {"2026-12-25": "mon"},
    },
    "a working day that is none": {"weekly_hours": OFFICE, "working_days": {"2026-13-01": "mon"}},
}

POLICIES: dict[str, dict[str, Any]] = {
    "no targets": {"targets": {}},
    "no kinds": {"targets": {severity: {} for severity in SEVERITIES}},
    "one severity only": {"targets": {"S1": {"resolve": [1, "weeks"]}}},
    "an unknown kind": {"targets": {"S1": {"celebrate": [1, "weeks"]}}},
    "at once": {"targets": targets(0, "minutes")},
    "in two thousand years": {"targets": targets(100_000, "weeks")},
    "in a hundred thousand business days": {"targets": targets(100_000, "business_days")},
    "too long": {"targets": targets(100_001, "weeks")},
    "no thresholds": {"targets": targets(1, "business_days"), "thresholds": []},
    "half a percent": {"targets": targets(1, "business_days"), "thresholds": [0.5]},
}

TIMES = ("0001-01-01T00:00:00Z", "1990-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


def tried(answer: Any) -> Any:
    """Accepted, or refused with a reason."""
    assert answer.status_code in {200, 201, 404, 409, 422}, answer.text
    return answer


def live_a_life(admin: Caller, **more: Any) -> None:
    """A complaint of each kind of gravity, with everything that starts, pauses, changes and stops its clocks."""
    for impact, urgency in ((1, 1), (5, 4)):
        answer = tried(admin.post("/complaints", complaint_body(impact=impact, urgency=urgency, **more)))
        if answer.status_code != 201:
            return
        path = f"/complaints/{answer.json['reference']}"
        triage = {"impact": 3, "urgency": 2, "category": "DEL", "issue": "DEL.LATE", "track": "investigate"}
        for action, body in (
            ("triage", triage),
            ("ask_customer", {"message": "Which day suits you?"}),
            ("resume", {}),
            ("acknowledge", {"channel": "EMAIL"}),
            ("withdraw", {"reason": "It came after all."}),
            ("reopen", {"reason": "It did not."}),
        ):
            assert admin.post(f"{path}/actions/{action}", body).status_code == 200, action
        for part in ("", "/clocks", "/timeline", "/suggestion"):
            assert admin.get(path + part).status_code == 200, part


@pytest.fixture
def policy(admin: Caller) -> dict[str, Any]:
    """The one that every complaint gets."""
    found = admin.get("/sla/policies").json["items"]
    return dict(next(item for item in found if item["is_default"]))


def use(admin: Caller, policy: dict[str, Any], **changes: Any) -> Any:
    body = {name: policy[name] for name in ("calendar_id", "thresholds", "targets")} | changes
    return tried(admin.put(f"/sla/policies/{policy['id']}", body, if_match="*"))


@pytest.mark.parametrize("name", CALENDARS)
def test_odd_calendars(admin: Caller, policy: dict[str, Any], name: str) -> None:
    answer = tried(admin.post("/sla/calendars", {"name": name, "timezone": "Europe/Berlin"} | CALENDARS[name]))
    if answer.status_code == 201:
        use(admin, policy, calendar_id=answer.json["id"], targets=targets(3, "business_days"))
        live_a_life(admin)


@pytest.mark.parametrize("name", POLICIES)
def test_odd_policies(admin: Caller, policy: dict[str, Any], name: str) -> None:
    if use(admin, policy, **POLICIES[name]).status_code == 200:
        live_a_life(admin)


@pytest.mark.parametrize("time", TIMES)
def test_odd_times(admin: Caller, time: str) -> None:
    live_a_life(admin, received_at=time, jurisdiction="US", sector="financial")
    need = {"flag": "hearing", "consent": True, "expires_at": time}
    live_a_life(admin, needs=[need])
    tried(admin.post("/tokens", {"name": "odd", "expires_at": time}))
    for name in ("received_from", "received_before"):
        assert tried(admin.get(f"/complaints?{name}={time}")).status_code == 200


def test_odd_periods(admin: Caller) -> None:
    days = ("0001-01-01", "2026-02-28", "9999-12-31")
    for number, (first, last) in enumerate(itertools.product(days, days)):
        body = {"name": f"Period {number}", "currency": "EUR", "starts_on": first, "ends_on": last}
        tried(admin.post("/budgets", body))
        assert admin.get(f"/budgets?on={first}").status_code == 200


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_sums_that_grow_without_bound(admin: Caller, currency: str) -> None:
    body = {"name": "Bottomless", "currency": currency, "starts_on": "2000-01-01", "ends_on": "2999-12-31"}
    budget = admin.post("/budgets", body).json
    decimals = {"EUR": 2, "JPY": 0, "KWD": 3}[currency]
    digits = str(2**53)
    most = digits if not decimals else f"{digits[:-decimals]}.{digits[-decimals:]}"
    allocation = {"amount": {"amount": most, "currency": currency}}
    path = f"/budgets/{budget['id']}/allocations"
    assert [tried(admin.pay(path, allocation, if_match="*")).status_code for _ in range(3)] == [201, 422, 422]
    assert admin.get(f"/budgets/{budget['id']}").json["allocated"]["amount"] == most


def test_money_of_other_worlds(admin: Caller) -> None:
    for amount, currency in itertools.product(
        ("0", "0.001", "1e3", "-1", "9007199254740993", "\u0661", "1.", ".5", "1,00", "00.10", ""),
        ("EUR", "JPY", "XXX", "eur", "EURO", ""),
    ):
        tried(admin.post("/complaints", complaint_body(price={"amount": amount, "currency": currency})))


def test_names_that_look_alike_or_break_lines(admin: Caller) -> None:
    """Text is kept as it was written but for its form; a mail header cannot be written with it."""
    names = (
        "Li\r\nBcc: all@example.com",
        "\u202eieW iL",
        "Z\u0301" * 50,
        "\u0000",
        "  ",
        "<b>Li</b>",
        "\U0001f4a9" * 200,
    )
    for name in names:
        answer = tried(
            admin.post("/complaints", complaint_body(complainant={"name": name, "email": "li.wei@example.com"}))
        )
        if answer.status_code == 201:
            path = f"/complaints/{answer.json['reference']}"
            assert admin.post(f"{path}/messages", {"kind": "public_reply", "body": name}).status_code == 201
            asked: dict[str, Any] = {"kind": "voucher", "amount": eur("1.00"), "reason": name}
            asked |= {"allow_duplicate": True, "duplicate_reason": name}
            offer = admin.post(f"{path}/offers", asked)
            assert offer.status_code == 201
