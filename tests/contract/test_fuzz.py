"""Every operation with input made from its own description, good and bad: no 500, nothing undocumented, nothing accepted
that the document forbids.

Three kinds of cases, all the same on every run: schemathesis's systematic ones (each boundary, each wrong type, each
missing or unknown field, by itself), oddities of our own for operations that take so little that there are few of those,
and schemathesis's random ones. The ordinary run sends each operation `LEAST` bad ones of the first two kinds and some
good ones; `make test-fire` all systematic ones and `HELPDESK_FUZZ_EXAMPLES` random ones for each operation and mode:
to make a random one takes schemathesis longer than the program takes to answer it.
"""

import contextlib
import itertools
import json
import os
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.schemas import OpenApiSchema

from helpdesk.wiring import Program
from tests.conftest import Join
from tests.contract.document import OPERATIONS, Operation, check_problem, committed
from tests.contract.world import World

LEAST: Final = 20
"""So many bad inputs for each operation."""
GOOD: Final = 3
"""So many good ones beside the documented example, at most."""
MANY: Final = int(os.environ.get("HELPDESK_FUZZ_EXAMPLES", "200"))
ENOUGH: Final = 20_000
SENT: Final[Counter[str]] = Counter()
"""Cases by operation, of the long run."""
SHOWN: Final = 12
NOT_HERE: Final = {"scan_complaint_attachment": "there is no virus scanner"}
"""Operations that this installation refuses whatever is sent."""

REFUSALS: Final = ["400", "404", "405", "409", "410", "412", "413", "415", "422", "428"]
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def schema(worker_app: Flask) -> OpenApiSchema:
    loaded = schemathesis.openapi.from_dict(dict(committed()), config=SchemathesisConfig())
    # The token is ours: who may do what is tested elsewhere.
    loaded.config.generation.update(with_security_parameters=False, deterministic=True)
    loaded.config.checks.negative_data_rejection.expected_statuses = REFUSALS
    loaded.app = worker_app
    return loaded


@pytest.fixture
def world(app: Flask, program: Program, join: Join) -> World:
    return World(app, program, join("admin"))


class Fuzz:
    """One operation's run: sends cases, gathers what is wrong with the answers."""

    def __init__(self, operation: Operation, world: World, schema: OpenApiSchema) -> None:
        self.operation = operation
        self.world = world
        schema.app = world.application
        self.described = schema[operation.path][operation.method]
        self.schema = schema
        self.sent = 0
        self.statuses: dict[int, int] = {}
        self.wrong: dict[str, str] = {}
        self.refused = ""

    def systematic(self) -> list[Case[Any]]:
        """The same every time."""
        modes = list(GenerationMode)
        return list(
            self.schema.iter_coverage_cases(
                self.described, generation_modes=modes, generation_config=self.schema.config.generation
            )
        )

    def random(self, mode: GenerationMode, examples: int) -> None:
        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # what fails is gathered, not shrunk
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.described.as_strategy(generation_mode=mode))
        def run(case: Case[Any]) -> None:
            self.send(case)

        with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing leaves nothing to get wrong
            run()

    def oddities(self, examples: int) -> None:
        """Bad in ways that need no schema: where little is taken, little of it can be wrong."""

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(odd=_oddities(self.operation))
        def run(odd: Odd) -> None:
            self.sent += 1
            answer = self.world.open(self.operation, path=odd.path, query=odd.query, body=odd.body)
            try:
                assert 400 <= answer.status_code < 500, answer.status_code
                self._is_problem(answer.status_code, answer.content_type, answer.text)
            except AssertionError as error:
                self.wrong.setdefault(f"{error!s:.400}", f"{self.operation.id}: {odd}: {error!s:.1500}")

        run()

    def documented(self) -> None:
        """What the document shows gets through, or at least is refused for what it names and is not there."""
        self.sent += 1
        body: Any = None
        if self.operation.body:
            body = deepcopy(next(iter(self.operation.body.values()))["example"])
            self._make_real(body, {})
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        needed = [item for item in self.operation.parameters if item["in"] == "query" and item.get("required")]
        query = {item["name"]: item["schema"]["examples"][0] for item in needed}
        answer = self.world.open(self.operation, fresh=True, body=body, query=query)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code >= 400:
            self._is_problem(answer.status_code, answer.content_type, answer.text)
            self.refused = answer.text

    def send(self, case: Case[Any]) -> None:
        self.sent += 1
        if _is_good(case, ParameterLocation.PATH) and self.operation.path_names() and self.sent % 8:
            fresh = _is_meant_well(case) and self.operation.method != "get"
            case.path_parameters = dict(self.world.real(self.operation, fresh=fresh))
        self._name_real_things(case)
        if case.media_type == "multipart/form-data" and isinstance(
            case.body, dict
        ):  # a form cannot say "an empty list"
            case.body.update({name: [""] for name, value in case.body.items() if value == []})
        self._mind_the_headers(case)
        try:
            response = case.call()
            self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
            if response.status_code < 300 and self.operation.method != "get":
                self.world.forget(self.operation)
            self._check(case, response)
        except (Exception, FailureGroup) as error:  # noqa: BLE001  # whatever the program lets through is looked for
            self._note(case, error)

    def _name_real_things(self, case: Case[Any]) -> None:
        """Half of the ids in bodies and queries are of something that there is."""
        for given_values, where in ((case.body, ParameterLocation.BODY), (case.query, ParameterLocation.QUERY)):
            if isinstance(given_values, dict) and _is_good(case, where) and self.sent % 2:
                self._make_real(given_values, case.path_parameters or {})

    def _make_real(self, given_values: Any, path: dict[str, str]) -> None:
        if isinstance(given_values, dict):
            for name, value in given_values.items():
                if isinstance(value, str) and (real := self.world.named(self.operation, name)):
                    given_values[name] = real
                if isinstance(value, list) and all(isinstance(item, str) for item in value):
                    parts = self.world.parts_named(name, path)
                    given_values[name] = value if parts is None else parts

    def _mind_the_headers(self, case: Case[Any]) -> None:
        headers = case.headers
        headers["Authorization"] = self.world.authorization(self.operation)
        if not _is_good(case, ParameterLocation.HEADER):
            return
        if self.sent % 4:
            headers.pop("Content-Digest", None)  # which is of no body that a generator makes
        if self.operation.parameter("header", "Idempotency-Key") and self.sent % 5:
            headers["Idempotency-Key"] = self.world.key()
        match = self.operation.parameter("header", "If-Match")
        if match and (match["required"] or self.sent % 3):
            headers["If-Match"] = "*"

    def _check(self, case: Case[Any], response: Response) -> None:
        content_type = response.headers.get("content-type", [""])[0]
        if case.method.upper() != self.operation.method.upper():
            assert response.status_code in {200, 405}, response.status_code
            if response.status_code == 405:
                check_problem(405, content_type, response.text)
                assert response.headers.get("allow")
            return
        if response.status_code >= 400:
            self._is_problem(response.status_code, content_type, response.text)
        known = self.world.may_sign(self.operation, case.path_parameters or {})
        # Who cannot have signed is refused as such, whatever else is wrong.
        case.validate_response(response, checks=CHECKS if known else [status_code_conformance, not_a_server_error])
        assert known or response.status_code in {401, 404, 413}, response.status_code

    def _is_problem(self, status: int, content_type: str, text: str) -> None:
        check_problem(status, content_type, text, self.operation.definition["x-problem-codes"])

    def _note(self, case: Case[Any], error: BaseException) -> None:
        errors = error.exceptions if isinstance(error, FailureGroup) else (error,)
        for item in errors:
            kind = f"{type(item).__name__}: {str(item)[:400]}"
            self.wrong.setdefault(
                kind,
                f"{item!r:.1500}\n    {case.method} {case.formatted_path} query={case.query!r:.300} "
                f"headers={_shown(case)!r:.300} body={case.body!r:.600}",
            )

    def report(self) -> str:
        shown = list(itertools.islice(self.wrong.values(), SHOWN))
        return f"{len(self.wrong)} kinds of wrong answers:\n\n" + "\n\n".join(shown)


