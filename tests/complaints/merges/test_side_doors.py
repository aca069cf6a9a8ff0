"""Who sees one of two complaints that were merged, linked or split is nowhere told which the other one is.

How it can fail: an event of the timeline names it (its id, its reference, a reason that quotes it), in a refusal, in the
feed, in an evidence pack, its proof or a pack that somebody else had made; a new event names another complaint, a new
route shows one, and nobody decided on it; whoever sees both is told less than before.
"""

import io
import json
import typing
import zipfile
from typing import Any, Final
from uuid import UUID

import pytest

from helpdesk.complaints import pack_check
from helpdesk.complaints.named_queries import NAMING
from helpdesk.contract import event_types
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import Archive, had, made, of, packs
from tests.complaints.merges.acting import Complaint, act
from tests.complaints.merging import merge, new, path_of, unmerge, write
from tests.complaints.test_links import link
from tests.conftest import Caller, Join, make_team
from tests.contract.document import OPERATIONS
from tests.recovery import helpers

OWN: Final = frozenset(
    [
        "complaint_id",
        "team_id",
        "customer_id",
        "assignee_id",
        "rule_id",
        "message_id",
        "in_reply_to",
        "macro_id",
        "redaction_id",
        "agent_id",
        "author_id",
        "issue_id",
        "attachment_id",
        "person_id",
        "need_id",
        "evidence_id",
        "offer_id",
        "successor_of",
        "copied_from",
        "counter_id",
        "flag_id",
        "provider_id",
        "from_budget_id",
        "to_budget_id",
        "entry_id",
        "reverses_id",
        "clock_id",
        "notice_id",
        "calendar_id",
        "policy_id",
        "trigger_id",
        "firing_id",
        "fact_id",
        "job_id",
        "about_id",
    ]
)
"""Ids in events on a complaint that are not of another complaint, nor of what lies between two."""


def test_every_event_that_names_another_complaint_is_known() -> None:
    for kind in event_types():
        if not kind.type.startswith(("complaint.", "offer.", "sla.", "automation.")):
            continue
        ids = {name for name, hint in typing.get_type_hints(kind).items() if hint in {UUID, UUID | None}}
        known = {name for path in (NAMING[kind.type].ids + NAMING[kind.type].more if kind.type in NAMING else ())
                 for name in path}  # fmt: skip
        assert ids - OWN <= known, (
            kind.type,
            "names another complaint? Then say so in complaints/named_queries.NAMING",
        )


class Story:
    """A team's complaint that a manager merged into another team's, parted again, linked, split and merged once more."""

    def __init__(self, join: Join, database: Database, manager: Caller, team: UUID) -> None:
        elsewhere = make_team(database, "Elsewhere")
        self.here, self.there = join("senior"), join("senior", team_ids=[elsewhere])
        self.manager = manager
        self.ours = new(self.here, team, issues=[{"category": "DEL", "issue": "DEL.LATE"}, {"category": "BIL"}])
        self.theirs = new(self.there, elsewhere)
        link(manager, self.ours, "child_of", self.theirs)
        given = {"issues": [manager.get(path_of(self.ours)).json["issues"][1]["id"]], "reason": "Another team's."}
        self.part: Complaint = manager.post(f"{path_of(self.ours)}/split", given | {"silent": True}).json
        gone = {"team_id": str(elsewhere), "assignee_id": None}
        moved = manager.put(f"{path_of(self.part)}/assignment", gone, if_match="*")
        assert moved.status_code == 200, moved.text
        merge(manager, self.ours, self.theirs, silent=True)
        unmerge(manager, self.ours, silent=True)
        write(manager, self.ours, "inbound", "When will it come?")
        merge(manager, self.ours, self.theirs, silent=True)

    def sides(self) -> list[tuple[Caller, list[Complaint], list[Complaint]]]:
        """Who, what they see, and what they are not to hear of."""
        return [
            (self.here, [self.ours], [self.theirs, self.part]),
            (self.there, [self.theirs, self.part], [self.ours]),
        ]


@pytest.fixture
def story(join: Join, database: Database, manager: Caller, team: UUID) -> Story:
    return Story(join, database, manager, team)


def names(text: str, complaints: list[Complaint]) -> list[str]:
    return [name for each in complaints for name in (each["id"], each["reference"]) if name in text]


def test_no_answer_about_a_complaint_names_the_other(story: Story) -> None:
    """Every GET below a complaint that needs nothing but the complaint."""
    asked = [item.path for item in OPERATIONS
             if item.method == "get" and "/complaints/{ref}" in item.path and item.path_names() == ["ref"]]  # fmt: skip
    assert len(asked) > 20
    for caller, seen, hidden in story.sides():
        for complaint in seen:
            for path in asked:
                answer = caller.get(path.removeprefix("/api/v1").replace("{ref}", complaint["reference"]))
                assert answer.status_code < 500
                assert names(answer.text, hidden) == [], path


