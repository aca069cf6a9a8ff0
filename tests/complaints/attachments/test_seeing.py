"""Who sees a file, and what becomes of it: changed, redacted."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from helpdesk.complaints import attachment_queries, attachments
from helpdesk.complaints.attachment_models import Attachment
from helpdesk.identity.actors import SYSTEM, complainant_actor
from helpdesk.kernel import files
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import at, get, link, path_of, perform, sent, stored
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once
from tests.recovery import helpers


class TestSee:
    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = sent(agent, complaint)
        for path in (path_of(complaint), f"{path_of(complaint)}/{shown['id']}"):
            assert anonymous.get(path).status_code == 401

    def test_only_with_the_complaint(
        self, join: Join, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        shown = sent(agent, complaint)
        outsider = join("agent", team_ids=[make_team(database, "Elsewhere")])
        own = outsider.post("/complaints", complaint_body()).json
        assert outsider.get(path_of(complaint)).status_code == 404
        for base in (path_of(complaint), path_of(own)):
            one = f"{base}/{shown['id']}"
            assert outsider.get(one).status_code == 404
            assert outsider.post(f"{one}/link", {}).status_code == 404
            assert outsider.patch(one, {"internal": False}, if_match="*").status_code == 404
            assert outsider.post(f"{one}/redact", {"reason": "x"}).status_code == 404
        assert join("auditor").get(path_of(complaint)).json["items"] == [shown]

    def test_the_complainant_sees_what_is_theirs(
        self, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        sent(agent, complaint, name="internal.pdf")
        public = sent(agent, complaint, name="public.pdf", internal="false")
        own = sent(agent, complaint, name="own.pdf")
        gone = sent(agent, complaint, name="gone.pdf", internal="false")
        helpers.execute(
            program.database, f"UPDATE complaint_attachment SET author_kind = 'complainant' WHERE id = '{own['id']}'"
        )
        actor = complainant_actor(UUID(complaint["id"]), frozenset({"complaint:read"}))
        with program.database.unit_of_work(SYSTEM) as uow:
            held = attachment_queries.attachment_for_update(uow.session, SYSTEM, complaint["id"], UUID(gone["id"]))
            attachments.redact(uow, SYSTEM, held, "A mistake.")
        page = Page.of({}, "key")
        with program.database.reader() as session:
            found, _, _ = attachment_queries.list_attachments(session, actor, page, {}, complaint["id"])
            assert [row["name"] for row in found] == ["public.pdf", "own.pdf"]
            other = complainant_actor(UUID(int=7), frozenset({"complaint:read"}))
            with pytest.raises(NotFound):
                attachment_queries.list_attachments(session, other, page, {}, complaint["id"])
        assert public["internal"] is False


class TestChange:
    def test_shown_and_kept(self, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = sent(agent, complaint)
        one = f"{path_of(complaint)}/{shown['id']}"
        assert agent.patch(one, {"internal": False}).status_code == 428
        assert agent.patch(one, {"internal": False}, if_match='"v9"').status_code == 412
        answer = agent.patch(one, {"internal": False}, if_match='"v1"')
        assert (answer.status_code, answer.json["internal"], answer.json["version"]) == (200, False, 2)
        assert agent.patch(one, {"internal": False}, if_match='"v2"').json["version"] == 2
        last = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert (last["type"], last["payload"]["changes"]) == (
            "complaint.attachment_changed",
            {"internal": [True, False]},
        )

    def test_a_note_is_never_shown(self, agent: Caller, complaint: dict[str, Any]) -> None:
        note = agent.post(
            f"/complaints/{complaint['reference']}/messages", {"kind": "internal_note", "body": "Called."}
        ).json["id"]
        shown = sent(agent, complaint, message_id=note)
        answer = agent.patch(f"{path_of(complaint)}/{shown['id']}", {"internal": False}, if_match="*")
        assert answer.json["errors"][0]["code"] == "internal_note"


class TestRedact:
    def test_anonymous_and_agent(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        one = f"{path_of(complaint)}/{sent(agent, complaint)['id']}/redact"
        assert anonymous.post(one, {"reason": "x"}).status_code == 401
        assert agent.post(one, {"reason": "x"}).json["permission"] == "attachment:redact"

    def test_bytes_and_name_go(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = sent(senior, complaint, name="Passport.pdf")
        one = f"{path_of(complaint)}/{shown['id']}"
        url = link(senior, complaint, shown)
        assert senior.post(f"{one}/redact", {}).status_code == 422
        answer = senior.post(f"{one}/redact", {"reason": "Somebody else's passport."})
        assert answer.status_code == 200
        assert answer.json["name"] is None
        assert (answer.json["sha256"], answer.json["size"]) == (shown["sha256"], shown["size"])
        assert answer.json["redacted_by"] == str(senior.id)
        assert get(senior, url).status_code == 404
        perform(program, files.TOPIC)
        assert stored(program) == set()
        last = senior.get(f"/complaints/{complaint['reference']}/timeline").json["items"][-1]
        assert last["type"] == "complaint.attachment_redacted"
        for path, body in (("redact", {"reason": "x"}), ("link", {}), ("scan", None)):
            assert senior.post(f"{one}/{path}", body).json["code"] == "attachment_redacted", path
        assert senior.patch(one, {"internal": False}, if_match="*").json["code"] == "attachment_redacted"

    def test_two_at_once(self, senior: Caller, app: Flask, complaint: dict[str, Any], program: Program) -> None:
        one = f"{path_of(complaint)}/{sent(senior, complaint)['id']}/redact"
        answers = at_once(*[lambda: at(app, senior).post(one, {"reason": "x"}) for _ in range(3)])
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        perform(program, files.TOPIC)
        assert stored(program) == set()


def test_every_column_of_an_attachment_is_shown_or_not_for_a_reason() -> None:
    shown = {column.name for column in attachment_queries._SHOWN}
    assert {column.key for column in Attachment.__table__.columns} - shown == {"file_id"}
