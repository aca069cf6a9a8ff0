"""The lifecycle of complaints as a plain model, and the same acts done for real: what `test_many_lives` compares.

The model knows no database and none of the program's acts. What is possible from where it takes from the grid that
`grid` has written down by hand; who may do what from the actors' own rights.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from helpdesk.complaints import (
    acts,
    merge_queries,
    merging,
    pair_queries,
    queries,
    service,
    splitting,
    steps,
    tracking,
    unmerging,
)
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.combining import COMBINED, Combining, combine, without
from helpdesk.complaints.lifecycle import LIFECYCLE, OPEN
from helpdesk.complaints.merge_api import _open_only
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.steps import STEPS, Given
from helpdesk.complaints.tracking import MAY
from helpdesk.identity.actors import Actor, complainant_actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import DomainError, MovedMeanwhile, NotFound
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from tests.complaints.grid import LEADS_TO, MOVES, OTHER_MOVES
from tests.complaints.steps import GOOD

_UNDO: Final = timedelta(days=7)
_TRIES: Final = 5
SAYS: Final = {"acknowledge", "answer", "ask_customer", "ask_third_party", "resolve", "resolve_on_the_spot"}
"""Acts that write a message."""
WAITS: Final = {
    "ask_customer": "customer",
    "ask_third_party": "third_party",
    "resume": "us",
    "investigate": "us",
    "resolve": "nobody",
    "resolve_on_the_spot": "nobody",
    "answer": "nobody",
    "withdraw": "nobody",
    "dismiss": "nobody",
    "reopen": "us",
}


@dataclass(frozen=True, slots=True)
class Try:
    """Something that somebody tries: an `act` named by `what`, `merge` into `other`, `unmerge`, `split`, `claim`, `say` a
    message of the kind `what`, or, as the complainant of `at`, what `tracking` lets them do.
    """

    kind: str
    at: int
    who: Actor | None = None
    other: int = 0
    what: str = ""


@dataclass(slots=True)
class Sketch:
    """A complaint as the model has it."""

    id: UUID | None
    team: UUID | None
    issues: set[UUID]
    status: str = "received"
    record_type: str = "complaint"
    waiting_on: str = "us"
    acknowledged: int | None = None
    """By which of all acknowledgements, so that a merge can bring one and take it along again."""
    level: int = 0
    reopened: int = 0
    acts: int = 0
    assignee: UUID | None = None
    messages: set[int] = field(default_factory=set)
    merged_into: int | None = None

    def seen_by(self, actor: Actor) -> bool:
        mine = self.assignee is not None and self.assignee == actor.id
        if actor.scope != "teams":
            return actor.scope == "everything" or mine
        return mine or self.team is None or self.team in actor.team_ids


@dataclass(slots=True)
class Joining:
    """A merge, and what undoing it takes back."""

    source: int
    survivor: int
    status: str
    waiting_on: str
    issues: set[UUID]
    messages: set[int]
    opening: int
    redirected: list[int]
    facts: Combining


@dataclass
class Model:
    complaints: list[Sketch] = field(default_factory=list)
    joinings: list[Joining] = field(default_factory=list)
    said: int = 0

    def copy(self) -> "Model":
        return deepcopy(self)

    def expect(self, it: Try) -> str:
        """What comes of it: `ok`, with its consequences, or the code of the refusal, without any."""
        return _EXPECT[it.kind](self, it)

    def _message(self) -> int:
        self.said += 1
        return self.said

    def _act(self, it: Try) -> str:
        actor, one = _who(it), self.complaints[it.at]
        if not one.seen_by(actor):
            return "not_found"
        return self._acted(actor, one, it.what)

    def _acted(self, actor: Actor, one: Sketch, action: str) -> str:
        needed = [LIFECYCLE.by_action(action).permission]
        if action == "convert" and one.record_type == "complaint":
            needed.append("complaint:dismiss")
        if not all(map(actor.may, needed)):
            return "forbidden"
        moves = MOVES if one.record_type == "complaint" else OTHER_MOVES
        if action not in moves.get(one.status, set()) or not _READY.get(action, _always)(one):
            return "action_not_allowed"
        one.acts += 1
        if one.acknowledged is None and action in {"acknowledge", "answer", "resolve_on_the_spot"}:
            one.acknowledged = self._message()
        one.waiting_on = WAITS.get(action, one.waiting_on)
        if action in SAYS:
            one.messages.add(self._message())
        if action == "reopen":
            one.reopened += 1
        if action in {"escalate", "reopen"} and one.record_type == "complaint":
            one.level = min(one.level + 1, 3)
        one.level -= action == "de_escalate"
        if action == "convert":
            one.record_type = "inquiry" if one.record_type == "complaint" else "complaint"
            one.waiting_on = "us" if one.waiting_on == "nobody" else one.waiting_on
        one.status = LEADS_TO.get(action, one.status)
        return "ok"

    def _claim(self, it: Try) -> str:
        actor, one = _who(it), self.complaints[it.at]
        if not one.seen_by(actor):
            return "not_found"
        if not actor.may("complaint:claim"):
            return "forbidden"
        if one.assignee not in {None, actor.id}:
            return "already_assigned"
        one.assignee = actor.id
        return "ok"

    def _say(self, it: Try) -> str:
        actor, one = _who(it), self.complaints[it.at]
        if not one.seen_by(actor):
            return "not_found"
        if not actor.may("complaint:reply" if it.what == "public_reply" else "complaint:note"):
            return "forbidden"
        if it.what != "inbound" and one.merged_into is not None:
            return "complaint_merged"
        self._hear(self._end(it.at), inbound=it.what == "inbound")
        return "ok"

    def _hear(self, one: Sketch, *, inbound: bool) -> None:
        one.messages.add(self._message())
        if inbound and one.waiting_on == "customer":
            one.waiting_on = "us"
            one.acts += 1

    def _end(self, at: int) -> Sketch:
        """Where it goes on."""
        into = self.complaints[at].merged_into
        return self.complaints[at if into is None else into]

    def _track(self, it: Try) -> str:
        one = self._end(it.at)
        if it.what == "write":
            self._hear(one, inbound=True)
            return "ok"
        return self._acted(complainant_actor(one.id or UUID(int=0), MAY), one, it.what)

    def _merge(self, it: Try) -> str:
        actor, source, named = _who(it), self.complaints[it.at], self.complaints[it.other]
        survivor = self._end(it.other)
        into = next(number for number, each in enumerate(self.complaints) if each is survivor)
        refused = _first(
            ("not_found", not source.seen_by(actor)),
            ("forbidden", not actor.may("complaint:merge")),
            ("action_not_allowed", source.status not in OPEN),
            ("validation_failed", not (named.seen_by(actor) and survivor.seen_by(actor)) or it.at == it.other),
            ("already_merged", survivor is source),
            ("survivor_closed", survivor.status not in OPEN),
            ("complaint_survives", survivor.record_type not in {source.record_type, "complaint"}),
        )
        if refused is None:
            self._join(it.at, into)
        return refused or "ok"

    def _join(self, at: int, into: int) -> None:
        source, survivor = self.complaints[at], self.complaints[into]
        opening, redirected = self._message(), [n for n, each in enumerate(self.complaints) if each.merged_into == at]
        facts = combine(_facts(survivor), _facts(source) | {"judged": False})
        moved = set(source.issues), set(source.messages)
        self.joinings.append(Joining(at, into, source.status, source.waiting_on, *moved, opening, redirected, facts))
        survivor.issues |= source.issues
        survivor.messages |= source.messages | {opening}
        survivor.level, survivor.acknowledged = facts.after["escalation_level"], facts.after["acknowledged_at"]
        source.issues, source.messages = set(), set()
        source.status, source.waiting_on, source.merged_into = "dismissed", "nobody", into
        source.acts += 1
        for each in redirected:
            self.complaints[each].merged_into = into

    def _unmerge(self, it: Try) -> str:
        actor, source = _who(it), self.complaints[it.at]
        done = next((each for each in reversed(self.joinings) if each.source == it.at), None)
        refused = _first(
            ("not_found", not source.seen_by(actor)),
            ("forbidden", not actor.may("complaint:merge")),
            ("action_not_allowed", source.merged_into is None),
        )
        if refused is not None or done is None:
            return refused or "action_not_allowed"
        survivor = self.complaints[done.survivor]
        refused = _first(
            ("survivor_elsewhere", not survivor.seen_by(actor)),
            ("merge_final", survivor.merged_into is not None or survivor.status not in OPEN),
            ("no_issue_left", not survivor.issues - done.issues or not done.issues & survivor.issues),
        )
        if refused is None:
            self._part(done, source, survivor)
        return refused or "ok"

    def _part(self, done: Joining, source: Sketch, survivor: Sketch) -> None:
        source.issues = done.issues & survivor.issues
        source.messages |= done.messages & survivor.messages
        survivor.issues -= source.issues
        survivor.messages -= done.messages | {done.opening}
        source.status, source.waiting_on, source.merged_into = done.status, done.waiting_on, None
        source.acts += 1
        for each in done.redirected:
            self.complaints[each].merged_into = done.source
        beside = [each for each in self.joinings if each.survivor == done.survivor]
        place = next(number for number, each in enumerate(beside) if each is done)
        facts, rest = without([each.facts for each in beside], place, _facts(survivor))
        survivor.level, survivor.acknowledged = facts["escalation_level"], facts["acknowledged_at"]
        for other, now in zip((each for each in beside if each is not done), rest, strict=True):
            other.facts = now
        self.joinings = [each for each in self.joinings if each is not done]

    def _split(self, it: Try) -> str:
        actor, one = _who(it), self.complaints[it.at]
        if not one.seen_by(actor):
            return "not_found"
        if not actor.may("complaint:split"):
            return "forbidden"
        if one.status not in OPEN:
            return "conflict"
        if len(one.issues) < 2:
            return "validation_failed"
        gone = max(one.issues)
        one.issues.discard(gone)
        self.complaints.append(
            Sketch(None, one.team, {gone}, record_type=one.record_type, acknowledged=one.acknowledged, level=one.level)
        )
        return "ok"


def _facts(one: Sketch) -> dict[str, Any]:
    """Of those that merges combine the ones that the model knows; their arithmetic has a test of its own."""
    known = {"severity": "S3", "stage": "1", "double_deviation": False, "acknowledged_at": one.acknowledged}
    return dict.fromkeys(COMBINED) | known | {"escalation_level": one.level}


def _who(it: Try) -> Actor:
    if it.who is None:
        raise LookupError("only a complainant needs no actor")
    return it.who


def _first(*refusals: tuple[str, bool]) -> str | None:
    """The code of the first that applies."""
    return next((code for code, applies in refusals if applies), None)


def _always(_one: Sketch) -> bool:
    return True


_READY: Final[Mapping[str, Callable[[Sketch], bool]]] = {
    "acknowledge": lambda one: one.acknowledged is None,
    "resume": lambda one: one.waiting_on in {"customer", "third_party"},
    "resolve_on_the_spot": lambda one: len(one.issues) == 1,
    "escalate": lambda one: one.level < 3,
    "de_escalate": lambda one: one.level > 0,
    "reopen": lambda one: one.merged_into is None,
    "refer_externally": lambda one: one.merged_into is None,
}
_EXPECT: Final[Mapping[str, Callable[[Model, Try], str]]] = {
    "act": Model._act,
    "claim": Model._claim,
    "say": Model._say,
    "track": Model._track,
    "merge": Model._merge,
    "unmerge": Model._unmerge,
    "split": Model._split,
}


class Reality:
    """The same tries on the program: each in a unit of work of its own, as a route would do it. `ids` names the complaints
    by the model's numbers.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def attempt(self, it: Try, ids: list[UUID]) -> str:
        for _ in range(_TRIES):
            try:
                return self._once(it, ids)
            except MovedMeanwhile:
                continue
            except DomainError as refused:
                return refused.code
            except DBAPIError as error:
                if type(error.orig).__name__ not in {"DeadlockDetected", "SerializationFailure"}:
                    raise
        raise AssertionError(f"{it} came to no end in {_TRIES} tries")

    def _once(self, it: Try, ids: list[UUID]) -> str:
        actor = it.who or self._complainant(ids[it.at])
        with self.database.unit_of_work(actor) as uow:
            _DO[it.kind](uow, actor, it, ids)
        return "ok"

    def _complainant(self, complaint_id: UUID) -> Actor:
        with self.database.reader() as session:
            row = queries.get_one(session, complaint_id)
        return complainant_actor(row.merged_into_id or row.id, MAY, opened_id=row.id)


