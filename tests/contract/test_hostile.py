"""What nobody sends by accident, to every operation: never a 500, always a problem document with a code that the
operation names. The generated input is in `test_fuzz`; here stands what a generator that knows the schema does not try.

The ordinary run sends each operation a part of it, and the next operation the next part, so that together they get all;
`make test-fire` sends everything to every operation.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, Final, TypeVar
from urllib.parse import quote_from_bytes

import pytest
from flask import Flask
from werkzeug.test import Client

from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.contract.document import IDS, OPERATIONS, Operation, check_problem
from tests.contract.world import World

JSON_BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "null": b"null",
    "a number": b"0",
    "a text": b'"text"',
    "a list": b"[{}]",
    "half an object": b'{"a": ',
    "not quite JSON": b"{'a': 1}",
    "a comma too many": b'{"a": 1,}',
    "two documents": b"{} {}",
    "bytes that are no UTF-8": b'{"a": "\xff\xfe"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a surrogate in a name": b'{"\\udfff": 1}',
    "NUL in a name": b'{"\\u0000": 1}',
    "NUL as it is": b'{"a": "\x00"}',
    "infinity": b'{"a": 1e999}',
    "not a number": b'{"a": NaN}',
    "a number of a thousand digits": b'{"a": ' + b"9" * 1000 + b"}",
    "a hundred thousand lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "deep, and just read": b'{"a":' * 900 + b"1" + b"}" * 900,
    "one name twice": b'{"a": 1, "a": 2}',
    "an empty name": b'{"": 1}',
    "a prototype": b'{"__proto__": {"admin": true}, "__class__": 1}',
    "many unknown fields": json.dumps({f"field{number}": number for number in range(2_000)}).encode(),
    "a pointer's signs in a name": b'{"a/b~c": 1}',
}
TOO_LARGE: Final = b'{"a": "' + b"x" * 1_000_000 + b'"}'

VALUES: Final[tuple[Any, ...]] = (
    "\x00",
    "\u202e\ufeff\U000e0001",
    "a" * 200_000,
    "' OR 1=1; --",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "a\r\nBcc: all@example.com",
    -1,
    2**63,
    2**64 - 1,
    1e308,
    2.5,
    True,
    None,
    [[[[]]]],
    {"amount": {"amount": "1"}},
)
"""Each put into each place of an operation's own example."""

QUERY_VALUES: Final[tuple[bytes, ...]] = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5_000,
    "٣".encode(),
    b" 1",
    b"a" * 20_000,
    b"," * 300,
    b"2024-02-30",
    b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59-14:00",
    b"../../../etc/passwd",
    b"{{7*7}}",
    b"4f1d09c2.99999999999999999999.1",
)

PATH_VALUES: Final[tuple[bytes, ...]] = (
    b"\x00",
    b"\xff\xfe",
    b"\n",
    b"%",
    b"..",
    b"a" * 10_000,
    "\u017f".encode() * 11,  # one letter that is another in upper case
    "💩".encode(),
    b"00000000-0000-0000-0000-000000000000",
    b"{00000000-0000-0000-0000-000000000000}",
    b"urn:uuid:00000000-0000-0000-0000-000000000000",
    b"' OR 1=1; --",
    b"-1",
    b"WyJhIl0.x.y",
)

HEADERS: Final[tuple[dict[str, str], ...]] = (
    {"If-Match": "\xff"},
    {"If-Match": '"v1", W/"v2", *'},
    {"If-Match": "a" * 8_000},
    {"If-None-Match": '"' * 1_000},
    {"If-None-Match": "*"},
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "a" * 256},
    {"Idempotency-Key": "with blank"},
    {"Idempotency-Key": "\xe9"},
    {"X-Request-ID": "a" * 10_000},
    {"X-Request-ID": "<script>"},
    {"traceparent": "00-zz-zz-zz"},
    {"Accept": "text/html"},
    {"Accept-Language": "\xff;q=9"},
    {"Host": "evil.example:99999"},
    {"Content-Length": "-1"},
    {"Range": "bytes=5-1"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Cookie": "session=\xff; a=b"},
)

TOKENS: Final[tuple[str, ...]] = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer \xff",
    "Bearer a b",
    f"Bearer {'a' * 513}",
    "Basic YTpi",
    "bearer null",
    "Digest username=x",
)

CONTENT_TYPES: Final[tuple[str | None, ...]] = (
    None,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/json5",
    "json",
    "/",
    "application/xml; charset=\xff",
)


