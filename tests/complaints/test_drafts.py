"""Drafts: begun, saved, read by colleagues, sent once.

How it can fail: a save overwrites another one's; a colleague changes or sends what is not theirs; a draft is sent twice,
or both sent and kept; it is sent though the other side has written; hostile HTML is shown to the colleague.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from helpdesk.complaints.drafts import MAX_DRAFTS
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once

REPLY = {"kind": "public_reply", "body": "We have found"}


def at(complaint: dict[str, Any], *more: str) -> str:
    return "/".join(("/complaints", complaint["reference"], *more))


@pytest.fixture
def draft(agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    answer = agent.post(at(complaint, "drafts"), REPLY)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def write(caller: Caller, complaint: dict[str, Any], kind: str = "inbound") -> dict[str, Any]:
    answer = caller.post(at(complaint, "messages"), {"kind": kind, "body": "Any news?"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestWhose:
    def test_anonymous_auditor_stranger(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any], draft: dict[str, Any]
    ) -> None:
        path = at(complaint, "drafts", draft["id"])
        calls: list[Callable[[Caller], Any]] = [
            lambda who: who.post(at(complaint, "drafts"), REPLY),
            lambda who: who.put(path, REPLY, if_match="*"),
            lambda who: who.delete(path, if_match="*"),
            lambda who: who.post(f"{path}/send", {}),
        ]
        stranger, auditor = join(team_ids=[make_team(database, "Other")]), join("auditor")
        for call in calls:
            assert call(anonymous).status_code == 401
            assert call(auditor).status_code == 403
            assert call(stranger).status_code == 404
        for read in (path, at(complaint, "drafts")):
            assert anonymous.get(read).status_code == 401
            assert stranger.get(read).status_code == 404
            assert auditor.get(read).status_code == 200

    def test_colleagues_read_and_no_more(self, senior: Caller, join: Join, complaint: Any, draft: Any) -> None:
        path, other = at(complaint, "drafts", draft["id"]), join()
        assert other.get(path).json == draft
        assert [item["id"] for item in other.get(at(complaint, "drafts")).json["items"]] == [draft["id"]]
        assert other.get(at(complaint, "drafts?mine=true")).json["items"] == []
        assert len(other.get(at(complaint, "drafts?mine=false")).json["items"]) == 1
        assert other.put(path, REPLY, if_match="*").status_code == 403
        assert other.post(f"{path}/send", {}).status_code == 403
        assert other.delete(path, if_match="*").json["permission"] == "complaint:assign"
        assert senior.put(path, REPLY, if_match="*").status_code == 403
        assert senior.delete(path, if_match="*").status_code == 204  # left lying by a colleague
        assert senior.get(path).status_code == 404

    def test_of_another_complaint(self, agent: Caller, complaint: dict[str, Any], draft: dict[str, Any]) -> None:
        other = agent.post("/complaints", complaint_body()).json
        assert agent.get(at(other, "drafts", draft["id"])).status_code == 404
        assert agent.post(at(other, "drafts", draft["id"], "send"), {}).status_code == 404


class TestSaving:
    def test_each_save_names_the_one_before(self, agent: Caller, complaint: dict[str, Any], draft: Any) -> None:
        path = at(complaint, "drafts", draft["id"])
        assert agent.put(path, REPLY).status_code == 428
        tag = agent.get(path).headers["ETag"]
        saved = agent.put(path, REPLY | {"body": "We have found your parcel."}, if_match=tag)
        assert (saved.status_code, saved.json["version"]) == (200, 2)
        stale = agent.put(path, REPLY | {"body": "Other window."}, if_match=tag)
        assert (stale.status_code, stale.json["current_version"]) == (412, 2)
        assert agent.get(path).json["body"] == "We have found your parcel."
        assert agent.put(path, {"kind": "internal_note", "body": ""}, if_match='"v2"').json["body"] == ""
        types = [item["type"] for item in agent.get(at(complaint, "timeline")).json["items"]]
        assert not any("draft" in kind for kind in types)
        assert agent.get(at(complaint)).json["version"] == complaint["version"]

    def test_two_saves_at_once(self, agent: Caller, complaint: dict[str, Any], draft: dict[str, Any]) -> None:
        path = at(complaint, "drafts", draft["id"])
        statuses = at_once(
            *[lambda word=word: agent.put(path, REPLY | {"body": word}, if_match='"v1"').status_code for word in "abc"]
        )
        assert sorted(statuses) == [200, 412, 412]

    def test_html_is_sanitised_for_whoever_reads_it(self, agent: Caller, complaint: dict[str, Any]) -> None:
        given = {"kind": "public_reply", "body_html": "<p onclick=x>Hi<script>alert(1)</script></p>"}
        made = agent.post(at(complaint, "drafts"), given).json
        assert (made["body"], made["body_html"]) == ("Hi", "<p>Hi</p>")
        empty = agent.post(at(complaint, "drafts"), {"kind": "public_reply", "body_html": "<p></p>"})
        assert (empty.status_code, empty.json["body"]) == (201, "")

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"kind": "inbound", "body": "x"}, {"/kind": "choice"}),
            ({"kind": "internal_note"}, {"/body": "required"}),
            ({"kind": "internal_note", "body": "x", "body_html": "x"}, {"/body_html": "invalid"}),
            ({"kind": "internal_note", "body": "x", "in_reply_to": str(uuid4())}, {"/in_reply_to": "unknown"}),
            ({"kind": "internal_note", "body": "x", "seen_message_id": str(uuid4())}, {"/seen_message_id": "unknown"}),
            ({"kind": "internal_note", "body": "x", "canned_reply_id": str(uuid4())}, {"/canned_reply_id": "unknown"}),
        ],
    )
    def test_bad(self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], expected: Any) -> None:
        assert pointers(agent.post(at(complaint, "drafts"), body)) == expected

    def test_not_without_end(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for _ in range(MAX_DRAFTS):
            assert agent.post(at(complaint, "drafts"), REPLY).status_code == 201
        assert agent.post(at(complaint, "drafts"), REPLY).status_code == 409


class TestSending:
    def test_a_message_and_no_draft(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first = write(agent, complaint)
        given = REPLY | {"body_html": "<p>Found <b>it</b>", "channel": "EMAIL", "in_reply_to": first["id"]}
        del given["body"]
        draft = agent.post(at(complaint, "drafts"), given).json
        sent = agent.post(at(complaint, "drafts", draft["id"], "send"), {})
        assert sent.status_code == 201, sent.text
        assert {"body": "Found it", "channel": "EMAIL", "in_reply_to": first["id"]}.items() <= sent.json.items()
        assert sent.json["delivery"]["state"] == "queued"
        assert agent.get(at(complaint, "drafts")).json["items"] == []
        assert agent.get(at(complaint, "messages", sent.json["id"])).json == sent.json
        assert agent.post(at(complaint, "drafts", draft["id"], "send"), {}).status_code == 404

    def test_twice_at_once(self, agent: Caller, complaint: dict[str, Any], draft: dict[str, Any]) -> None:
        path = at(complaint, "drafts", draft["id"], "send")
        assert sorted(at_once(*[lambda: agent.post(path, {}).status_code] * 3)) == [201, 404, 404]
        assert len(agent.get(at(complaint, "messages")).json["items"]) == 1

    def test_sent_and_saved_at_once(self, agent: Caller, complaint: dict[str, Any], draft: dict[str, Any]) -> None:
        """Nothing is sent that its writer has not seen last: what is sent is the one or the other, whole."""
        path = at(complaint, "drafts", draft["id"])
        saved, sent = at_once(
            lambda: agent.put(path, REPLY | {"body": "Other"}, if_match='"v1"').status_code,
            lambda: agent.post(f"{path}/send", {}, if_match='"v1"').status_code,
        )
        assert (saved, sent) in {(200, 412), (404, 201)}

    def test_repeated_with_its_key(self, agent: Caller, complaint: dict[str, Any], draft: dict[str, Any]) -> None:
        path = at(complaint, "drafts", draft["id"], "send")
        first = agent.post(path, {}, idempotency_key="send-1")
        again = agent.post(path, {}, idempotency_key="send-1")
        assert (again.status_code, again.json) == (201, first.json)
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_the_thread_moved_on(self, agent: Caller, senior: Caller, complaint: dict[str, Any], draft: Any) -> None:
        path = at(complaint, "drafts", draft["id"], "send")
        write(agent, complaint, "internal_note")  # one's own is no news
        first, second = write(senior, complaint), write(senior, complaint, "internal_note")
        refused = agent.post(path, {})
        assert (refused.status_code, refused.json["code"]) == (409, "thread_moved_on")
        assert [item["id"] for item in refused.json["new_messages"]] == [first["id"], second["id"]]
        assert refused.json["last_message_id"] == second["id"]
        partly = agent.post(path, {"seen_message_id": first["id"]})
        assert [item["id"] for item in partly.json["new_messages"]] == [second["id"]]
        assert pointers(agent.post(path, {"seen_message_id": str(uuid4())})) == {"/seen_message_id": "unknown"}
        assert agent.get(at(complaint, "drafts")).json["items"] != []
        assert agent.post(path, {"seen_message_id": second["id"]}).status_code == 201

    def test_seen_while_it_was_written(self, agent: Caller, senior: Caller, complaint: Any, draft: Any) -> None:
        seen = write(senior, complaint)
        path = at(complaint, "drafts", draft["id"])
        assert agent.put(path, REPLY | {"seen_message_id": seen["id"]}, if_match="*").status_code == 200
        assert agent.post(f"{path}/send", {}).status_code == 201

    def test_what_a_message_may_not_be(
        self, agent: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        """Checked like any message when it is sent; the draft is kept."""
        empty = agent.post(at(complaint, "drafts"), REPLY | {"body": ""}).json
        assert agent.post(at(complaint, "drafts", empty["id"], "send"), {}).status_code == 422
        stranger = join(team_ids=[make_team(database, "Other")])
        note = {"kind": "internal_note", "body": "look", "mentions": [str(stranger.id)]}
        named = agent.post(at(complaint, "drafts"), note).json
        refused = agent.post(at(complaint, "drafts", named["id"], "send"), {})
        assert pointers(refused) == {"/mentions/0": "cannot_see"}
        assert len(agent.get(at(complaint, "drafts")).json["items"]) == 2

    def test_while_it_went_to_another_team(
        self, agent: Caller, manager: Caller, database: Database, complaint: Any, draft: Any
    ) -> None:
        body = {"team_id": str(make_team(database, "Other"))}
        assert manager.put(at(complaint, "assignment"), body, if_match="*").status_code == 200
        assert agent.post(at(complaint, "drafts", draft["id"], "send"), {}).status_code == 404
        assert manager.get(at(complaint, "messages")).json["items"] == []