def _do_act(uow: UnitOfWork, actor: Actor, it: Try, ids: list[UUID]) -> None:
    complaint = queries.complaint_for_update(uow.session, actor, str(ids[it.at]))
    acts.check(uow.session, actor, complaint, it.what)
    acts.carry_out(uow, actor, complaint, it.what, _body(uow, complaint, it.what))


def _body(uow: UnitOfWork, complaint: Complaint, action: str) -> dict[str, Any]:
    """A good one, whatever issues it has by now."""
    body: dict[str, Any] = dict(GOOD[action])
    found = {"finding": "The depot missed the scan.", "evidence": "Carrier log of 2 March."}
    issues = queries.issues_of(uow.session, complaint.id)
    if "findings" in body:
        body["findings"] = [{"issue_id": str(issue.id), **found} for issue in issues]
    if "outcomes" in body:
        body["outcomes"] = [{"issue_id": str(issue.id), "outcome": "upheld", **found} for issue in issues]
    if action == "convert":
        body["record_type"] = "inquiry" if complaint.record_type == "complaint" else "complaint"
    if action == "set_severity":
        # The one that it has is refused; and none that bars settling on the spot, or the model would have to judge too.
        body["severity"] = "S4" if complaint.severity != "S4" else "S5"
    loaded: dict[str, Any] = BODIES[action]().load(body)
    return loaded


