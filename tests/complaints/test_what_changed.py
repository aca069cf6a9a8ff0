"""A 409 or 412 on a complaint says what changed since the version that the caller looked at.

How it can fail: it tells what the caller has seen already, or leaves out what they have not; of several changes in one
transaction it tells half; it grows with the length of the story; it tells a caller what they may not see (offers, an
erased payload), or tells somebody who may not see the complaint anything at all; a route does without it; a version
that never was makes an error of it.
"""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints.change_queries import MOST, changes_since
from helpdesk.complaints.queries import get_visible
from helpdesk.identity.actors import complainant_actor
from helpdesk.identity.permissions import ROLES
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body
from tests.recovery import helpers
from tests.tampering import past_the_trigger


def told(answer: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(item["type"], item["changes"]) for item in answer.json["changes"]]


def path_of(complaint: dict[str, Any]) -> str:
    return f"/complaints/{complaint['reference']}"


class TestStale:
    def test_what_is_new_and_nothing_else(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        path = path_of(complaint)
        assert agent.patch(path, {"subject": "one"}, if_match='"v1"').status_code == 200
        seen = agent.get(path).headers["ETag"]
        assert senior.patch(path, {"subject": "two"}, if_match="*").status_code == 200
        assert senior.post(f"{path}/claim").status_code == 200
        answer = agent.patch(path, {"subject": "three"}, if_match=seen)
        assert answer.status_code == 412
        assert told(answer) == [
            ("complaint.edited", {"subject": ["one", "two"]}),
            ("complaint.assigned", {"assignee_id": [None, str(senior.id)]}),
        ]
        assert answer.json["changes_left_off"] is False
        first = answer.json["changes"][0]
        assert (first["actor_kind"], first["actor_id"], first["actor_name"]) == (
            "agent",
            str(senior.id),
            senior.actor.name,
        )
        assert first["sequence"] == 4  # after those of its beginning
        assert first["occurred_at"].endswith("Z")

    def test_all_of_one_transaction(self, agent: Caller, complaint: dict[str, Any]) -> None:
        """All events of an act that writes a message belong to its version, and those that follow from it."""
        path = path_of(complaint)
        assert agent.post(f"{path}/actions/ask_customer", GOOD["ask_customer"]).status_code == 200
        answer = agent.patch(path, {"subject": "x"}, if_match='"v1"')
        assert told(answer) == [
            ("complaint.message_added", {}),
            ("complaint.customer_asked", {"waiting_on": ["us", "customer"]}),
            ("sla.paused", {}),
        ]

    @pytest.mark.parametrize("tag", ['"v1"', '"v1-0123456789abcdef"', '"v0", "v1"', '"x", "v1"'])
    def test_however_the_version_is_written(self, agent: Caller, complaint: dict[str, Any], tag: str) -> None:
        path = path_of(complaint)
        assert agent.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        assert len(told(agent.patch(path, {"subject": "two"}, if_match=tag))) == 1

    @pytest.mark.parametrize(
        ("tag", "number"), [('"v999999999"', 0), ('"v0"', 3), ('"v99999999999999999999"', 1), ('W/"v2"', 1), ("v1", 1)]
    )
    def test_a_version_that_never_was(
        self, agent: Caller, senior: Caller, complaint: dict[str, Any], tag: str, number: int
    ) -> None:
        """What is no version of ours says nothing of what was seen: then what others did lately is told."""
        path = path_of(complaint)
        assert senior.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        answer = agent.patch(path, {"subject": "two"}, if_match=tag)
        assert answer.status_code == 412
        assert len(told(answer)) == number

    def test_a_long_story_is_cut_at_its_end(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = path_of(complaint)
        for number in range(MOST + 3):
            assert agent.patch(path, {"subject": str(number)}, if_match="*").status_code == 200
        answer = agent.patch(path, {"subject": "x"}, if_match='"v1"')
        assert [changes["subject"][1] for _, changes in told(answer)] == [str(number) for number in range(3, MOST + 3)]
        assert answer.json["changes_left_off"] is True

    def test_of_a_part(self, agent: Caller, complaint: dict[str, Any]) -> None:
        """A person on the complaint has the complaint's version."""
        path = path_of(complaint)
        person = complaint["people"][0]["id"]
        assert agent.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        answer = agent.patch(f"{path}/people/{person}", {"name": "Li"}, if_match='"v1"')
        assert (answer.status_code, told(answer)) == (
            412,
            [("complaint.edited", {"subject": [complaint["subject"], "one"]})],
        )


class TestConflict:
    def test_who_came_first(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        path = path_of(complaint)
        assert senior.post(f"{path}/claim").status_code == 200
        answer = agent.post(f"{path}/claim")
        assert answer.status_code == 409
        assert told(answer)[-1] == ("complaint.assigned", {"assignee_id": [None, str(senior.id)]})

    def test_what_one_did_oneself_is_no_news_without_a_version(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = path_of(complaint)
        assert agent.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        answer = agent.post(f"{path}/actions/resolve", GOOD["resolve"])
        assert (answer.status_code, told(answer)) == (409, [])
        assert answer.json["changes_left_off"] is False

    def test_nor_is_what_others_did_long_ago(
        self, agent: Caller, senior: Caller, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        path = path_of(complaint)
        assert senior.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        past_the_trigger(engine, "UPDATE event SET occurred_at = occurred_at - interval '10 minutes'")
        assert senior.patch(path, {"subject": "two"}, if_match="*").status_code == 200
        answer = agent.post(f"{path}/actions/resolve", GOOD["resolve"])
        assert told(answer) == [("complaint.edited", {"subject": ["one", "two"]})]

    def test_of_very_much_the_last_without_a_version(
        self, agent: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        path = path_of(complaint)
        for number in range(MOST + 2):
            assert senior.patch(path, {"subject": str(number)}, if_match="*").status_code == 200
        answer = agent.post(f"{path}/actions/resolve", GOOD["resolve"])
        assert (len(told(answer)), answer.json["changes_left_off"]) == (MOST, True)

    def test_nothing_is_new_to_who_has_seen_all(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(f"{path_of(complaint)}/actions/resolve", GOOD["resolve"], if_match='"v1"')
        assert (answer.status_code, told(answer)) == (409, [])

    def test_of_an_offer(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        """An offer counts its own versions; of its complaint's story it is told what others did lately."""
        offer = helpers.draft(agent, complaint, {"kind": "apology_letter"})
        helpers.act(senior, offer, "submit")
        answer = agent.pay(f"/offers/{offer['id']}/actions/submit", {})
        assert answer.status_code == 409
        assert told(answer)[-1][0] == "offer.approved"


class TestSight:
    def test_nothing_is_told_to_who_may_not_see_it(self, agent: Caller, join: Join, complaint: dict[str, Any]) -> None:
        path = path_of(complaint)
        assert agent.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        answer = join("agent", team_ids=[]).patch(path, {"subject": "two"}, if_match='"v1"')
        assert answer.status_code == 404
        assert "changes" not in answer.json
        forbidden = join("auditor").patch(path, {"subject": "two"}, if_match='"v1"')
        assert forbidden.status_code == 403
        assert "changes" not in forbidden.json

    def test_offers_are_told_to_who_may_read_them(
        self, agent: Caller, database: Database, complaint: dict[str, Any]
    ) -> None:
        helpers.draft(agent, complaint, {"kind": "apology_letter"})
        permissions = ROLES["agent"] - {"offer:read"}
        with database.reader() as session:
            row = get_visible(session, agent.actor, complaint["reference"])
            seen = changes_since(session, agent.actor, row, 0)["changes"]
            unseen = changes_since(session, replace(agent.actor, permissions=permissions), row, 0)["changes"]
            customer = changes_since(session, complainant_actor(row.id, ROLES["agent"]), row, 0)
            other = changes_since(session, agent.actor, object(), 0)
        assert [item["type"] for item in seen] == ["complaint.received", "sla.started", "offer.drafted"]
        assert [item["type"] for item in unseen] == ["complaint.received", "sla.started"]
        assert customer == other == {}

    def test_an_erased_payload_tells_that_it_happened(
        self, agent: Caller, engine: Engine, complaint: dict[str, Any]
    ) -> None:
        path = path_of(complaint)
        assert agent.patch(path, {"subject": "one"}, if_match="*").status_code == 200
        past_the_trigger(engine, "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.edited'")
        assert told(agent.patch(path, {"subject": "two"}, if_match='"v1"')) == [("complaint.edited", {})]


def test_events_of_what_has_no_version_have_none(agent: Caller, engine: Engine) -> None:
    assert agent.post("/complaints", complaint_body()).status_code == 201
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT DISTINCT complaint.id IS NULL, stream_version FROM event LEFT JOIN complaint ON complaint.id = stream_id"
            )
        ).all()
    assert {tuple(row) for row in found} == {(True, None), (False, 1)}
