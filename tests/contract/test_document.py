"""The committed contract: it is what the program generates, it is valid, and it passes rules of our own."""

import json
import re
from collections import Counter
from copy import deepcopy
from functools import cache
from typing import Any, Final

import pytest
from flask import Flask
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from helpdesk import contract
from helpdesk.kernel.errors import catalogue
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.contract import rules
from tests.contract.document import (
    EVENTS,
    IDS,
    OPERATIONS,
    ROOT,
    Operation,
    committed,
    faults,
    schemas_in,
)
from tests.contract.rules import RULES, Rule
from tests.recovery import helpers

NOT_API: Final = {
    "/",
    "/docs",
    "/docs/start.js",
    "/docs/assets/<path:name>",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/problems/<code>",
    "/offers/",
    "/offers/page.css",
    "/offers/<token>",
    "/offers/<token>/<answer>",
    "/offers/<token>/<answer>/<path:rest>",
    "/sign-in/<uuid:provider_id>",
    "/sign-in/callback",
    "/track",
    "/track/page.css",
    "/track/page.js",
    "/track/words.js",
    "/api/v1/openapi.json",
}
"""Routes that the document does not describe: for people, probes and monitoring."""

WRITE_IT: Final = (
    "The contract under openapi/ is not what the program says. Look at the differences, then run:\n"
    "  helpdesk openapi --output openapi\n"
)


def flat(node: Any, where: str = "") -> dict[str, str]:
    """Place -> value, as text, for every leaf."""
    if isinstance(node, dict) and node:
        return {key: value for name in node for key, value in flat(node[name], f"{where}/{name}").items()}
    if isinstance(node, list) and node:
        return {key: value for place, item in enumerate(node) for key, value in flat(item, f"{where}/{place}").items()}
    return {where: json.dumps(node)}


def differences(before: Any, after: Any) -> list[str]:
    """What a reader of the contract would have to know, what was taken away or changed first."""
    old, new = flat(before), flat(after)
    gone = [f"- {place} = {old[place]}" for place in old if place not in new]
    changed = [f"! {place}: {old[place]} -> {new[place]}" for place in old if place in new and old[place] != new[place]]
    added = [f"+ {place} = {new[place]}" for place in new if place not in old]
    found = gone + changed + added
    return [*found[:40], *([f"and {len(found) - 40} more"] if len(found) > 40 else [])]


def test_differences_are_told_readably() -> None:
    before = {"paths": {"/a": {"get": 1}}, "kept": [1, {"x": 2}]}
    after = {"paths": {"/b": {"get": 1}}, "kept": [1, {"x": 3}]}
    assert differences(before, after) == ["- /paths//a/get = 1", "! /kept/1/x: 2 -> 3", "+ /paths//b/get = 1"]
    assert differences(before, before) == []


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return contract.files()