def _do_claim(uow: UnitOfWork, actor: Actor, it: Try, ids: list[UUID]) -> None:
    complaint = queries.complaint_for_update(uow.session, actor, str(ids[it.at]))
    steps.perform(uow, actor, complaint, Given(STEPS["claim"], {}))


def _do_say(uow: UnitOfWork, actor: Actor, it: Try, ids: list[UUID]) -> None:
    complaint = queries.thread_for_update(uow.session, actor, str(ids[it.at]))
    service.write_message(uow, actor, complaint, {"kind": it.what, "body": "Friday."})


def _do_track(uow: UnitOfWork, actor: Actor, it: Try, _ids: list[UUID]) -> None:
    if it.what == "write":
        tracking.write(uow, actor, tracking.thread_of_theirs(uow.session, actor), {"body": "Friday."})
        return
    complaint = tracking.theirs(uow.session, actor)
    acts.check(uow.session, actor, complaint, it.what)
    acts.carry_out(uow, actor, complaint, it.what, {"reason": "x"})


def _do_merge(uow: UnitOfWork, actor: Actor, it: Try, ids: list[UUID]) -> None:
    pair = pair_queries.merging_pair_for_update(uow.session, actor, str(ids[it.at]), str(ids[it.other]))
    merging.check_merge(uow.session, actor, pair)
    merging.merge(uow, actor, pair, {"reason": "x", "silent": True}, _UNDO)


def _do_unmerge(uow: UnitOfWork, actor: Actor, it: Try, ids: list[UUID]) -> None:
    held = merge_queries.merged_for_update(uow.session, actor, str(ids[it.at]))
    unmerging.check_unmerge(uow.session, actor, held)
    unmerging.unmerge(uow, actor, held, {"reason": "x", "silent": True})


def _do_split(uow: UnitOfWork, actor: Actor, it: Try, ids: list[UUID]) -> None:
    complaint = queries.complaint_for_update(uow.session, actor, str(ids[it.at]))
    require(actor, "complaint:split")
    _open_only(uow.session, actor, complaint)
    gone = max((issue.id for issue in queries.issues_of(uow.session, complaint.id)), default=None)
    if gone is None:
        raise NotFound
    splitting.split(uow, actor, complaint, {"issues": [gone], "reason": "x", "silent": True})


_DO: Final[Mapping[str, Callable[[UnitOfWork, Actor, Try, list[UUID]], None]]] = {
    "act": _do_act,
    "claim": _do_claim,
    "say": _do_say,
    "track": _do_track,
    "merge": _do_merge,
    "unmerge": _do_unmerge,
    "split": _do_split,
}