DOCUMENTED: Final = "the documented one"


PARTS: Final = 4

T = TypeVar("T")


class Attacker:
    """Sends one request after another to one operation, each with what is right but for one thing. `parts`: of what
    there is to send, it takes so small a part.
    """

    def __init__(self, operation: Operation, world: World, parts: int) -> None:
        self.operation = operation
        self.world = world
        self._client = Client(world.application)
        self._parts = parts
        self._first = IDS.index(operation.id) % parts

    def some(self, everything: Iterable[T]) -> list[T]:
        return list(everything)[self._first :: self._parts]

    def send(
        self,
        what: object,
        *,
        body: bytes | None = None,
        content_type: str | None = DOCUMENTED,
        headers: dict[str, str] | None = None,
        query: bytes = b"",
        path: bytes | None = None,
    ) -> int:
        """The status. `path`: the raw bytes of the last parameter in the path."""
        found = self.world.headers(self.operation) | (headers or {})
        if body is None and self.operation.body:
            example = self.example()
            body = example.encode() if isinstance(example, str) else json.dumps(example).encode()
        if content_type is not None and self.operation.body:
            found["Content-Type"] = next(iter(self.operation.body)) if content_type == DOCUMENTED else content_type
        address = self._address(path)
        answer = self._client.open(
            method=self.operation.method.upper(),
            headers=list(found.items()),
            data=body,
            query_string=query.decode("latin-1"),
            environ_overrides={"PATH_INFO": address.decode("latin-1")},
        )
        if answer.status_code < 300 and self.operation.method != "get":
            self.world.forget(self.operation)
        text = answer.get_data(as_text=True)
        assert answer.status_code < 500, (what, answer.status_code, text[:500])
        if answer.status_code >= 400:
            codes = [*self.operation.definition["x-problem-codes"], "method_not_allowed"]
            check_problem(answer.status_code, answer.content_type, text, codes)
        return answer.status_code

    def example(self) -> Any:
        """A body as the document shows it."""
        content = next(iter((self.operation.body or {}).values()))
        return deepcopy(content["example"])

    def _address(self, last: bytes | None) -> bytes:
        address = self.operation.path.encode()
        names = self.operation.path_names()
        for name, value in self.world.real(self.operation).items():
            given = value.encode() if last is None or name != names[-1] else last
            address = address.replace(b"{%b}" % name.encode(), given)
        return address