class TestCommitted:
    """`helpdesk openapi --output openapi` was run."""

    def test_document_is_what_the_program_says(self, generated: dict[str, str]) -> None:
        text = (ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8")
        if text != generated["openapi.json"]:
            told = differences(json.loads(text), json.loads(generated["openapi.json"]))
            pytest.fail(WRITE_IT + "\n".join(told))

    def test_event_schemas_are_what_the_program_says(self, generated: dict[str, str]) -> None:
        wanted = {name.removeprefix("events/"): text for name, text in generated.items() if name.startswith("events/")}
        there = {path.name: path.read_text(encoding="utf-8") for path in EVENTS.glob("*.json")}
        if there != wanted:
            before = {name: json.loads(text) for name, text in there.items()}
            after = {name: json.loads(text) for name, text in wanted.items()}
            pytest.fail(WRITE_IT + "\n".join(differences(before, after)))

    def test_served_is_the_committed_one(self, anonymous: Caller) -> None:
        assert anonymous.get("/api/v1/openapi.json").json == committed()


class TestWhole:
    def test_is_valid_openapi(self) -> None:
        found = [f"{error.json_path}: {error.message}" for error in OpenAPIV31SpecValidator(committed()).iter_errors()]
        assert found == []

    def test_says_what_it_is(self) -> None:
        info = committed()["info"]
        assert committed()["openapi"].startswith("3.1.")
        assert info["title"]
        assert info["version"]
        assert info["description"]
        assert info["contact"]["name"]
        assert info["license"]["identifier"] == "Apache-2.0"
        assert all(server["url"] and server["description"] for server in committed()["servers"])
        assert committed()["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"

    def test_every_operation_id_is_there_once(self) -> None:
        assert [name for name, times in Counter(IDS).items() if times > 1] == []

    def test_every_tag_is_described(self) -> None:
        described = {tag["name"] for tag in committed()["tags"] if tag["description"]}
        assert {tag for operation in OPERATIONS for tag in operation.definition["tags"]} == described

    @pytest.mark.parametrize("kind", ["schemas", "responses"])
    def test_every_component_is_used_and_every_reference_leads_to_one(self, kind: str) -> None:
        used = re.findall(rf'"#/components/{kind}/([^"]+)"', json.dumps(committed()))
        assert set(used) == set(committed()["components"][kind])

    def test_no_schema_is_there_twice_under_numbered_names(self) -> None:
        """A number is how apispec tells two shapes of one name apart."""
        names = set(committed()["components"]["schemas"])
        assert [name for name in names if re.fullmatch(r".*\D\d+", name) and re.sub(r"\d+$", "", name) in names] == []

    def test_every_problem_code_has_its_page(self) -> None:
        named = {code for operation in OPERATIONS for code in operation.definition["x-problem-codes"]}
        assert named <= set(catalogue())

    def test_every_schema_has_a_type(self) -> None:
        """Or says what it is otherwise. Nothing at all means "anything", which belongs into a few known places."""
        known = {"type", "$ref", "anyOf", "allOf", "oneOf", "enum", "const"}
        without = [where for where, schema in schemas_in(committed()) if schema != {} and not known & schema.keys()]
        assert without == []

    def test_patterns_are_of_the_whole_and_for_every_reader(self) -> None:
        """`^...$`, and nothing that only Python knows."""
        patterns = {schema["pattern"] for _, schema in schemas_in(committed()) if "pattern" in schema}
        assert len(patterns) > 10
        assert [text for text in patterns if not re.fullmatch(r"\^(?!.*(?:\\[AZ]|\(\?[P<])).*\$", text)] == []

    def test_no_schema_says_what_3_1_has_dropped(self) -> None:
        old = {"nullable", "example"}
        assert [where for where, schema in schemas_in(committed()) if old & schema.keys()] == []

    def test_examples_of_schemas_fit_them(self) -> None:
        wrong = {
            where: found
            for where, schema in schemas_in(committed())
            for example in schema.get("examples", ())
            if (found := faults(schema, example))
        }
        assert wrong == {}


class TestRoutes:
    """The document describes what is there, all of it and nothing else."""

    @staticmethod
    def routes(app: Flask) -> set[tuple[str, str]]:
        return {
            (method, re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule))
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
            if rule.rule not in NOT_API
        }

    def test_are_those_of_the_program(self, worker_app: Flask) -> None:
        documented = {(operation.method.upper(), operation.path) for operation in OPERATIONS}
        assert documented == self.routes(worker_app)

    def test_that_are_not_described_are_there(self, worker_app: Flask) -> None:
        assert {rule.rule for rule in worker_app.url_map.iter_rules()} >= NOT_API


class TestRules:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_every_operation_keeps(self, rule: Rule) -> None:
        assert {operation.id: found for operation in OPERATIONS if (found := list(rule(operation)))} == {}

    @pytest.mark.parametrize(
        ("rule", "broken"),
        [
            (rules.named_for_a_client, {"operationId": "complaintsCreate"}),
            (rules.named_for_a_client, {"operationId": "list_complaints"}),
            (rules.says_what_it_does, {"summary": ""}),
            (rules.says_what_it_does, {"description": "No full stop"}),
            (rules.says_what_it_does, {"tags": []}),
            (rules.succeeds_with_schema_and_example, {"responses": {}}),
            (rules.succeeds_with_schema_and_example, {"responses/201/content/application/json/example": {}}),
            (rules.succeeds_with_schema_and_example, {"responses/201/content": {}}),
            (rules.fails_with_problems, {"responses/500/content": {"application/json": {}}}),
            (rules.fails_with_problems, {"responses/422/content/application/problem+json/examples": {}}),
            (rules.fails_with_problems, {"x-problem-codes": []}),
            (rules.answers_nothing_else, {"responses/203": {}}),
            (rules.answers_nothing_else, {"responses/304": {"content": {}}}),
            (rules.body_has_an_example, {"requestBody/content/application/json/example": {"unknown": 1}}),
            (rules.body_has_an_example, {"requestBody/content/text/csv": {}}),
            (rules.says_who_may_call_it, {"security": []}),
            (rules.says_who_may_call_it, {"x-permission": "complaint:destroy"}),
            (rules.describes_its_parameters, {"parameters": [{"in": "query", "name": "x", "schema": {}}]}),
            (rules.takes_the_headers_of_its_method, {"parameters": []}),
            (rules.takes_the_headers_of_its_method, {"responses/412": {}}),
            (rules.may_not_find_its_row, {"responses/404": {}}),
        ],
    )
    def test_notices(self, rule: Rule, broken: dict[str, Any]) -> None:
        """`create_complaint`, spoiled at one place."""
        sound = next(operation for operation in OPERATIONS if operation.id == "create_complaint")
        definition = deepcopy(sound.definition)
        for place, value in broken.items():
            _spoil(definition, place, value)
        assert list(rule(Operation(sound.method, sound.path, definition, definition["parameters"])))


def _spoil(node: dict[str, Any], place: str, value: Any) -> None:
    """Set what stands at `a/b/c`. A step may hold a slash itself: media types do."""
    for step in list(node):
        if place.startswith(f"{step}/"):
            _spoil(node[step], place.removeprefix(f"{step}/"), value)
            return
    node[place] = value


class TestEvents:
    @staticmethod
    def schema(kind: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((EVENTS / f"{kind}.json").read_text(encoding="utf-8"))
        return found

    def test_every_schema_is_sound(self) -> None:
        for path in EVENTS.glob("*.json"):
            schema = self.schema(path.stem)
            Draft202012Validator.check_schema(schema)
            assert schema["title"] == path.stem
            assert re.fullmatch(r"[a-z_]+\.[a-z_]+", path.stem)
            assert set(schema["x-personal"]) <= schema["properties"].keys()

    def test_every_event_of_the_program_has_one(self) -> None:
        assert {kind.type for kind in contract.event_types()} == {path.stem for path in EVENTS.glob("*.json")}

    def test_recorded_events_fit(self, program: Program, admin: Caller, manager: Caller, agent: Caller) -> None:
        """What stands in the log after a whole journey; each payload has all the fields of its schema and no other."""
        journey(program, admin, manager, agent)
        feed = admin.get("/events?limit=500").json
        assert feed["end_of_stream"]
        seen = set()
        for event in feed["items"]:
            schema = self.schema(event["type"])
            seen.add(event["type"])
            found = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(event["payload"])
            assert [f"{event['type']}: {error.message}" for error in found] == []
            assert event["payload"].keys() == schema["properties"].keys()
        assert len(seen) >= 25, sorted(seen)


def journey(program: Program, admin: Caller, manager: Caller, agent: Caller) -> None:
    """Something of everything, through the API."""
    team = made(admin, "/teams", {"name": "Claims"})
    made(admin, "/agents", {"email": "new@example.com", "name": "Ana", "role": "agent", "team_ids": [team["id"]]})
    customer = made(agent, "/customers", {"name": "Li Wei"})
    agent.patch(f"/customers/{customer['id']}", {"tier": "key"}, if_match="*")
    made(admin, "/sla/calendars", {"name": "Office", "timezone": "UTC", "weekly_hours": {"mon": [["09:00", "17:00"]]}})
    token = made(agent, "/tokens", {"name": "short"})
    assert agent.post(f"/tokens/{token['id']}/revoke").status_code == 200
    made(manager, "/imports", {"mapping": "cfpb", "file_name": "a.csv"})
    helpers.open_budget(manager)

    complaint = made(agent, "/complaints", complaint_body())
    path = f"/complaints/{complaint['reference']}"
    made(agent, f"{path}/issues", {"category": "COM", "issue": "COM.WAIT"})
    made(agent, f"{path}/affected", {"name": "Li Na"})
    made(agent, f"{path}/messages", {"kind": "internal_note", "body": "Called the depot."})
    assert agent.post(f"{path}/claim").status_code == 200
    for action, body in (
        ("acknowledge", {"channel": "EMAIL"}),
        ("triage", {"impact": 3, "urgency": 2, "category": "DEL", "issue": "DEL.LATE", "track": "investigate"}),
        ("ask_customer", {"message": "Which day suits you?"}),
        ("resume", {}),
        ("escalate", {"reason": "A director wrote."}),
    ):
        assert agent.post(f"{path}/actions/{action}", body).status_code == 200, action
    helpers.issued(program, agent, complaint)
    declined = helpers.offered(agent, complaint, helpers.voucher("5.00"))
    helpers.act(agent, declined, "decline", said_by="phone")
    helpers.act(manager, helpers.draft(agent, complaint, helpers.voucher("6.00")), "revoke", reason="A mistake.")
    refused = helpers.draft(agent, complaint, helpers.voucher("90.00"))
    helpers.act(agent, refused, "submit")
    helpers.act(manager, refused, "refuse", reason="Too much.")
    assert agent.post(f"{path}/actions/withdraw", {"reason": "All is well."}).status_code == 200


def made(caller: Caller, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = caller.post(path, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def named_in(node: Any) -> set[str]:
    """The components that a piece of the document refers to, those that they refer to among them."""
    text = json.dumps(node)
    found = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    while True:
        more = {name for known in found for name in _components_of(known)} - found
        if not more:
            return found
        found |= more


@cache
def _components_of(name: str) -> frozenset[str]:
    return frozenset(
        re.findall(r'"#/components/schemas/(\w+)"', json.dumps(committed()["components"]["schemas"][name]))
    )


def test_whole_numbers_that_are_sent_have_bounds() -> None:
    """1e308 is a whole number too, and no column takes it."""
    sent = [[operation.body, operation.parameters] for operation in OPERATIONS]
    asked = {name: committed()["components"]["schemas"][name] for name in named_in(sent)}
    places = [*schemas_in(sent, "sent"), *schemas_in({"components": {"schemas": asked}})]
    unbounded = {
        where
        for where, schema in places
        if "integer" in [schema.get("type"), *(schema["type"] if isinstance(schema.get("type"), list) else ())]
        if not ({"minimum", "maximum"} <= schema.keys() or "enum" in schema)
    }
    assert unbounded == set()
