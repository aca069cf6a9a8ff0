"""Conditions go on to mean the tags that they name, whatever is done to the vocabulary.

How it can fail: a tag is renamed or merged, and the rule, the trigger or the policy that names it is silently for nothing from then
on, or for what it was not; it is only found in the capitals in which it was written; the job that shows complaints by the new name
sets off triggers about them, or takes from them what they were promised; a search for the old name finds nothing.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from helpdesk.complaints import tagging
from helpdesk.wiring import Program
from tests.automation.rules import arrive, body, of, outcomes, react, trigger
from tests.automation.test_dry_run import counts, tried
from tests.complaints.test_search import hits
from tests.complaints.test_tags import tag, tagged
from tests.conftest import Caller
from tests.recovery.helpers import perform

Change = Callable[[Caller], str]
"""Does something to the tag `Parcel`; the name that complaints carry from then on."""


def renamed(admin: Caller) -> str:
    answer = admin.patch(f"/tags/{tag(admin, 'Parcel')['id']}", {"name": "Package"}, if_match="*")
    assert answer.status_code == 200, answer.text
    return "Package"


def merged(admin: Caller) -> str:
    into = admin.post("/tags", {"name": "Package"}).json["id"]
    answer = admin.post(f"/tags/{tag(admin, 'Parcel')['id']}/merge", {"into_id": into})
    assert answer.status_code == 202, answer.text
    return "Package"


def recased(admin: Caller) -> str:
    answer = admin.patch(f"/tags/{tag(admin, 'Parcel')['id']}", {"name": "PARCEL"}, if_match="*")
    assert answer.status_code == 200, answer.text
    return "PARCEL"


every_change = pytest.mark.parametrize("change", [renamed, merged, recased])


@pytest.fixture
def carrying(admin: Caller) -> dict[str, Any]:
    """A complaint that carries the tag."""
    return arrive(admin, tags=["Parcel"])


@pytest.fixture
def policy(admin: Caller) -> dict[str, Any]:
    calendar = admin.get("/sla/calendars").json["items"][0]["id"]
    given = {
        "name": "Parcels",
        "condition": of("tags", "contains", "parcel"),
        "targets": {severity: {"resolve": [60, "minutes"]} for severity in ("S1", "S2", "S3", "S4", "S5")},
        "calendar_id": calendar,
    }
    answer = admin.post("/sla/policies", given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def promised_by(caller: Caller, complaint: dict[str, Any]) -> set[str]:
    answer = caller.get(f"/complaints/{complaint['reference']}/clocks")
    assert answer.status_code == 200, answer.text
    return {row["policy_id"] for row in answer.json["items"] if row["kind"] == "resolve" and row["state"] == "running"}


@every_change
@pytest.mark.parametrize(
    ("operator", "value"), [("contains", "Parcel"), ("is", "parcel"), ("in", ["x", "Parcel"]), ("changed_to", "Parcel")]
)
@pytest.mark.usefixtures("carrying")
def test_a_trigger_goes_on(program: Program, admin: Caller, change: Change, operator: str, value: Any) -> None:
    made = trigger(admin, "complaint.tagged", condition=of("tags", operator, value), actions=[_ESCALATE])
    tagged(admin, arrive(admin), "Parcel")
    react(program)
    name = change(admin)
    perform(program, tagging.TOPIC)
    tagged(admin, arrive(admin), name)
    tagged(admin, arrive(admin), "other")
    react(program)
    assert outcomes(admin, made) == [("done", None)] * 2


_ESCALATE = {"step": "escalate", "given": {"reason": "By rule."}}


@every_change
def test_what_a_complaint_still_shows_means_the_same(
    program: Program, admin: Caller, change: Change, carrying: dict[str, Any]
) -> None:
    """Before the job has come to it, and asked by the new name."""
    name = change(admin)
    made = trigger(admin, "complaint.edited", condition=of("tags", "contains", name), actions=[_ESCALATE])
    answer = admin.patch(f"/complaints/{carrying['reference']}", {"subject": "Another"}, if_match="*")
    assert answer.json["tags"] == ["Parcel"]
    react(program)
    assert outcomes(admin, made) == [("done", None)]


@every_change
@pytest.mark.usefixtures("carrying")
def test_the_job_sets_off_no_trigger(program: Program, admin: Caller, change: Change) -> None:
    made = trigger(admin, "complaint.tagged", condition={"field": "tags", "operator": "is_set"}, actions=[_ESCALATE])
    change(admin)
    assert perform(program, tagging.TOPIC)["done"] == 1
    react(program)
    assert outcomes(admin, made) == []


@every_change
@pytest.mark.usefixtures("carrying")
def test_a_trial_looks_at_what_triggers_would(program: Program, admin: Caller, change: Change) -> None:
    """By names of now, also where the complaint then had another; and not at what the job did."""
    name = change(admin)
    assert perform(program, tagging.TOPIC)["done"] == 1
    asked = body("complaint.tagged", condition=of("tags", "changed_to", name), actions=[_ESCALATE])
    assert counts(tried(admin, program, asked)) == (1, 1, 1)


@every_change
@pytest.mark.usefixtures("carrying")
def test_a_routing_rule_goes_on(admin: Caller, team: UUID, change: Change) -> None:
    rule = {
        "name": "Parcels",
        "condition": of("tags", "contains", "parcel"),
        "result": {"team_id": str(team), "strategy": "queue_only"},
    }
    assert admin.post("/routing/rules", rule).status_code == 201
    assert arrive(admin, tags=["Parcel"])["team_id"] == str(team)
    name = change(admin)
    assert arrive(admin, tags=[name])["team_id"] == str(team)
    assert arrive(admin, tags=["other"])["team_id"] is None


@every_change
def test_a_policy_goes_on(program: Program, admin: Caller, policy: dict[str, Any], change: Change) -> None:
    before = arrive(admin, tags=["Parcel"])
    assert promised_by(admin, before) == {policy["id"]}
    name = change(admin)
    perform(program, tagging.TOPIC)
    assert promised_by(admin, before) == {policy["id"]}
    assert promised_by(admin, arrive(admin, tags=[name])) == {policy["id"]}
    assert promised_by(admin, arrive(admin, tags=["other"])) != {policy["id"]}


def test_what_is_merged_into_what_a_policy_names_is_promised_it(
    program: Program, admin: Caller, policy: dict[str, Any]
) -> None:
    admin.post("/tags", {"name": "Parcel"})
    row = arrive(admin, tags=["Box"])
    assert promised_by(admin, row) != {policy["id"]}
    admin.post(f"/tags/{tag(admin, 'Box')['id']}/merge", {"into_id": tag(admin, "Parcel")["id"]})
    perform(program, tagging.TOPIC)
    assert promised_by(admin, row) == {policy["id"]}


@every_change
def test_a_search_goes_on(program: Program, admin: Caller, change: Change, carrying: dict[str, Any]) -> None:
    ref, other = carrying["reference"], arrive(admin, subject="Of the parcel itself")["reference"]
    longer = arrive(admin, tags=["parcel post"])["reference"]
    change(admin)
    for _ in range(2):  # before the job, and after it
        assert set(hits(admin, "tag:parcel")) == {ref, longer}
        assert set(hits(admin, 'tag:"PARCEL"')) == {ref, longer}
        assert hits(admin, "-tag:parcel itself") == [other]
        perform(program, tagging.TOPIC)
    found = admin.get("/complaints/search?q=tag:parcel").json["items"]
    assert all(item["fragments"] for item in found)