def places(node: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each leaf of a body, and to each of its branches."""
    if where:
        yield where
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in steps:
        yield from places(value, (*where, step))


def put(node: Any, where: tuple[Any, ...], value: Any) -> None:
    for step in where[:-1]:
        node = node[step]
    node[where[-1]] = value


def bodies(attacker: Attacker) -> None:
    for what, body in attacker.some(JSON_BODIES.items()):
        status = attacker.send(what, body=body)
        long = (
            {413} if attacker.operation.signed else set()
        )  # what is signed is read whole first, and so less of it is taken
        assert status in {200, 201, 202, 400, 409, 422} | long, (what, status)
    assert attacker.send("more than is taken", body=TOO_LARGE) == 413


def values_in_the_example(attacker: Attacker) -> None:
    for where, value in attacker.some(itertools.product(places(attacker.example()), VALUES)):
        body = attacker.example()
        put(body, where, value)
        attacker.send((where, value), body=json.dumps(body).encode())


def an_unknown_field_anywhere(attacker: Attacker) -> None:
    example = attacker.example()
    for where in [(), *attacker.some(places(example))]:
        body = attacker.example()
        node = body
        for step in where:
            node = node[step]
        if isinstance(node, dict):
            node["unknown_field"] = 1
            status = attacker.send(where, body=json.dumps(body).encode())
            assert status in {409, 422}, (where, status)


def content_types(attacker: Attacker) -> None:
    for kind in attacker.some(CONTENT_TYPES):
        assert attacker.send(kind, content_type=kind) == 415, kind
    squeezed = {"Content-Encoding": "gzip"}
    assert attacker.send("said to be gzip", body=b"\x1f\x8b\x08\x00", headers=squeezed) == 400


def a_body_where_none_is_taken(attacker: Attacker) -> None:
    for body in attacker.some((b"null", b"[]", b'{"a": 1}', b"\x00", b"\xff" * 100)):
        assert attacker.send(body, body=body) in {400, 409}, body
    assert attacker.send("more than is taken", body=TOO_LARGE) == 413


def queries(attacker: Attacker) -> None:
    """Unknown ones, repeated ones, and each known one with what it is not."""
    for query in attacker.some(
        (b"unknown_parameter=1", b"%00=1", b"%ff=%ff", b"=", b"&&&", b"limit[]=1", b"a=1" * 5_000)
    ):
        status = attacker.send(query, query=query)
        if query.strip(b"&"):
            assert status in {409, 422}, (query, status)
    names = [item["name"] for item in attacker.operation.parameters if item["in"] == "query"]
    for name in attacker.some(names):
        assert attacker.send(f"{name} twice", query=f"{name}=1&{name}=1".encode()) == 422
    for name, value in attacker.some(itertools.product(names, QUERY_VALUES)):
        attacker.send((name, value), query=f"{name}={quote_from_bytes(value)}".encode())


def paths(attacker: Attacker) -> None:
    for value in attacker.some(PATH_VALUES):
        status = attacker.send(value, path=value)
        nobody = {401} if attacker.operation.signed else set()  # who is not there has signed nothing
        assert status in {404, 405, 422, 428} | nobody, (value, status)


def headers(attacker: Attacker) -> None:
    for given in attacker.some(HEADERS):
        attacker.send(given, headers=given)


def tokens(attacker: Attacker) -> None:
    """401 before anything else is looked at, also before what is wrong with the request."""
    for token in attacker.some(TOKENS):
        assert attacker.send(token, headers={"Authorization": token}) == 401, token
    wrong = attacker.send("wrong in every way", body=b"{", headers={"Authorization": ""}, query=b"unknown=1")
    assert wrong == 401


def attacks(operation: Operation) -> Iterator[Callable[[Attacker], None]]:
    yield from (queries, headers)
    if operation.path_names():
        yield paths
    if operation.secured and not operation.signed:
        yield tokens
    if "application/json" in (operation.body or {}):
        yield from (bodies, values_in_the_example, an_unknown_field_anywhere, content_types)
    elif operation.body is None and operation.method != "get":
        yield a_body_where_none_is_taken


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_what_nobody_sends_by_accident(operation: Operation, app: Flask, program: Program, join: Join) -> None:
    attacker = Attacker(operation, World(app, program, join("admin")), PARTS)
    for attack in attacks(operation):
        attack(attacker)


@pytest.mark.fire
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_all_that_nobody_sends_by_accident(operation: Operation, app: Flask, program: Program, join: Join) -> None:
    attacker = Attacker(operation, World(app, program, join("admin")), 1)
    for attack in attacks(operation):
        attack(attacker)


def _takes(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(template)), path) is not None


def test_methods(anonymous: Caller) -> None:
    """Methods that an address does not take, and some that nobody takes."""
    for operation in OPERATIONS:
        path = operation.path
        # `/complaints/bulk` is also a `/complaints/{ref}`, for what is done to one by another method.
        known = {other.method.upper() for other in OPERATIONS if _takes(other.path, path)}
        numbers = {item["name"] for item in operation.parameters if item["schema"].get("type") == "integer"}
        for name in operation.path_names():
            path = path.replace(f"{{{name}}}", "1" if name in numbers else "00000000-0000-0000-0000-000000000000")
        for method in ({"GET", "POST", "PUT", "PATCH", "DELETE"} - known) | {"TRACE", "BREW", "CONNECT"}:
            answer = anonymous.client.open(path, method=method)
            body = check_problem(answer.status_code, answer.content_type, answer.text)
            assert (answer.status_code, body["code"]) == (405, "method_not_allowed"), (method, path)
            assert {operation.method.upper()} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/",
        "/api/v1//complaints",
        "/api/v2/complaints",
        "/api/v1/complaints/x/actions/destroy",
        "/api/v1/complaints/../agents",
        "/%00",
        "/problems/%00",
        "/problems/nothing",
        "/docs/assets/../../app.py",
        "/docs/assets/%2e%2e/%2e%2e/app.py",
        "/docs/assets/",
        "/docs/assets/%00",
        "/favicon.ico",
        f"/{'a' * 10_000}",
        "/\N{SNOWMAN}",
    ],
)
def test_addresses_that_are_none(anonymous: Caller, path: str) -> None:
    answer = anonymous.client.get(path)
    if answer.status_code == 308:  # two slashes made one
        answer = anonymous.client.get(path, follow_redirects=True)
        assert answer.status_code == 401
        return
    body = check_problem(answer.status_code, answer.content_type, answer.text)
    assert (answer.status_code, body["code"]) == (404, "unknown_route")
