"""Canned replies and macros.

How it can fail: somebody reads, changes or uses what is another's; a text with holes goes out; a value becomes a tag; a
macro does half of itself, does what its user may not do, or does something while it is only tried; a refusal does not
say which step; a macro of everybody says what only its writer has.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from babel.dates import format_date
from sqlalchemy import Engine, text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once

TEXT = "Dear {{complainant.name|customer}},\n\nwe look into {{complaint.reference}}. {{agent.name}}"
CANNED = {"title": "Looking", "shortcut": "look", "variants": [{"language": "en", "body": TEXT}]}
NOTE = {"step": "write_message", "given": {"kind": "internal_note", "body": "Seen."}}
MACRO = {"name": "Take it", "steps": [NOTE, {"step": "claim"}]}


def at(complaint: dict[str, Any], *more: str) -> str:
    return "/".join(("/complaints", complaint["reference"], *more))


def same(seen: dict[str, Any], answered: dict[str, Any]) -> bool:
    """As it was answered when it was made, which tells more."""
    return seen == {name: answered[name] for name in seen}


def made(caller: Caller, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = caller.post(path, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


@pytest.mark.parametrize(("path", "body"), [("/canned-replies", CANNED), ("/macros", MACRO)])
class TestWhose:
    def test_anonymous_and_auditor(self, anonymous: Caller, agent: Caller, join: Join, path: str, body: Any) -> None:
        one = f"{path}/{made(agent, path, body)['id']}"
        for who, status in ((anonymous, 401), (join("auditor"), 404)):
            assert who.get(one).status_code == status
            assert who.put(one, body, if_match="*").status_code == status
            assert who.delete(one, if_match="*").status_code == status
        assert anonymous.get(path).status_code == 401
        assert anonymous.post(path, body).status_code == 401
        assert join("auditor").post(path, body).status_code == 403
        assert join("auditor").get(path).json["items"] == []

    def test_own_is_own(self, agent: Caller, admin: Caller, engine: Engine, path: str, body: Any) -> None:
        row = made(agent, path, body)
        assert (row["scope"], row["agent_id"]) == ("own", str(agent.id))
        for other in (admin,):
            assert other.get(f"{path}/{row['id']}").status_code == 404
            assert other.get(path).json["items"] == []
        assert agent.get(f"{path}?scope=own&count=true").json["total"] == 1
        with engine.connect() as connection:
            told = "SELECT count(*) FROM event WHERE type LIKE 'canned%' OR type LIKE 'macro%'"
            assert connection.execute(text(told)).scalar_one() == 0

    def test_of_a_team(self, join: Join, database: Database, team: UUID, path: str, body: Any) -> None:
        agent, senior = join(), join("senior")
        given = body | {"scope": "team", "team_id": str(team)}
        refused = agent.post(path, given)
        assert (refused.status_code, refused.json["permission"]) == (403, "template:share")
        row = made(senior, path, given)
        one = f"{path}/{row['id']}"
        assert agent.get(one).json == row
        assert agent.put(one, given, if_match="*").status_code == 403
        assert agent.delete(one, if_match="*").status_code == 403
        other_team = make_team(database, "Other")
        stranger = join("senior", team_ids=[other_team])
        assert stranger.get(one).status_code == 404
        assert stranger.put(one, given, if_match="*").status_code == 404
        assert pointers(senior.post(path, given | {"team_id": str(other_team)})) == {"/team_id": "unknown"}
        assert pointers(senior.post(path, body | {"scope": "team"})) == {"/team_id": "invalid"}
        assert pointers(senior.post(path, body | {"team_id": str(team)})) == {"/team_id": "invalid"}
        assert join("manager", team_ids=[]).get(one).status_code == 200

    def test_shared_and_told(self, agent: Caller, senior: Caller, admin: Caller, path: str, body: Any) -> None:
        """Changed, thrown away, and all of it in the log of administrative acts, before and after."""
        row = made(senior, path, body | {"scope": "shared"})
        one, name = f"{path}/{row['id']}", "title" if "title" in body else "name"
        assert agent.get(one).json == row
        assert senior.put(one, body).status_code == 428
        changed = senior.put(one, body | {"scope": "shared", name: "Other"}, if_match='"v1"')
        assert (changed.status_code, changed.json["version"]) == (200, 2)
        assert senior.put(one, body, if_match='"v1"').status_code == 412
        assert senior.put(one, body | {"scope": "shared", name: "Other"}, if_match='"v2"').json["version"] == 2
        assert senior.delete(one, if_match='"v2"').status_code == 204
        assert senior.get(one).status_code == 404
        log = [item for item in admin.get("/audit-log").json["items"] if item["subject_id"] == row["id"]]
        assert [item["type"].partition(".")[2] for item in reversed(log)] == ["created", "changed", "deleted"]
        assert log[1]["payload"]["changes"] == {name: [body[name], "Other"]}


class TestCannedReplies:
    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"title": ""}, "/title"),
            ({"shortcut": "Look!"}, "/shortcut"),
            ({"shortcut": "look\n"}, None),
            ({"variants": []}, "/variants"),
            ({"variants": [{"language": "en", "body": "x"}, {"language": "EN", "body": "y"}]}, "/variants"),
            ({"variants": [{"language": "en"}]}, "/variants/0/body"),
            ({"variants": [{"language": "en", "body": "{{complaint.description}}"}]}, "/variants/0/body"),
            ({"variants": [{"language": "en", "body": "{{today"}]}, "/variants/0/body"),
            ({"variants": [{"language": "en", "body_html": "<p>{{secret}}</p>"}]}, "/variants/0/body_html"),
            ({"variants": [{"language": "en", "body_html": "<script>x</script>"}]}, "/variants/0/body_html"),
            ({"variants": [{"language": "english please", "body": "x"}]}, "/variants/0/language"),
            ({"variants": [{"language": "en", "body": "x" * 20_001}]}, "/variants/0/body"),
            ({"scope": "ours"}, "/scope"),
        ],
    )
    def test_bad(self, agent: Caller, change: dict[str, Any], pointer: str | None) -> None:
        answer = agent.post("/canned-replies", CANNED | change)
        if pointer is None:
            assert answer.json["shortcut"] == "look"
        else:
            assert pointer in pointers(answer)

    def test_shortcuts(self, agent: Caller, senior: Caller, join: Join, team: UUID) -> None:
        """One of a kind among one's own, the team's, the shared."""
        first = made(agent, "/canned-replies", CANNED)
        assert agent.post("/canned-replies", CANNED).json["code"] == "shortcut_taken"
        assert made(join(), "/canned-replies", CANNED)
        assert made(senior, "/canned-replies", CANNED | {"scope": "shared"})
        assert made(senior, "/canned-replies", CANNED | {"scope": "team", "team_id": str(team)})
        assert senior.post("/canned-replies", CANNED | {"scope": "shared"}).status_code == 409
        assert agent.put(f"/canned-replies/{first['id']}", CANNED, if_match="*").status_code == 200
        assert made(agent, "/canned-replies", {key: CANNED[key] for key in ("title", "variants")})
        assert len(agent.get("/canned-replies?shortcut=look").json["items"]) == 3

    def test_shortcuts_at_once(self, agent: Caller) -> None:
        statuses = at_once(*[lambda: agent.post("/canned-replies", CANNED).status_code] * 3)
        assert sorted(statuses) == [201, 409, 409]


class TestPreview:
    def preview(self, caller: Caller, complaint: dict[str, Any], reply: dict[str, Any], **body: Any) -> Any:
        return caller.post(at(complaint, "canned-replies", reply["id"], "preview"), body)

    def test_anonymous_and_strangers(
        self, anonymous: Caller, agent: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        reply = made(agent, "/canned-replies", CANNED)
        assert self.preview(anonymous, complaint, reply).status_code == 401
        assert self.preview(join(), complaint, reply).status_code == 404  # not their canned reply
        assert self.preview(join(team_ids=[make_team(database, "Other")]), complaint, reply).status_code == 404
        assert self.preview(agent, complaint, {"id": str(uuid4())}).status_code == 404

    def test_filled(self, agent: Caller, complaint: dict[str, Any]) -> None:
        reply = made(agent, "/canned-replies", CANNED)
        shown = self.preview(agent, complaint, reply).json
        name = agent.get("/me").json["name"]
        assert shown == {
            "canned_reply_id": reply["id"],
            "language": "en",
            "body": f"Dear Li Wei,\n\nwe look into {complaint['reference']}. {name}",
            "body_html": None,
            "missing": [],
        }
        assert agent.get(f"/canned-replies/{reply['id']}").json["uses"] == 0

    def test_every_variable(self, agent: Caller, team: UUID) -> None:
        given = complaint_body(received_at="2026-03-02T23:30:00Z", team_id=str(team))
        complaint = made(agent, "/complaints", given)
        days = [format_date(datetime.now(UTC), "long", "zh_CN")]
        body = "{{complaint.subject}}|{{complaint.received_on}}|{{team.name}}|{{today}}"
        reply = made(agent, "/canned-replies", CANNED | {"variants": [{"language": "zh-CN", "body": body}]})
        subject, received, named, today = self.preview(agent, complaint, reply).json["body"].split("|")
        assert (subject, named) == (complaint["subject"], "Complaints")
        assert received == "2026年3月2日"
        days.append(format_date(datetime.now(UTC), "long", "zh_CN"))
        assert today in days  # the day may end meanwhile

    def test_missing(self, agent: Caller) -> None:
        nobody = made(agent, "/complaints", {"channel": "EMAIL", "subject": "s", "description": "d"})
        body = "{{complainant.name}} {{team.name}} {{complainant.name|there}}"
        reply = made(agent, "/canned-replies", CANNED | {"variants": [{"language": "en", "body": body}]})
        shown = self.preview(agent, nobody, reply).json
        assert shown["missing"] == ["complainant.name", "team.name"]
        assert shown["body"] == "{{complainant.name}} {{team.name}} there"

    def test_hostile_values(self, agent: Caller) -> None:
        name = '<img src=x onerror=alert(1)>"\n\nDear victim'
        mine = made(agent, "/complaints", complaint_body(complainant={"name": name}))
        html = "<p>Dear {{complainant.name}}</p><a href='https://x.example/?n={{complainant.name}}'>go</a>"
        reply = made(agent, "/canned-replies", CANNED | {"variants": [{"language": "en", "body_html": html}]})
        shown = self.preview(agent, mine, reply).json
        assert "<img" not in shown["body_html"]
        assert shown["body"].startswith('Dear <img src=x onerror=alert(1)>" Dear victim\n\ngo')

    @pytest.mark.parametrize(
        ("theirs", "complaints", "asked", "chosen"),
        [
            ("zh-CN", None, None, "zh"),
            ("de-AT", None, None, "de"),
            (None, "de", None, "de"),
            ("fr", "de", None, "de"),
            ("fr", "fr", None, "en"),
            ("zh-CN", None, "de", "de"),
            ("zh-CN", None, "fr", "zh"),
        ],
    )
    def test_language(
        self, agent: Caller, theirs: str | None, complaints: str | None, asked: str | None, chosen: str
    ) -> None:
        variants = [{"language": tag, "body": tag} for tag in ("en", "zh", "de")]
        reply = made(agent, "/canned-replies", CANNED | {"variants": variants})
        person = {"name": "Li"} | ({"language": theirs} if theirs else {})
        mine = made(
            agent,
            "/complaints",
            complaint_body(complainant=person) | ({"language": complaints} if complaints else {}),
        )
        assert self.preview(agent, mine, reply, **({"language": asked} if asked else {})).json["body"] == chosen


class TestUse:
    def test_in_a_message(self, agent: Caller, complaint: dict[str, Any]) -> None:
        reply = made(agent, "/canned-replies", CANNED)
        path = at(complaint, "messages")
        sent = made(agent, path, {"kind": "public_reply", "canned_reply_id": reply["id"]})
        assert sent["body"].startswith("Dear Li Wei,")
        edited = made(agent, path, {"kind": "public_reply", "canned_reply_id": reply["id"], "body": "Dear Li,"})
        assert edited["body"] == "Dear Li,"
        used = agent.get(f"/canned-replies/{reply['id']}").json
        assert (used["uses"], used["version"]) == (2, 1)
        assert used["last_used_at"] is not None

    def test_counted_however_many_use_it_at_once(self, agent: Caller, complaint: dict[str, Any]) -> None:
        reply = made(agent, "/canned-replies", CANNED)
        others = [made(agent, "/complaints", complaint_body()) for _ in range(3)]
        body = {"kind": "internal_note", "canned_reply_id": reply["id"]}

        def use(one: dict[str, Any]) -> int:
            return int(agent.post(at(one, "messages"), body).status_code)

        assert at_once(*[partial(use, one) for one in others]) == [201] * 3
        assert agent.get(f"/canned-replies/{reply['id']}").json["uses"] == 3

    def test_nothing_with_holes_goes_out(self, agent: Caller) -> None:
        nobody = made(agent, "/complaints", {"channel": "EMAIL", "subject": "s", "description": "d"})
        variants = [{"language": "en", "body": "Dear {{complainant.name}}"}]
        reply = made(agent, "/canned-replies", CANNED | {"variants": variants})
        body = {"kind": "public_reply", "canned_reply_id": reply["id"]}
        assert pointers(agent.post(at(nobody, "messages"), body)) == {"/canned_reply_id": "missing_value"}
        assert agent.get(f"/canned-replies/{reply['id']}").json["uses"] == 0
        made(agent, at(nobody, "messages"), body | {"body": "Dear you"})

    def test_not_what_is_not_yours(self, agent: Caller, join: Join, complaint: dict[str, Any]) -> None:
        reply = made(join(), "/canned-replies", CANNED)
        for reply_id in (reply["id"], str(uuid4())):
            body = {"kind": "internal_note", "canned_reply_id": reply_id}
            assert pointers(agent.post(at(complaint, "messages"), body)) == {"/canned_reply_id": "unknown"}

    def test_through_a_draft(self, agent: Caller, complaint: dict[str, Any]) -> None:
        reply = made(agent, "/canned-replies", CANNED)
        given = {"kind": "internal_note", "body": "Dear Li", "canned_reply_id": reply["id"]}
        draft = made(agent, at(complaint, "drafts"), given)
        made(agent, at(complaint, "drafts", draft["id"], "send"), {})
        assert agent.get(f"/canned-replies/{reply['id']}").json["uses"] == 1


class TestMacros:
    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            ([], {"/steps": "length"}),
            ([NOTE] * 21, {"/steps": "length"}),
            ([{"step": "delete_everything"}], {"/steps/0/step": "choice"}),
            ([NOTE, {"step": "triage", "given": {"impact": 9}}], {"/steps/1/given/impact"}),
            ([{"step": "claim", "given": {"x": 1}}], {"/steps/0/given/x": "unknown_field"}),
            ([{"step": "claim", "canned_reply_id": str(uuid4())}], {"/steps/0/canned_reply_id": "no_text"}),
            (
                [{"step": "ask_customer", "canned_reply_id": str(uuid4())}],
                {"/steps/0/canned_reply_id": "unknown"},
            ),
        ],
    )
    def test_bad(self, agent: Caller, steps: list[dict[str, Any]], expected: Any) -> None:
        found = pointers(agent.post("/macros", MACRO | {"steps": steps}))
        assert expected.items() <= found.items() if isinstance(expected, dict) else expected <= found.keys()

    def test_what_is_nested_too_deep_to_be_kept(self, agent: Caller) -> None:
        deep: dict[str, Any] = {}
        for _ in range(240):  # a JSON writer gives up at 255
            deep = {"a": deep}
        steps = [{"step": "edit", "given": {"custom_fields": {"a": deep}}}]
        assert pointers(agent.post("/macros", MACRO | {"steps": steps})) == {"/steps/0/given": "invalid"}

    def test_every_bad_field_of_every_step(self, agent: Caller) -> None:
        steps = [{"step": "escalate"}, NOTE, {"step": "write_message", "given": {"kind": "shout", "body": "x"}}]
        found = pointers(agent.post("/macros", MACRO | {"steps": steps}))
        assert found == {"/steps/0/given/reason": "required", "/steps/2/given/kind": "choice"}

    def test_what_it_says_is_there_for_all_who_have_it(self, agent: Caller, senior: Caller, team: UUID) -> None:
        of_team = {"scope": "team", "team_id": str(team)}
        replies = {
            "own": made(senior, "/canned-replies", CANNED),
            "team": made(senior, "/canned-replies", CANNED | of_team),
            "shared": made(senior, "/canned-replies", CANNED | {"scope": "shared"}),
        }

        def status(scope: dict[str, Any], of: str) -> int:
            steps = [{"step": "ask_customer", "canned_reply_id": replies[of]["id"]}]
            return int(senior.post("/macros", MACRO | scope | {"steps": steps}).status_code)

        assert [status({"scope": "shared"}, of) for of in replies] == [422, 422, 201]
        assert [status(of_team, of) for of in replies] == [422, 201, 201]
        assert [status({}, of) for of in replies] == [201, 422, 201]
        both = {"step": "ask_customer", "given": {"message": "x"}, "canned_reply_id": replies["shared"]["id"]}
        assert pointers(senior.post("/macros", MACRO | {"steps": [both]})) == {"/steps/0/given/message": "twice"}


class TestApply:
    def apply(self, caller: Caller, complaint: dict[str, Any], macro: dict[str, Any], **more: Any) -> Any:
        headers = {name: more.pop(name) for name in ("if_match", "idempotency_key") if name in more}
        return caller.post(at(complaint, "macros", macro["id"], "apply"), more, **headers)

    @pytest.fixture
    def macro(self, senior: Caller) -> dict[str, Any]:
        reply = made(senior, "/canned-replies", CANNED | {"scope": "shared"})
        steps = [
            {"step": "triage", "given": GOOD["triage"]},
            {"step": "claim"},
            {"step": "ask_customer", "canned_reply_id": reply["id"]},
            NOTE,
        ]
        return made(senior, "/macros", MACRO | {"scope": "shared", "steps": steps})

    def test_anonymous_strangers_auditor(
        self, anonymous: Caller, join: Join, database: Database, complaint: Any, macro: Any
    ) -> None:
        agent = join()
        assert self.apply(anonymous, complaint, macro).status_code == 401
        assert self.apply(join(team_ids=[make_team(database, "Other")]), complaint, macro).status_code == 404
        assert self.apply(join(), complaint, made(agent, "/macros", MACRO)).status_code == 404
        for preview in (True, False):
            refused = self.apply(join("auditor"), complaint, macro, preview=preview)
            assert (refused.status_code, refused.json["step"]) == (403, 0)
        assert same(agent.get(at(complaint)).json, complaint)

    def test_all_of_it(self, agent: Caller, complaint: dict[str, Any], macro: Any, database: Database) -> None:
        answer = self.apply(agent, complaint, macro)
        assert answer.status_code == 200, answer.text
        shown = answer.json
        assert (shown["macro_id"], shown["macro_version"], shown["preview"]) == (macro["id"], 1, False)
        assert shown["complaint"] == agent.get(at(complaint)).json
        assert (shown["complaint"]["assignee_id"], shown["complaint"]["waiting_on"]) == (str(agent.id), "customer")
        assert [item["body"][:4] for item in shown["messages"]] == ["Dear", "Seen"]
        assert shown["messages"] == agent.get(at(complaint, "messages")).json["items"]
        types = [item["type"] for item in agent.get(at(complaint, "timeline")).json["items"]][2:]
        assert types == [item["type"] for item in shown["happened"]]
        assert types[0] == "complaint.macro_applied"
        assigned = next(item for item in shown["happened"] if item["type"] == "complaint.assigned")
        assert assigned["changes"]["assignee_id"] == [None, str(agent.id)]
        assert agent.get(f"/macros/{macro['id']}").json["uses"] == 1
        assert not list(violations(database))

    def test_tried_first(self, agent: Caller, complaint: dict[str, Any], macro: Any, engine: Engine) -> None:
        def rows() -> Any:
            with engine.connect() as connection:
                return [
                    connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                    for name in ("event", "duty", "outbound_mail", "complaint_message", "notification")
                ]

        before = rows()
        tried = self.apply(agent, complaint, macro, preview=True).json
        assert rows() == before
        assert same(agent.get(at(complaint)).json, complaint)
        assert agent.get(f"/macros/{macro['id']}").json["uses"] == 0
        done = self.apply(agent, complaint, macro).json
        assert tried["preview"] is True
        assert [item["type"] for item in tried["happened"]] == [item["type"] for item in done["happened"]]
        assert [item["body"] for item in tried["messages"]] == [item["body"] for item in done["messages"]]
        for name in ("status", "severity", "assignee_id", "waiting_on", "version"):
            assert tried["complaint"][name] == done["complaint"][name]

    def test_nothing_of_it_when_a_step_is_refused(
        self, agent: Caller, complaint: dict[str, Any], engine: Engine
    ) -> None:
        steps = [NOTE, {"step": "escalate", "given": GOOD["escalate"]}, {"step": "reopen", "given": GOOD["reopen"]}]
        macro = made(agent, "/macros", MACRO | {"steps": steps})
        refused = self.apply(agent, complaint, macro)
        assert (refused.status_code, refused.json["permission"], refused.json["step"]) == (403, "complaint:reopen", 2)
        assert refused.json["errors"][0]["pointer"] == "/steps/2"
        assert refused.json["detail"].startswith("Step 3 (reopen)")
        assert same(agent.get(at(complaint)).json, complaint)
        assert agent.get(at(complaint, "messages")).json["items"] == []

    @pytest.mark.parametrize("preview", [True, False])
    def test_refusals_name_the_step(
        self, senior: Caller, admin: Caller, join: Join, complaint: dict[str, Any], *, preview: bool
    ) -> None:
        leaver = join()
        stale = {"step": "assign", "given": {"assignee_id": str(leaver.id)}}
        macro = made(senior, "/macros", MACRO | {"steps": [NOTE, stale]})
        gone = {"active": False, "even_if_named": True}
        assert admin.patch(f"/agents/{leaver.id}", gone, if_match="*").status_code == 200
        answer = self.apply(senior, complaint, macro, preview=preview)
        assert pointers(answer) == {"/steps/1/given/assignee_id": "unknown"}
        state = made(senior, "/macros", MACRO | {"steps": [{"step": "follow_up", "given": GOOD["follow_up"]}]})
        answer = self.apply(senior, complaint, state, preview=preview)
        assert (answer.status_code, answer.json["code"], answer.json["step"]) == (409, "action_not_allowed", 0)
        assert "allowed_actions" in answer.json

    def test_a_canned_reply_that_is_gone_or_has_holes(self, senior: Caller, complaint: dict[str, Any]) -> None:
        reply = made(senior, "/canned-replies", CANNED)
        macro = made(
            senior,
            "/macros",
            MACRO
            | {"steps": [{"step": "write_message", "given": {"kind": "public_reply"}, "canned_reply_id": reply["id"]}]},
        )
        holes = [{"language": "en", "body": "{{team.name}}"}]
        senior.put(f"/canned-replies/{reply['id']}", CANNED | {"variants": holes}, if_match="*")
        nowhere = made(senior, "/complaints", complaint_body())
        assert pointers(self.apply(senior, nowhere, macro)) == {"/steps/0/canned_reply_id": "missing_value"}
        senior.delete(f"/canned-replies/{reply['id']}", if_match="*")
        assert pointers(self.apply(senior, complaint, macro)) == {"/steps/0/canned_reply_id": "unknown"}

    def test_html_is_sent_as_html(self, agent: Caller, complaint: dict[str, Any]) -> None:
        html = [{"language": "en", "body_html": "<p>Dear <b>{{complainant.name}}</b></p>"}]
        reply = made(agent, "/canned-replies", CANNED | {"variants": html})
        steps = [
            {"step": name, "given": given, "canned_reply_id": reply["id"]}
            for name, given in (("write_message", {"kind": "public_reply"}), ("ask_customer", {}))
        ]
        shown = self.apply(agent, complaint, made(agent, "/macros", MACRO | {"steps": steps})).json
        assert [item["body_html"] for item in shown["messages"]] == ["<p>Dear <b>Li Wei</b></p>", None]
        assert {item["body"] for item in shown["messages"]} == {"Dear Li Wei"}
        assert agent.get(f"/canned-replies/{reply['id']}").json["uses"] == 2

    def test_versions_and_keys(self, agent: Caller, complaint: dict[str, Any], macro: dict[str, Any]) -> None:
        assert self.apply(agent, complaint, macro, if_match='"v9"').status_code == 412
        first = self.apply(agent, complaint, macro, if_match='"v1"', idempotency_key="once")
        again = self.apply(agent, complaint, macro, if_match='"v1"', idempotency_key="once")
        assert (first.status_code, again.json) == (200, first.json)
        assert len(agent.get(at(complaint, "messages")).json["items"]) == 2

    def test_two_at_once(
        self, join: Join, database: Database, agent: Caller, complaint: dict[str, Any], macro: Any
    ) -> None:
        """It claims: one has it, the other has done nothing at all."""
        other = join()
        answers = at_once(*[lambda who=who: self.apply(who, complaint, macro) for who in (agent, other)])
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        loser = next(answer for answer in answers if answer.status_code == 409)
        assert (loser.json["code"], loser.json["step"]) == ("already_assigned", 1)
        assert len(agent.get(at(complaint, "messages")).json["items"]) == 2
        assert not list(violations(database))
