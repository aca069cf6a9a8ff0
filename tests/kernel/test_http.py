"""The one road for every request.

How it can fail: the order of refusals tells a stranger what exists; something hostile in path, query, header or body is
a 500; an error is not a problem document, or its page does not exist; a header that protects is missing on errors; a
304 hides a change; a database that is away looks like a bug of ours.
"""

import itertools
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from flask import Flask, abort
from sqlalchemy import Engine, text
from werkzeug.exceptions import default_exceptions

from helpdesk.app import create_app
from helpdesk.kernel import jobs
from helpdesk.kernel.errors import DomainError, FieldError, ValidationFailed, _walk, catalogue
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.kernel.web import NO_ROW
from helpdesk.wiring import Program, assemble
from tests.conftest import SIGNING_KEY, Caller, Join, complaint_body, make_team
from tests.racing import at_once

PROTECTION: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Authorization, Cookie",
}


def is_problem(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    body = answer.json
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/problems/{code}")
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    for name, value in PROTECTION.items():
        assert answer.headers[name] == value, name


def raw(caller: Caller, data: bytes | str, path: str = "/customers", method: str = "POST", **headers: str) -> Any:
    """A request with exactly this body."""
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {caller.token}"} | headers
    return caller.client.open(f"/api/v1{path}", method=method, data=data, headers=sent)


class TestOrderOfRefusals:
    """401, 404, 403, 412/428, 409, 422: each is told only to whom the ones before do not apply."""

    NONSENSE: Final = {"nonsense": 1}

    def test_on_an_edit(self, anonymous: Caller, join: Join, database: Database, agent: Caller, complaint: Any) -> None:
        path = f"/complaints/{complaint['reference']}"
        stranger = join(team_ids=[make_team(database, "Other")])
        auditor_elsewhere = join("auditor", team_ids=[])
        is_problem(anonymous.patch(path, self.NONSENSE, if_match='"v9"'), 401, "unauthenticated")
        is_problem(stranger.patch(path, self.NONSENSE, if_match='"v9"'), 404, "not_found")
        is_problem(auditor_elsewhere.patch(path, self.NONSENSE), 403, "forbidden")
        is_problem(agent.patch(path, self.NONSENSE), 428, "precondition_required")
        is_problem(agent.patch(path, self.NONSENSE, if_match='"v9"'), 412, "precondition_failed")
        is_problem(agent.patch(path, self.NONSENSE, if_match='"v1"'), 422, "validation_failed")

    def test_on_an_action(self, agent: Caller, join: Join, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/actions/follow_up"
        is_problem(join("auditor").post(path, self.NONSENSE, if_match='"v9"'), 403, "forbidden")
        is_problem(agent.post(path, self.NONSENSE, if_match='"v9"'), 412, "precondition_failed")
        is_problem(agent.post(path, self.NONSENSE), 409, "action_not_allowed")

    def test_a_stranger_learns_nothing(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        """The answer about a row of another team is the answer about no row."""
        stranger = join("senior", team_ids=[make_team(database, "Other")])
        texts = []
        for ref in (complaint["reference"], complaint["id"], "0" * 11, "01a200fc-c867-7442-a62e-683fa271baaa"):
            for answer in (
                stranger.get(f"/complaints/{ref}"),
                stranger.patch(f"/complaints/{ref}", {}, if_match='"v1"'),
                stranger.post(f"/complaints/{ref}/claim"),
            ):
                body = answer.json
                texts.append({name: value for name, value in body.items() if name not in {"instance", "request_id"}})
        assert all(text == texts[0] for text in texts)

    def test_first_who_then_what(self, anonymous: Caller) -> None:
        answer = anonymous.client.post("/api/v1/customers", data=b"\xff", headers={"Content-Type": "text/plain"})
        is_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="helpdesk"'


class TestUnknown:
    def test_field(self, agent: Caller) -> None:
        answer = agent.post("/customers", {"name": "x", "colour": "red", "": 1})
        is_problem(answer, 422, "validation_failed")
        assert {item["pointer"]: item["code"] for item in answer.json["errors"]} == {
            "/colour": "unknown_field",
            "/": "unknown_field",
        }

    def test_query_parameter(self, agent: Caller) -> None:
        for query in ("colour=red", "limit=1&colour=", "=x", "limit%00=1"):
            answer = agent.get(f"/customers?{query}")
            is_problem(answer, 422, "validation_failed")
            assert answer.json["errors"][0]["code"] == "unknown_parameter"

    def test_query_parameter_where_there_are_none(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}"
        for answer in (
            agent.get("/me?x=1"),
            agent.get(f"{path}?extra=id"),
            agent.post("/customers?dry_run=true", {"name": "x"}),
            agent.post(f"{path}/claim?force=1"),
            agent.patch(f"{path}?x=1", {"subject": "x"}, if_match="*"),
        ):
            is_problem(answer, 422, "validation_failed")
            assert answer.json["errors"][0]["code"] == "unknown_parameter"
        assert agent.get(path).json["version"] == 1
        assert agent.get("/customers?count=true").json["total"] == 1  # the complainant

    def test_repeated_parameter(self, agent: Caller) -> None:
        answer = agent.get("/customers?limit=1&limit=2")
        assert [(item["parameter"], item["code"]) for item in answer.json["errors"]] == [("limit", "repeated")]

    def test_in_one_text_every_sentence_ends(self) -> None:
        """As a job keeps what became of an item."""
        errors = [
            FieldError.at("/channel", "no_address", "There is no address."),
            FieldError.at("", "whole", "All of it."),
        ]
        refused = ValidationFailed(errors=errors)
        assert refused.in_one_text == "The request is not valid. /channel: There is no address. All of it."

    def test_one_is_one(self, agent: Caller) -> None:
        assert agent.get("/complaints?x=1").json["detail"] == "1 query parameter needs attention."
        assert agent.get("/complaints?x=1&y=1").json["detail"] == "2 query parameters need attention."

    def test_what_only_the_database_can_tell_is_told_with_the_rest(self, admin: Caller) -> None:
        """The schema and what is there: one round, whichever of them finds more."""
        column = {"sort": "nothing", "filters": {"tag": ["never used"], "status": "odd"}, "columns": ["reference", "x"]}
        issuer = {"name": "A", "client_id": "", "issuer": "http://example.com?", "provision_role": "nobody"}
        steps = [
            {"step": "nothing"},
            {"step": "claim", "canned_reply_id": str(UUID(int=1))},
            {"step": "escalate", "given": {}},
        ]
        for path, body, pointers in (
            ("/views", {"name": ""} | column, {"/name", "/sort", "/filters/tag/0", "/filters/status", "/columns/1"}),
            ("/identity-providers", issuer, {"/client_id", "/issuer", "/provision_role"}),
            (
                "/macros",
                {"name": "", "steps": steps},
                {"/name", "/steps/0/step", "/steps/1/canned_reply_id", "/steps/2/given/reason"},
            ),
        ):
            answer = admin.post(path, body)
            assert answer.status_code == 422
            assert {item["pointer"] for item in answer.json["errors"]} == pointers, answer.text

    @pytest.mark.parametrize(
        ("path", "body", "code"),
        [
            ("/teams", {"name": "One"}, "name_taken"),
            ("/agents", {"name": "One", "email": "one@example.com", "role": "agent"}, "email_taken"),
            (
                "/roles",
                {"name": "one", "description": "", "permissions": [], "scope": "own", "authority": "none"},
                "name_taken",
            ),
            (
                "/identity-providers",
                {"name": "One", "issuer": "https://login.example.com", "client_id": "x"},
                "name_taken",
            ),
            ("/intake/forms", {"name": "One"}, "name_taken"),
            ("/tags", {"name": "One"}, "tag_taken"),
            ("/custom-fields", {"key": "one", "label": "One", "type": "text"}, "custom_field_taken"),
            ("/taxonomy/terms", {"kind": "issue", "code": "DEL.ONE", "labels": {"en": "One"}}, "code_taken"),
            ("/code-maps", {"system": "one", "title": "One", "codes": []}, "system_taken"),
            (
                "/sla/calendars",
                {"name": "One", "timezone": "Europe/Berlin", "weekly_hours": {"mon": [["09:00", "17:00"]]}},
                "name_taken",
            ),
            (
                "/canned-replies",
                {"title": "One", "shortcut": "one", "variants": [{"language": "en", "body": "One."}]},
                "shortcut_taken",
            ),
        ],
    )
    def test_one_name_given_twice_at_once_is_taken_the_second_time(
        self, admin: Caller, path: str, body: dict[str, Any], code: str
    ) -> None:
        """As it is when one comes after the other."""
        answers = at_once(*[lambda: admin.post(path, body)] * 4)
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409], [one.text for one in answers]
        assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {code}

    def test_everything_wrong_is_told_at_once(self, agent: Caller) -> None:
        answer = agent.get("/customers?limit=0&colour=red&email=x")
        assert {item["parameter"] for item in answer.json["errors"]} == {"limit", "colour", "email"}

    def test_route(self, agent: Caller, anonymous: Caller) -> None:
        for path in ("/nothing", "/complaints/x/y/z", "/%00"):
            is_problem(agent.get(path), 404, "unknown_route")
            is_problem(anonymous.get(path), 404, "unknown_route")

    @pytest.mark.parametrize(
        "row_id", ["not-a-uuid", "1", "{x}", "%00", "%F0%9F%A7%80", "0" * 3000, "0" * 32, NO_ROW, "attachments"]
    )
    def test_what_is_no_id_is_the_id_of_no_row(self, agent: Caller, anonymous: Caller, row_id: Any) -> None:
        """In the order of all refusals: a stranger learns nothing, not even that."""
        for path in (f"/agents/{row_id}", f"/jobs/{row_id}"):
            is_problem(agent.get(path), 404, "not_found")
            is_problem(anonymous.get(path), 401, "unauthenticated")
        is_problem(agent.delete(f"/views/{row_id}", if_match="*"), 404, "not_found")

    @pytest.mark.parametrize("path", ["/sla/policies/reorder", "/triggers/dry-runs"])
    def test_a_word_of_another_address_is_no_id(self, agent: Caller, path: str) -> None:
        answer = agent.delete(path, if_match="*")
        is_problem(answer, 405, "method_not_allowed")
        assert "POST" in answer.headers["Allow"]

    def test_a_refusal_says_what_to_do_and_not_the_title_twice(self, agent: Caller, anonymous: Caller) -> None:
        for answer in (agent.get("/nothing"), agent.get(f"/jobs/{NO_ROW}"), anonymous.get("/complaints")):
            assert answer.json["detail"] != answer.json["title"]
            assert answer.json["detail"]

    def test_no_body_is_an_empty_one_wherever_nothing_has_to_be_given(
        self, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        path = f"/api/v1/complaints/{complaint['reference']}"
        authorization = {"Authorization": f"Bearer {agent.token}"}
        refused = agent.client.post(f"{path}/actions/withdraw", headers=authorization)
        assert refused.status_code == 415  # it asks for a reason
        resumed = agent.post(f"/complaints/{complaint['reference']}/actions/ask_customer", {"message": "When?"})
        assert resumed.status_code == 200
        assert agent.client.post(f"{path}/actions/resume", headers=authorization).status_code == 200
        assert agent.client.patch(path, headers=authorization | {"If-Match": "*"}).status_code == 200

    def test_method(self, agent: Caller) -> None:
        answer = agent.client.delete("/api/v1/complaints")
        is_problem(answer, 405, "method_not_allowed")
        assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))
        is_problem(agent.client.open("/api/v1/me", method="BREW"), 405, "method_not_allowed")


HOSTILE_BODIES: Final[list[tuple[bytes, int, str]]] = [
    (b"", 400, "malformed_request"),
    (b" ", 400, "malformed_request"),
    (b"{", 400, "malformed_request"),
    (b"{}{}", 400, "malformed_request"),
    (b"{'name': 1}", 400, "malformed_request"),
    (b'{"name": NaN}', 400, "malformed_request"),
    (b'{"name": Infinity}', 400, "malformed_request"),
    (b'{"name": "\\ud800"}', 400, "malformed_request"),
    (b'{"name": "\xff"}', 400, "malformed_request"),
    (b"\xef\xbb\xbf{}", 400, "malformed_request"),
    ('{"name": "x"}'.encode("utf-16"), 400, "malformed_request"),
    (b"[" * 100_000, 400, "malformed_request"),
    (b"[" * 100_000 + b"]" * 100_000, 400, "malformed_request"),
    (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "malformed_request"),
    (b'{"name": "\x00"}', 400, "malformed_request"),
    (b'{"name": "\\u0000"}', 422, "validation_failed"),
    (b'{"name": 1e400}', 400, "malformed_request"),
    (b'{"name": 123456789012345678901234567890}', 422, "validation_failed"),
    (b"[]", 422, "validation_failed"),
    (b'"text"', 422, "validation_failed"),
    (b"null", 422, "validation_failed"),
    (b"0", 422, "validation_failed"),
    (b'{"name": {"name": {}}}', 422, "validation_failed"),
    (b'{"name": ' + b'["x"]' + b"}", 422, "validation_failed"),
    (b'{"kind": "dragon", "tier": [], "email": {}, "language": 5}', 422, "validation_failed"),
]


class TestBodies:
    def test_hostile(self, agent: Caller) -> None:
        for data, status, code in HOSTILE_BODIES:
            answer = raw(agent, data)
            try:
                is_problem(answer, status, code)
            except AssertionError as error:
                raise AssertionError(data[:60]) from error

    def test_hostile_where_a_body_has_parts(self, agent: Caller) -> None:
        """Every kind of value in the place of every other, in the largest body there is: refused or taken, never 500."""
        values: list[Any] = [None, True, 0, -1, 2.5, "", "x", "\u202e", "9" * 400, [], [[]], {}, {"": None}, [None]]
        for name, value in itertools.product(complaint_body(), values):
            answer = agent.post("/complaints", complaint_body() | {name: value})
            assert answer.status_code in {201, 422}, (name, value, answer.text)

    @pytest.mark.parametrize(
        "kind",
        [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/xml",
            "json",
            "\x00",
        ],
    )
    def test_media_type(self, agent: Caller, kind: str) -> None:
        is_problem(raw(agent, b'{"name": "x"}', **{"Content-Type": kind}), 415, "unsupported_media_type")

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
    def test_json_by_other_spellings(self, agent: Caller, kind: str) -> None:
        assert raw(agent, b'{"name": "x"}', **{"Content-Type": kind}).status_code == 201

    def test_too_large(self, agent: Caller) -> None:
        is_problem(raw(agent, orjson.dumps({"name": "x" * 1_000_000})), 413, "body_too_large")

    def test_a_body_where_none_is_taken(self, agent: Caller, database: Database) -> None:
        with database.unit_of_work(agent.actor) as uow:
            ids = [jobs.begin(uow, agent.actor, kind="test", topic="test", given={}) for _ in range(3)]
        paths = [f"/jobs/{job_id}/cancel" for job_id in ids]
        is_problem(raw(agent, b'{"state": "done"}', paths[0]), 400, "malformed_request")
        for path, nothing in zip(paths, (b"", b"{}", b" {} "), strict=True):
            assert raw(agent, nothing, path).status_code == 200


class TestHeaders:
    @pytest.mark.parametrize("offered", ["abc-1.2_3", "a" * 64])
    def test_request_id_is_kept(self, agent: Caller, offered: str) -> None:
        assert agent.get("/me", x_request_id=offered).headers["X-Request-ID"] == offered

    @pytest.mark.parametrize("offered", ["", "a b", "a" * 65, "a\tb", "<script>", "é", "a;b", "a\x00"])
    def test_request_id_that_cannot_be_trusted_is_replaced(self, agent: Caller, offered: str) -> None:
        found = agent.get("/me", x_request_id=offered).headers["X-Request-ID"]
        assert found != offered
        assert len(found) == 24

    def test_request_id_is_in_the_log_of_events(self, agent: Caller, engine: Engine) -> None:
        agent.post("/customers", {"name": "x"}, x_request_id="r-1")
        with engine.connect() as connection:
            statement = text("SELECT request_id FROM event WHERE type = 'customer.created'")
            assert connection.execute(statement).scalar_one() == "r-1"

    def test_protection_on_everything(self, agent: Caller, anonymous: Caller) -> None:
        for answer in (
            agent.get("/me"),
            agent.post("/customers", {"name": "x"}),
            anonymous.get("/me"),
            anonymous.get("/health/live"),
            anonymous.get("/metrics"),
            anonymous.get("/problems/not_found"),
            anonymous.get("/nothing"),
        ):
            for name, value in PROTECTION.items():
                assert answer.headers[name] == value, (answer.request.path, name)
        page = anonymous.get("/docs")
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"].split("style-src")[0]

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwYXNz",
            "Bearer " + "x" * 600,
            "bearer\x00x",
            "Bearer é",
            "Bearer a b",
            "x" * 5000,
        ],
    )
    def test_hostile_credentials(self, anonymous: Caller, header: str) -> None:
        is_problem(anonymous.get("/me", Authorization=header), 401, "unauthenticated")

    @pytest.mark.parametrize(
        "header",
        [
            "Cookie",
            "If-Match",
            "If-None-Match",
            "traceparent",
            "Accept",
            "Accept-Language",
            "X-Forwarded-For",
            "Range",
            "Host",
        ],
    )
    def test_hostile_headers(self, agent: Caller, header: str) -> None:
        for value in ("", "\xff" * 50, "x" * 8_000, ",,,", '"', "\x01"):
            headers = {"Authorization": f"Bearer {agent.token}", header: value}
            assert agent.client.get("/api/v1/complaints", headers=headers).status_code < 500, value


