"""The operations that are measured: what is asked, and what an answer must look like."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.filling import Filled
from tests.benchmarks.load import Ask
from tests.conftest import complaint_body

ROOT: Final = "/api/v1/complaints"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Operation:
    """`asks(filled, at)` gives requests without end; `at`, from 0 to 1, says where among the complaints to begin."""

    name: str
    asks: Callable[[Filled, float], Iterator[Ask]]
    wanted: float
    """The least ratio to the Core floor that we want; nothing fails below it."""


def _from(references: list[str], at: float) -> Iterator[str]:
    start = int(at * len(references))
    return itertools.cycle([*references[start:], *references[:start]])


def _get(filled: Filled, at: float) -> Iterator[Ask]:
    for reference in _from(filled.visible, at):
        yield Ask("GET", f"{ROOT}/{reference}", None, 200, '"allowed_actions":')


def _list(_filled: Filled, _at: float) -> Iterator[Ask]:
    while True:
        yield Ask("GET", f"{ROOT}?limit=25", None, 200, '"reference":', 25)


def _filtered(_filled: Filled, _at: float) -> Iterator[Ask]:
    while True:
        yield Ask("GET", f"{ROOT}?limit=25&status=received&severity=S3", None, 200, '"reference":', 25)


def _create(filled: Filled, _at: float) -> Iterator[Ask]:
    while True:
        yield Ask("POST", ROOT, new_complaint(filled), 201, '"allowed_actions":')


def new_complaint(filled: Filled) -> dict[str, Any]:
    """From somebody not heard of before."""
    person = {"name": "Li Wei", "email": f"new.{next(_numbers)}@example.com", "language": "en"}
    return complaint_body(complainant=person, team_id=str(filled.team_id))


def _reply(filled: Filled, at: float) -> Iterator[Ask]:
    body = {"kind": "public_reply", "body": "We have found your parcel. It comes tomorrow between nine and eleven."}
    for reference in _from(filled.visible, at):
        yield Ask("POST", f"{ROOT}/{reference}/messages", body, 201, '"purpose":"message"')


def _transition(filled: Filled, at: float) -> Iterator[Ask]:
    """In turn: ask the complainant (a mail, and clocks pause), and go on (clocks run again, with new alarms)."""
    for reference in _from(filled.askable, at):
        path = f"{ROOT}/{reference}/actions"
        yield Ask("POST", f"{path}/ask_customer", {"message": "Which day suits you?"}, 200, '"waiting_on":"customer"')
        yield Ask("POST", f"{path}/resume", {}, 200, '"waiting_on":"us"')


OPERATIONS: Final = (
    Operation("get", _get, 0.5),
    Operation("list", _list, 0.5),
    Operation("filtered", _filtered, 0.5),
    Operation("reply", _reply, 0.4),
    Operation("transition", _transition, 0.4),
    Operation("create", _create, 0.4),
)
"""Reads first: what writes add is not there yet."""
READS: Final = OPERATIONS[:3]