def _is_good(case: Case[Any], where: ParameterLocation) -> bool:
    """Whether that part of the case is as the document wants it, and may be made better still."""
    part = case.meta.components.get(where) if case.meta is not None else None
    return part is None or part.mode.is_positive


def _is_meant_well(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _shown(case: Case[Any]) -> dict[str, Any]:
    return {name: value for name, value in case.headers.items() if name != "Authorization"}


@dataclass(frozen=True, slots=True)
class Odd:
    """A request that is bad in one way. `path`: the value of the last parameter there."""

    query: dict[str, str] = field(default_factory=dict)
    path: str | None = None
    body: bytes | None = None


_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def _oddities(operation: Operation) -> st.SearchStrategy[Odd]:
    known = {item["name"] for item in operation.parameters if item["in"] == "query"}
    names = _TEXT.filter(lambda name: name not in known)
    found = [st.builds(Odd, query=st.dictionaries(names, _TEXT, min_size=1, max_size=3))]
    if operation.path_names():
        found.append(st.builds(Odd, path=_TEXT.filter(lambda text: "/" not in text)))
    if operation.body is None and operation.method != "get":
        found.append(st.builds(Odd, body=st.binary(min_size=1).filter(lambda body: body.strip() not in {b"", b"{}"})))
    return st.one_of(found)


def _evenly(cases: list[Case[Any]], wanted: int) -> list[Case[Any]]:
    """At most so many, from all over."""
    return [cases[place * len(cases) // wanted] for place in range(wanted)] if len(cases) > wanted else cases


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_bad_and_good_input(operation: Operation, world: World, schema: OpenApiSchema) -> None:
    """The bad ones first, while their rows are still where the action is possible."""
    fuzz = Fuzz(operation, world, schema)
    cases = [case for case in fuzz.systematic() if case.method.lower() == operation.method]
    bad = _evenly([case for case in cases if not _is_meant_well(case)], LEAST)
    for case in bad:
        fuzz.send(case)
    if len(bad) < LEAST:
        fuzz.oddities(LEAST - len(bad))
    assert fuzz.sent >= LEAST
    fuzz.documented()
    for case in _evenly([case for case in cases if _is_meant_well(case)], GOOD):
        fuzz.send(case)
    assert not fuzz.wrong, fuzz.report()
    if operation.id not in NOT_HERE:
        assert fuzz.statuses.keys() & {200, 201, 202, 204}, f"nothing got through: {fuzz.statuses}\n{fuzz.refused}"


@pytest.mark.fire
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_much_bad_and_good_input(operation: Operation, world: World, schema: OpenApiSchema) -> None:
    fuzz = Fuzz(operation, world, schema)
    for case in fuzz.systematic():
        fuzz.send(case)
    for mode in GenerationMode:
        fuzz.random(mode, MANY)
    assert not fuzz.wrong, fuzz.report()
    SENT[operation.id] = fuzz.sent


@pytest.mark.fire
def test_that_was_much() -> None:
    if len(SENT) < len(OPERATIONS):
        pytest.skip("only some of the operations were tried")
    assert SENT.total() >= ENOUGH