class TestConditional:
    def test_single(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}"
        tag = agent.get(path).headers["ETag"]
        assert re.fullmatch(r'"v1-[0-9a-f]{24}"', tag)
        for asked in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            answer = agent.get(path, if_none_match=asked)
            assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
        agent.post(f"{path}/claim")
        answer = agent.get(path, if_none_match=tag)
        assert (answer.status_code, answer.headers["ETag"][:4]) == (200, '"v2-')
        assert agent.get(path, if_none_match='"v2"').status_code == 200  # the version alone does not say what was shown

    def test_what_changes_without_a_version_is_not_hidden(
        self, agent: Caller, admin: Caller, complaint: dict[str, Any]
    ) -> None:
        """Nobody touched the complaint, but what may be done with it is another thing now."""
        path = f"/complaints/{complaint['reference']}"
        before = agent.get(path)
        admin.patch(f"/agents/{agent.id}", {"role": "auditor"}, if_match="*")
        after = agent.get(path, if_none_match=before.headers["ETag"])
        assert (after.status_code, after.json["version"]) == (200, before.json["version"])
        assert after.json["allowed_actions"] != before.json["allowed_actions"]

    def test_if_match_is_about_the_version(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}"
        read = senior.get(path).headers["ETag"]  # by somebody who is shown more
        assert agent.patch(path, {"subject": "one"}, if_match=read).status_code == 200
        assert agent.patch(path, {"subject": "two"}, if_match='"v2"').status_code == 200
        written = agent.patch(path, {"subject": "three"}, if_match='"x", "v3"').headers["ETag"]
        assert agent.get(path, if_none_match=written).status_code == 304
        for stale in (read, '"v3"', f"W/{written}", '"v4-"', '"v4', "v4", '"v44"', '"v4-xyz"'):
            is_problem(agent.patch(path, {"subject": "four"}, if_match=stale), 412, "precondition_failed")
        assert agent.patch(path, {"subject": "four"}, if_match=written).json["version"] == 5

    def test_list(self, agent: Caller) -> None:
        tag = agent.get("/customers").headers["ETag"]
        assert tag.startswith('W/"')
        assert agent.get("/customers", if_none_match=tag).status_code == 304
        agent.post("/customers", {"name": "x"})
        answer = agent.get("/customers", if_none_match=tag)
        assert (answer.status_code, len(answer.json["items"])) == (200, 1)
        assert agent.get("/customers", if_none_match=answer.headers["ETag"]).status_code == 304

    def test_without_a_version(self, agent: Caller) -> None:
        tag = agent.get("/me").headers["ETag"]
        assert agent.get("/me", if_none_match=tag).status_code == 304

    @pytest.mark.parametrize("asked", ["", '""', "v1", '"v1', "é"])
    def test_another_tag(self, agent: Caller, complaint: dict[str, Any], asked: str) -> None:
        assert agent.get(f"/complaints/{complaint['reference']}", if_none_match=asked).status_code == 200


