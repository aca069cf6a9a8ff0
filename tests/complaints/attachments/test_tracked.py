"""Files of the complainant, by the tracking link.

How it can fail: the complainant sees what is internal.
"""

import io
from typing import Any

import pytest

from helpdesk.wiring import Program
from tests.complaints.attachments.sending import KIND, app_with, form, get, path_of, sent, stored
from tests.conftest import Caller, complaint_body
from tests.kernel.test_sniffing import GIF, PDF, packed


class Complainant:
    """Somebody with a session of their tracking."""

    def __init__(self, caller: Caller, shown: dict[str, Any]) -> None:
        self.caller = caller
        given = {"reference": shown["reference"], "secret": shown["tracking_secret"]}
        self.authorization = f"Tracking {caller.post('/public/tracking', given).json['token']}"

    def send(self, content: bytes = PDF, name: str = "Receipt.pdf", **more: Any) -> Any:
        body = form(content, name, **more)
        return self.caller.client.post(
            "/api/v1/public/tracking/attachments",
            headers={"Authorization": self.authorization},
            input_stream=io.BytesIO(body),
            content_length=len(body),
            content_type=KIND,
        )

    def list(self) -> list[dict[str, Any]]:
        answer = self.caller.get("/public/tracking/attachments", authorization=self.authorization)
        assert answer.status_code == 200, answer.text
        return list(answer.json["items"])

    def link(self, attachment_id: str) -> Any:
        path = f"/public/tracking/attachments/{attachment_id}/link"
        return self.caller.post(path, {}, authorization=self.authorization)


class TestTracked:
    """The complainant's side."""

    @pytest.fixture
    def li_wei(self, anonymous: Caller, complaint: dict[str, Any]) -> Complainant:
        return Complainant(anonymous, complaint)

    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        path = "/public/tracking/attachments"
        for headers in ({}, {"authorization": f"Bearer {agent.token}"}, {"authorization": "Tracking x.y"}):
            assert anonymous.get(path, **headers).status_code == 401
            assert anonymous.post(path, **headers).status_code == 401

    def test_sends_and_has_it_back(self, li_wei: Complainant, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = li_wei.send()
        assert answer.status_code == 201, answer.text
        assert answer.json.keys() == {"id", "name", "type", "size", "sha256", "scan", "created_at"}
        assert li_wei.list() == [answer.json]
        assert get(agent, li_wei.link(answer.json["id"]).json["url"]).data == PDF
        seen = agent.get(f"{path_of(complaint)}/{answer.json['id']}").json
        assert (seen["author_kind"], seen["author_id"], seen["internal"]) == ("complainant", None, False)
        last = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert (last["type"], last["actor_kind"]) == ("complaint.attachment_added", "complainant")

    def test_sees_what_is_meant_for_them(self, li_wei: Complainant, agent: Caller, complaint: dict[str, Any]) -> None:
        internal = sent(agent, complaint, name="internal.pdf")
        public = sent(agent, complaint, name="public.pdf", internal="false")
        assert [item["name"] for item in li_wei.list()] == ["public.pdf"]
        assert li_wei.link(internal["id"]).status_code == 404
        assert li_wei.link(public["id"]).status_code == 200

    def test_nothing_of_another_complaint(
        self, li_wei: Complainant, anonymous: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        other = agent.post("/complaints", complaint_body(team_id=complaint["team_id"])).json
        theirs = Complainant(anonymous, other)
        mine = li_wei.send().json
        assert theirs.list() == []
        assert theirs.link(mine["id"]).status_code == 404

    @pytest.mark.parametrize("content", [packed("a.txt"), b"<html>", b"MZ" + bytes(100), bytes(100), GIF + packed("a")])
    def test_only_what_is_known(self, li_wei: Complainant, program: Program, content: bytes) -> None:
        answer = li_wei.send(content)
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "type")
        assert stored(program) == set()

    def test_no_fields_of_ours(self, li_wei: Complainant) -> None:
        assert li_wei.send(internal="true").json["errors"][0]["code"] == "unknown_field"

    def test_smaller_and_fewer(self, anonymous: Caller, complaint: dict[str, Any], program: Program) -> None:
        with app_with(program, max_public_attachment_bytes=1_000, max_public_attachments=2) as (app, _):
            li_wei = Complainant(Caller(app.test_client(), None, None), complaint)
            assert li_wei.send(b"x" * 1_001).status_code == 413
            assert [li_wei.send(b"x" * 1_000).status_code for _ in range(3)] == [201, 201, 409]
