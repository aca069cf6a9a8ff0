"""The committed OpenAPI document, read once, and what the tests ask of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

ROOT: Final = Path(__file__).resolve().parents[2]
COMMITTED: Final = ROOT / "openapi" / "openapi.json"
EVENTS: Final = ROOT / "openapi" / "events"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM: Final = "application/problem+json"


@cache
def committed() -> dict[str, Any]:
    """Read-only: it is shared by all tests of a process."""
    found: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with the path's own parameters among its own."""

    method: str
    path: str
    definition: dict[str, Any]
    parameters: list[dict[str, Any]]

    @property
    def id(self) -> str:
        return str(self.definition.get("operationId", f"{self.method}-{self.path}"))

    @property
    def body(self) -> dict[str, Any] | None:
        """Media type -> what it says of it; None where there is no body."""
        body = self.definition.get("requestBody")
        return None if body is None else body["content"]

    def parameter(self, where: str, name: str) -> dict[str, Any] | None:
        return next((item for item in self.parameters if (item["in"], item["name"]) == (where, name)), None)

    def path_names(self) -> list[str]:
        return [item["name"] for item in self.parameters if item["in"] == "path"]

    @property
    def secured(self) -> bool:
        return bool(self.definition.get("security"))

    @property
    def signed(self) -> bool:
        """Instead of shown a token for."""
        return self.definition.get("security") == [{"webhook": []}]


def operations() -> Iterator[Operation]:
    """Answers that they share are put where they are referred to."""
    for path, item in committed()["paths"].items():
        for method in METHODS:
            if method in item:
                definition = {**item[method], "responses": _looked_up(item[method]["responses"])}
                shared = item.get("parameters", [])
                yield Operation(method, path, definition, [*shared, *definition.get("parameters", [])])


def _looked_up(responses: dict[str, Any]) -> dict[str, Any]:
    known = committed()["components"]["responses"]
    return {
        status: known[said["$ref"].removeprefix("#/components/responses/")] if "$ref" in said else said
        for status, said in responses.items()
    }


OPERATIONS: Final = tuple(operations())
IDS: Final = tuple(operation.id for operation in OPERATIONS)


def schemas_in(node: Any, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema that stands somewhere in the document, with its place; not those inside examples."""
    if isinstance(node, dict):
        for key, value in node.items():
            here = f"{where}/{key}"
            if key in {"example", "examples", "x-problem-codes"}:
                continue
            if (
                key == "schema"
                or where.endswith(("/components/schemas", "/properties"))
                or (key in {"items", "additionalProperties"} and isinstance(value, dict))
            ):
                yield here, value
            yield from schemas_in(value, here)
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from schemas_in(value, f"{where}/{place}")


_BASE: Final = "urn:helpdesk:openapi"


@cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    found: Registry[Any] = empty.with_resource(_BASE, DRAFT202012.create_resource(committed()))
    return found


def _absolute(node: Any) -> Any:
    """The schema with its references into the document made absolute, so that it can be looked at by itself."""
    if isinstance(node, dict):
        return {
            key: f"{_BASE}{value}" if key == "$ref" and isinstance(value, str) else _absolute(value)
            for key, value in node.items()
        }
    return [_absolute(item) for item in node] if isinstance(node, list) else node


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """A schema of the document, its references resolved, formats checked."""
    return Draft202012Validator(_absolute(schema), registry=_registry(), format_checker=FormatChecker())


@cache
def problem_validator() -> Draft202012Validator:
    return validator({"$ref": "#/components/schemas/Problem"})


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value, readably; empty when it fits."""
    return [f"{error.json_path}: {error.message[:200]}" for error in validator(schema).iter_errors(value)]


def check_problem(status: int, content_type: str, text: str, codes: list[str] | None = None) -> dict[str, Any]:
    """An answer is a problem document, of its own status, with a code that the operation names (`codes`)."""
    assert content_type == PROBLEM, (status, content_type, text[:300])
    body: dict[str, Any] = json.loads(text)
    wrong = [error.message for error in problem_validator().iter_errors(body)]
    assert not wrong, (wrong, body)
    assert body["status"] == status, body
    if codes is not None:
        assert body["code"] in codes, (body, codes)
    return body