def rules(app: Flask) -> Iterator[tuple[str, set[str]]]:
    """Every address with something in its places, and the methods it takes."""
    for rule in app.url_map.iter_rules():
        values = {name: _NOBODYS.get(type(converter).__name__, "x") for name, converter in rule._converters.items()}
        built = rule.build(values)
        assert built is not None
        yield built[1], set(rule.methods or ())


_NOBODYS = {"UUIDConverter": "00000000-0000-0000-0000-000000000000", "VersionNumber": 1}
"""A value for what a path names, by the kind that it takes."""


class TestEveryRoute:
    def test_head_and_options(self, app: Flask, admin: Caller) -> None:
        headers = {"Authorization": f"Bearer {admin.token}"}
        for path, methods in rules(app):
            answer = admin.client.open(path, method="OPTIONS", headers=headers)
            assert answer.status_code == 200, path
            assert methods <= set(answer.headers["Allow"].replace(" ", "").split(","))
            if "GET" in methods:
                head, get = (admin.client.open(path, method=method, headers=headers) for method in ("HEAD", "GET"))
                assert head.status_code == get.status_code < 500, path
                assert head.data == b""

    def test_anonymous_never_gets_in_by_accident(self, app: Flask, anonymous: Caller) -> None:
        """Whatever is not public says 401 before anything else; nothing is a 500, and every refusal is a problem."""
        public = (
            "/health",
            "/metrics",
            "/problems",
            "/docs",
            "/api/v1/openapi.json",
            "/api/v1/public",
            "/offers",
            "/sign-in",
            "/track",
        )
        for path, methods in rules(app):
            for method in methods - {"OPTIONS", "HEAD"}:
                answer = anonymous.client.open(path, method=method)
                if path == "/" or path.startswith(public):
                    assert answer.status_code < 500, (method, path)
                else:
                    is_problem(answer, 401, "unauthenticated")

    def test_nobody_breaks_it_with_nothing(self, app: Flask, admin: Caller) -> None:
        """The administrator sends an empty object everywhere: no 500, and every refusal is a problem document, or a page where
        people are sent.
        """
        headers = {"Authorization": f"Bearer {admin.token}", "Idempotency-Key": "k", "If-Match": "*"}
        for path, methods in rules(app):
            for method in methods - {"OPTIONS", "HEAD", "GET"}:
                answer = admin.client.open(path, method=method, json={}, headers=headers)
                assert answer.status_code < 500, (method, path, answer.text)
                if answer.status_code >= 400:
                    kind = "text/html" if path.startswith("/offers/") else "application/problem+json"
                    assert answer.mimetype == kind, (method, path)


