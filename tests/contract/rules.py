"""Our linter: what every operation of the document must keep to. Each rule gives what is wrong, nothing when all is well."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from helpdesk.identity.permissions import PERMISSIONS
from tests.contract.document import OPERATIONS, PROBLEM, Operation, committed, faults

Rule = Callable[[Operation], Iterator[str]]

READING: Final = {"get", "list", "read", "search", "verify"}
STATUSES: Final = {"200", "201", "202", "204", "206", "302", "304"}
FILE: Final = "application/octet-stream"


def _responses(operation: Operation, first: str, last: str) -> dict[str, dict[str, Any]]:
    return {status: said for status, said in operation.definition["responses"].items() if first <= status < last}


def named_for_a_client(operation: Operation) -> Iterator[str]:
    """`verb_noun`, as a function in a generated client is called; only what changes nothing is called a reading."""
    name = str(operation.definition.get("operationId", ""))
    if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name):
        yield f"operationId {name!r} is not verb_noun in snake_case"
    if (operation.method == "get") != (name.partition("_")[0] in READING):
        yield f"{operation.method} is called {name}"
    if name.startswith("list_") and operation.path.endswith("}"):
        yield "one resource is called a list"


def says_what_it_does(operation: Operation) -> Iterator[str]:
    summary, description = operation.definition.get("summary", ""), operation.definition.get("description", "")
    if not 3 <= len(summary) <= 120 or not summary[0].isupper() or summary.endswith("."):
        yield f"summary {summary!r} is no heading"
    if not description.endswith((".", "?", "!")):
        yield f"description {description!r} is no sentence"
    if len(operation.definition.get("tags", [])) != 1:
        yield "belongs to no one tag"


def succeeds_with_schema_and_example(operation: Operation) -> Iterator[str]:
    successes = _responses(operation, "200", "300")
    if not successes:
        yield "no success is described"
    for status, said in successes.items():
        if not said.get("description"):
            yield f"{status} has no description"
        if status == "204":
            continue
        if FILE in said.get("content", {}):
            if any(kind["schema"] != {"type": "string", "format": "binary"} for kind in said["content"].values()):
                yield f"{status} is a file of some kinds and not of others"
            continue
        content = said.get("content", {}).get("application/json", {})
        if "$ref" not in content.get("schema", {}):
            yield f"{status} has no named schema"
        elif "example" not in content:
            yield f"{status} has no example"
        else:
            yield from (f"{status}, example: {fault}" for fault in faults(content["schema"], content["example"]))


def fails_with_problems(operation: Operation) -> Iterator[str]:
    failures = _responses(operation, "400", "600")
    if not {"422", "500", "503"} <= failures.keys():
        yield "422, 500 and 503 can always happen"
    if operation.method != "get" and not {"400", "413"} <= failures.keys():
        yield "any body can be malformed or too large, also one that is not taken"
    codes = set()
    for status, said in failures.items():
        if not said.get("description"):
            yield f"{status} has no description"
        if list(said.get("content", {})) != [PROBLEM]:
            yield f"{status} is not {PROBLEM} alone"
            continue
        content = said["content"][PROBLEM]
        if not content.get("examples"):
            yield f"{status} has no examples"
        for code, example in content.get("examples", {}).items():
            codes.add(code)
            if (example["value"]["code"], example["value"]["status"]) != (code, int(status)):
                yield f"{status}: the example {code} is of another"
            yield from (f"{status} {code}: {fault}" for fault in faults(content["schema"], example["value"]))
    if codes != set(operation.definition.get("x-problem-codes", [])):
        yield "x-problem-codes and the examples are not the same codes"


def answers_nothing_else(operation: Operation) -> Iterator[str]:
    for status, said in operation.definition["responses"].items():
        if status not in STATUSES and not "400" <= status < "600":
            yield f"{status} is no answer of ours"
        if status in {"204", "302", "304"} and "content" in said:
            yield f"{status} has content"


def body_has_an_example(operation: Operation) -> Iterator[str]:
    for kind, content in (operation.body or {}).items():
        if "schema" not in content or "example" not in content:
            yield f"{kind} lacks a schema or an example"
        else:
            yield from (f"{kind}, example: {fault}" for fault in faults(content["schema"], content["example"]))


_OTHERWISE: Final = {"tracking": "tracking_session_ended", "webhook": "callback_refused"}
"""Other ways than a token by which callers are known, and the refusal of who is not."""


def says_who_may_call_it(operation: Operation) -> Iterator[str]:
    responses = operation.definition["responses"]
    security = operation.definition.get("security")
    if security not in ([], [{"bearer": []}, {"cookie": []}], *([{name: []}] for name in _OTHERWISE)):
        yield "does not say how callers are known"
    codes = operation.definition.get("x-problem-codes", [])
    wanted = next((code for name, code in _OTHERWISE.items() if security == [{name: []}]), "unauthenticated")
    if (wanted in codes) != operation.secured or ("401" not in responses and operation.secured):
        # Where one signs in, 401 is about what the body proves: it has codes of its own.
        yield "a token is asked for of callers who need none, or not of those who do"
    if not operation.secured and not operation.path.startswith("/api/v1/public/"):
        yield "is open to everybody outside of /public"
    permission = operation.definition.get("x-permission")
    if permission is not None and permission not in PERMISSIONS:
        yield f"{permission} is no permission"
    if permission is not None and "403" not in responses:
        yield "needs a permission and never refuses"


def describes_its_parameters(operation: Operation) -> Iterator[str]:
    names = [(item["in"], item["name"]) for item in operation.parameters]
    if len(names) != len(set(names)):
        yield "a parameter stands twice"
    if set(operation.path_names()) != set(re.findall(r"{([^}]+)}", operation.path)):
        yield "path and path parameters differ"
    for item in operation.parameters:
        if not {"type", "$ref"} & item["schema"].keys():
            yield f"{item['name']} has no type"
        if item["in"] != "query" and not item.get("description"):
            yield f"{item['name']} is not described"
        if item["in"] == "path" and not item.get("required"):
            yield f"{item['name']} is in the path and not required"


def takes_the_headers_of_its_method(operation: Operation) -> Iterator[str]:
    """POST: Idempotency-Key, or why not; GET: If-None-Match and 304; 428 where If-Match is required, and only there."""
    responses = operation.definition["responses"]
    unkeyed = "x-no-idempotency-key" in operation.definition
    keyed = operation.parameter("header", "Idempotency-Key") is not None
    if (operation.method == "post") != (keyed or unkeyed) or (keyed and unkeyed):
        yield "Idempotency-Key is for POST, and for every POST that does not say why it takes none"
    conditional = operation.parameter("header", "If-None-Match") is not None
    if not (operation.method == "get") == conditional == ("304" in responses):
        yield "If-None-Match and 304 are for GET, and for every GET"
    match = operation.parameter("header", "If-Match")
    if (match is not None) != ("412" in responses):
        yield "If-Match and 412 belong together"
    if (match is not None and match["required"]) != ("428" in responses):
        yield "428 is for a required If-Match"


UNGUARDED: Final = {
    "compute_tariff",
    "dry_run_sla_calendar_change",
    "dry_run_sla_calendar_refresh",
    "dry_run_sla_policy_deletion",
    "dry_run_sla_policy_edit",
    "end_complaint_presence",
    "link_complaint_attachment",
    "link_complaint_evidence",
    "note_complaint_presence",
    "preview_canned_reply",
    "burn_points",
    "reverse_points_burn",
    "retry_dead_letters",
}
"""They change nothing that has a version (offers beside it do, each as it is then), or what goes by its own reference (points: a shop knows no version)."""


def takes_the_version_where_there_is_one(operation: Operation) -> Iterator[str]:
    """`If-Match`: required to edit what a GET shows with its version, honoured by every other change beneath that."""
    match = operation.parameter("header", "If-Match")
    if (
        operation.method in {"put", "patch", "delete"}
        and operation.path in versioned()
        and not (match or {}).get("required")
    ):
        yield "edits a row with a version, and does not ask for it"
    beneath = operation.method != "get" and any(
        operation.path.startswith(f"{path}/") for path in versioned() if "{" in path
    )
    if beneath and (match is None) != (operation.id in UNGUARDED):
        yield "changes a row with a version, and does not heed it"


def deletes_what_is_gone(operation: Operation) -> Iterator[str]:
    """204, or 200 with the row that stays, or with what it was taken from: as a GET at the address, or above it, answers, or as every
    edit at the address does.
    """
    if operation.method != "delete" or operation.path == "/api/v1/sessions":  # several at once: how many they were
        return
    statuses = list(_responses(operation, "200", "300"))
    above = [shown for path, shown in singles().items() if f"{operation.path}/".startswith(f"{path}/")]
    edits = [each for each in OPERATIONS if each.path == operation.path and each.method == "patch"]
    above += [_schema(each, "200") for each in edits if "200" in each.definition["responses"]]
    if statuses != ["204"] and not (statuses == ["200"] and _schema(operation, "200") in above):
        yield "answers neither 204 nor with what a GET shows"


def says_where_it_is(operation: Operation) -> Iterator[str]:
    """201 and 202 with `Location`, wherever there is a GET for what was made."""
    for status, said in _responses(operation, "201", "203").items():
        made = _schema(operation, status)
        if made in singles().values() and "Location" not in said.get("headers", {}):
            yield f"{status} has no Location"


def _schema(operation: Operation, status: str) -> str:
    said = operation.definition["responses"][status].get("content", {}).get("application/json", {})
    return str(said.get("schema", {}).get("$ref", "")).rpartition("/")[2]


@cache
def singles() -> dict[str, str]:
    """Path -> the schema of the one resource that a GET there answers with."""
    gets = [operation for operation in OPERATIONS if operation.method == "get"]
    found = {
        operation.path: _schema(operation, "200") for operation in gets if "200" in operation.definition["responses"]
    }
    return {path: name for path, name in found.items() if name and "next_cursor" not in _fields(name)}


def _fields(name: str) -> set[str]:
    return set(committed()["components"]["schemas"][name].get("properties", {}))


@cache
def versioned() -> frozenset[str]:
    return frozenset(path for path, name in singles().items() if "version" in _fields(name) and "{version}" not in path)


def may_not_find_its_row(operation: Operation) -> Iterator[str]:
    if bool(operation.path_names()) != ("404" in operation.definition["responses"]):
        yield "404 is for paths that name a row"


def lists_are_pages(operation: Operation) -> Iterator[str]:
    if operation.parameter("query", "cursor") is None:
        return
    limit = operation.parameter("query", "limit")
    if limit is None or not {"minimum", "maximum", "default"} <= limit["schema"].keys():
        yield "limit has no bounds or no default"
    schema = operation.definition["responses"]["200"]["content"]["application/json"]["schema"]
    page = committed()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if not {"items", "next_cursor"} <= page["properties"].keys():
        yield "is no page"
    if "cursor_mismatch" not in operation.definition.get("x-problem-codes", []):
        yield "a cursor can be wrong"


RULES: Final[tuple[Rule, ...]] = (
    named_for_a_client,
    says_what_it_does,
    succeeds_with_schema_and_example,
    fails_with_problems,
    answers_nothing_else,
    body_has_an_example,
    says_who_may_call_it,
    describes_its_parameters,
    takes_the_headers_of_its_method,
    takes_the_version_where_there_is_one,
    deletes_what_is_gone,
    says_where_it_is,
    may_not_find_its_row,
    lists_are_pages,
)