def test_the_timeline_tells_all_but_which(story: Story) -> None:
    told = {item["type"]: item for item in story.here.get(f"{path_of(story.ours)}/timeline?limit=200").json["items"]}
    assert {kind for kind, item in told.items() if item["withheld"]} == {
        "complaint.linked",
        "complaint.split",
        "complaint.merged",
        "complaint.unmerged",
    }
    merged = told["complaint.merged"]
    assert merged["payload"]["changes"]["status"] == ["received", "dismissed"]
    assert "merged_into_id" not in merged["payload"]["changes"]
    assert merged["summary"].endswith("(not for this caller)")
    whole = story.manager.get(f"{path_of(story.ours)}/timeline?limit=200").json["items"]
    assert not any(item["withheld"] for item in whole)
    assert names(json.dumps(whole), [story.theirs, story.part]) == [
        story.theirs["id"],
        story.theirs["reference"],
        story.part["id"],
        story.part["reference"],
    ]
    valid = story.here.get(f"{path_of(story.ours)}/timeline/verification").json
    assert valid["valid"] is True


@pytest.mark.parametrize("stale", [{}, {"if_match": '"v1"'}])
def test_no_refusal_names_the_other(story: Story, stale: dict[str, str]) -> None:
    for caller, seen, hidden in story.sides():
        for complaint in seen:
            given = {"reason": "They came again."}
            answer = caller.post(f"{path_of(complaint)}/actions/follow_up", {"result": "contact_made"} | given, **stale)
            assert answer.status_code in {409, 412}, answer.text
            told = [item["type"] for item in answer.json["changes"]]
            assert {"complaint.merged", "complaint.duplicate_merged", "complaint.assigned"} & set(told)
            assert names(answer.text, hidden) == []
    answer = story.manager.post(f"{path_of(story.ours)}/actions/follow_up", {"result": "contact_made"}, **stale)
    assert answer.status_code in {409, 412}
    if stale:
        assert story.theirs["id"] in answer.text


def test_the_feed_does_not_either(story: Story, admin: Caller, app: Any, team: UUID) -> None:
    given = {"name": "feed", "permissions": ["complaint:read", "event:read"], "scope": "teams", "team_ids": [str(team)]}
    key = Caller(app.test_client(), None, admin.post("/api-keys", given).json["key"])
    feed = key.get("/events?limit=500")
    kinds = {item["type"] for item in feed.json["items"] if item["withheld"]}
    assert kinds == {"complaint.linked", "complaint.split", "complaint.merged", "complaint.unmerged"}
    assert names(feed.text, [story.theirs, story.part]) == []
    assert story.theirs["id"] in story.manager.get("/events?limit=500").text


def test_what_was_offered_is_not_told_by_the_feed(
    complaint: Complaint, manager: Caller, admin: Caller, app: Any
) -> None:
    helpers.open_budget(manager)
    helpers.offered(manager, complaint, helpers.voucher("40.00"))
    body = {"name": "feed", "permissions": ["complaint:read", "event:read"], "scope": "everything"}
    key = Caller(app.test_client(), None, admin.post("/api-keys", body).json["key"])
    offers = [item for item in key.get("/events?limit=500").json["items"] if item["type"].startswith("offer.")]
    assert offers
    assert all(item["payload"] is None and item["withheld"] for item in offers)


class TestPack:
    def test_of_who_sees_one_side(self, story: Story, program: Program) -> None:
        for caller, seen, hidden in story.sides():
            for complaint in seen:
                pack = made(program, caller, complaint)
                everything = "".join(
                    pack.read(name).decode() for name in pack.namelist() if not name.startswith(("verify", "attach"))
                )
                assert names(everything, hidden) == [], complaint
                assert list(pack_check.faults(Archive(pack))) == []

    def test_of_who_sees_both_is_for_who_sees_both(self, story: Story, program: Program) -> None:
        told = made(program, story.manager, story.ours)
        assert story.theirs["reference"] in of(told, "complaint.json")["merged_into"]["reference"]
        assert story.theirs["id"] in told.read("chain.jsonl").decode()
        assert list(pack_check.faults(Archive(told))) == []
        (item,) = packs(story.manager, story.ours)
        assert packs(story.here, story.ours) == []
        assert story.here.get(f"{path_of(story.ours)}/evidence/{item['id']}").status_code == 404
        made(program, story.here, story.ours)
        assert len(packs(story.here, story.ours)) == 1
        assert len(packs(story.manager, story.ours)) == 2

    def test_from_before_it_was_kept_of_what_they_tell(self, story: Story, program: Program, senior: Caller) -> None:
        made(program, story.here, story.ours)
        (item,) = packs(story.here, story.ours)
        helpers.execute(program.database, "UPDATE complaint_evidence SET tells_of = NULL")
        assert packs(story.here, story.ours) == []
        assert zipfile.is_zipfile(io.BytesIO(had(story.manager, story.ours, item["id"])))


def test_who_sees_both_is_told_as_before(story: Story, senior: Caller) -> None:
    act(story.manager, story.theirs, "escalate")
    items = story.manager.get(f"{path_of(story.theirs)}/timeline?limit=200").json["items"]
    (merged, _) = (item["payload"] for item in items if item["type"] == "complaint.duplicate_merged")
    assert merged["source_reference"] == story.ours["reference"]