class TestProblemPages:
    def test_every_code_has_its_page(self, anonymous: Caller) -> None:
        assert len(catalogue()) > 25
        for code, kind in catalogue().items():
            answer = anonymous.get(f"/problems/{code}")
            assert answer.status_code == 200
            assert answer.content_type.startswith("text/plain")
            for words in (kind.title, kind.advice, f"status: {kind.status}"):
                assert words in answer.text

    def test_codes_are_not_shared(self) -> None:
        """Two errors of one code would have one page. `InternalError` is the base's own code, on purpose."""
        kinds = [kind for kind in _walk(DomainError) if "code" in vars(kind)]
        assert len({kind.code for kind in kinds}) == len(kinds)

    def test_whatever_the_framework_refuses_leads_to_a_page_or_says_there_is_none(self, program: Program) -> None:
        app = create_app(program=program)

        def refuse(status: int) -> str:
            abort(status)

        app.add_url_rule("/refuse/<int:status>", "refuse", refuse)
        client = app.test_client()
        without = set()
        for status in sorted(default_exceptions):
            answer = client.get(f"/refuse/{status}")
            assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
            body: Any = answer.json
            assert (body["status"], bool(body["code"]), bool(body["title"])) == (status, True, True)
            if body["type"] == "about:blank":
                without.add(status)
                assert body["title"] == HTTPStatus(status).phrase
            else:
                page = client.get(body["type"])
                assert page.status_code == 200, body["type"]
                assert f"status: {status}" in page.text
        assert {400, 404, 405, 413, 415, 500, 503} & without == set()
        assert 408 in without

    @pytest.mark.parametrize("code", ["nothing", "%00", "..", "<script>"])
    def test_no_such_code(self, anonymous: Caller, code: str) -> None:
        is_problem(anonymous.get(f"/problems/{code}"), 404, "unknown_route")


class TestDatabaseAway:
    @pytest.fixture
    def nowhere(self) -> Iterator[Caller]:
        """An application whose database is at a closed port."""
        settings = Settings(database_url="postgresql://helpdesk@127.0.0.1:1/nothing", secret_key=SIGNING_KEY)
        program = assemble(settings)
        app = create_app(program=program)
        yield Caller(app.test_client(), None, "token")
        program.engine.dispose()

    def test_it_is_said_so(self, nowhere: Caller) -> None:
        for answer in (
            nowhere.get("/me"),
            nowhere.get("/complaints?limit=1"),
            nowhere.post("/complaints", complaint_body(), idempotency_key="k"),
            nowhere.patch("/complaints/x", {}, if_match="*"),
        ):
            is_problem(answer, 503, "temporarily_unavailable")
            assert answer.headers["Retry-After"] == "2"

    def test_what_needs_no_database_goes_on(self, nowhere: Caller) -> None:
        for path in ("/health/live", "/metrics", "/docs", "/api/v1/openapi.json", "/problems/not_found"):
            assert nowhere.get(path).status_code == 200
        is_problem(nowhere.get("/nothing"), 404, "unknown_route")

    def test_a_session_that_died_between_two_requests_is_not_noticed(
        self, agent: Caller, settings: Settings, engine: Engine
    ) -> None:
        """The server was restarted: the pool's sessions are dead, and nobody need know."""
        program = assemble(settings, name="mortal")
        caller = Caller(create_app(program=program).test_client(), agent.actor, agent.token)

        def kill() -> None:
            with engine.connect() as connection:
                killed = connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'mortal'"
                    )
                )
                assert killed.scalars().all() != []

        try:
            assert caller.get("/me").status_code == 200
            kill()
            assert caller.get("/me").status_code == 200
            kill()
            assert caller.post("/customers", {"name": "x"}).status_code == 201
            assert len(caller.get("/customers").json["items"]) == 1
        finally:
            program.engine.dispose()

    def test_a_session_that_dies_inside_the_commit(self, agent: Caller, engine: Engine) -> None:
        """Nobody knows whether it happened; the answer says so, and nothing is done a second time on a guess."""
        function = "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        trigger = "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON customer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
        with engine.begin() as connection:
            connection.execute(text(function))
            connection.execute(text(trigger))
        try:
            is_problem(agent.post("/customers", {"name": "x"}, idempotency_key="k"), 503, "outcome_unknown")
        finally:
            with engine.begin() as connection:
                connection.execute(text("DROP FUNCTION die CASCADE"))
        answer = agent.post("/customers", {"name": "x"}, idempotency_key="k")
        assert answer.status_code == 201
        assert len(agent.get("/customers").json["items"]) == 1


class TestOurOwnMistake:
    def test_says_nothing_but_the_request_id(self, settings: Settings) -> None:
        program = assemble(settings)
        app = create_app(program=program)

        def mistake() -> str:
            raise RuntimeError("the secret is 4711")

        app.add_url_rule("/mistake", "mistake", mistake)
        answer = app.test_client().get("/mistake")
        is_problem(answer, 500, "internal_error")
        assert "4711" not in answer.text
        program.engine.dispose()
