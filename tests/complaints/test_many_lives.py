"""Random lives of several complaints by random actors, alone and two at once, beside a plain model.

How it can fail: an act is possible that should not be, or the other way; a refusal leaves something behind; one act is two
transitions or none; of two at once both happen where one had to see the other, or what came out is the result of no order;
an issue or a message is lost or doubled on its way through merges and splits; a chain forks; a clock does not follow from
what was done.

`make test-fire` runs ten thousand sequences, the ordinary tests some hundred.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any, ClassVar, Final
from uuid import UUID

import hypothesis
import pytest
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from helpdesk.complaints import intake
from helpdesk.complaints.lifecycle import LIFECYCLE, OPEN, PAIRED
from helpdesk.complaints.models import MESSAGE_KINDS
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.event_log import EventRow, verify_stream
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.state_machine import replay
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.clock_terms import forget_versions
from helpdesk.verifying import violations
from tests.complaints.many_lives import Model, Reality, Sketch, Try
from tests.conftest import Cleaner, complaint_body, make_agent, make_team
from tests.racing import at_once

ROLES: Final = ("agent", "senior", "manager", "director", "admin", "auditor")
ACTIONS: Final = tuple(action for action in LIFECYCLE.actions if action not in PAIRED)
PARTS: Final = 20
BETWEEN_CHECKS: Final = 60
"""Sequences until everything in the database is verified, and it is emptied so that the next look is as quick."""

_NOW: Final = text("""
    SELECT c.id, c.status, c.record_type, c.waiting_on, c.acknowledged_at IS NOT NULL AS acknowledged,
           c.escalation_level, c.reopened_count, c.transition_count, c.assignee_id, c.merged_into_id, c.issue_count,
           (SELECT coalesce(array_agg(id), '{}') FROM complaint_issue WHERE complaint_id = c.id) AS issues,
           (SELECT count(*) FROM complaint_message WHERE complaint_id = c.id) AS messages,
           (SELECT coalesce(json_agg(json_build_array(action, from_status, to_status) ORDER BY number), '[]')
            FROM complaint_transition WHERE complaint_id = c.id) AS steps,
           (SELECT count(*) FROM complaint_transition WHERE complaint_id = c.id) AS transitions
    FROM complaint c WHERE c.id = ANY(:ids)
""")


class Cast:
    """Who acts: every role inside and outside of the team, one who sees their own only, and the program."""

    def __init__(self, app: Flask, database: Database, cleaner: Cleaner) -> None:
        self._app, self._database, self._cleaner = app, database, cleaner
        self.count = 0
        self.begin()

    def begin(self) -> None:
        self.teams = [make_team(self._database, "Complaints"), make_team(self._database, "Elsewhere")]
        inside = [make_agent(self._app, self._database, role, [self.teams[0]]).actor for role in ROLES]
        outside = [make_agent(self._app, self._database, role, [self.teams[1]]).actor for role in ("agent", "senior")]
        own = replace(make_agent(self._app, self._database, "senior", [self.teams[0]]).actor, scope="own")
        self.actors: list[Actor] = [*inside, *outside, own, SYSTEM]

    def verify(self) -> None:
        assert [f"{item.check} {item.subject}: {item.detail}" for item in violations(self._database)] == []

    def after_one(self) -> None:
        """Now and then everything is looked at, and forgotten."""
        self.count += 1
        if self.count % BETWEEN_CHECKS == 0:
            self.verify()
            self._cleaner.reset()
            forget_versions()
            self.begin()


WHO: Final = st.sampled_from((*range(10), 2, 2, 4, 4, 9))
"""A place in the cast; those who may do most come oftener, or little would happen."""
OFTEN: Final = ("investigate", "ask_customer", "resolve", "reopen")
TRIES: Final[st.SearchStrategy[dict[str, Any]]] = st.one_of(
    st.builds(dict, kind=st.just("act"), what=st.sampled_from(ACTIONS)),
    st.builds(dict, kind=st.just("act"), what=st.sampled_from(OFTEN)),
    st.builds(dict, kind=st.just("say"), what=st.sampled_from(MESSAGE_KINDS)),
    st.builds(dict, kind=st.just("track"), what=st.sampled_from(("write", "withdraw", "reopen"))),
    st.builds(dict, kind=st.sampled_from(("merge", "merge", "unmerge", "unmerge", "split"))),
)


class Lives(RuleBasedStateMachine):
    cast: ClassVar[Cast]
    reality: ClassVar[Reality]
    sequences: ClassVar[int] = 0
    told: ClassVar[Counter[tuple[str, str]]] = Counter()
    """How often what was tried came out how."""

    @initialize(places=st.lists(st.integers(0, 2), min_size=2, max_size=3))
    def receive(self, places: list[int]) -> None:
        type(self).sequences += 1
        self.models = [Model()]
        teams = [*self.cast.teams, None]
        # Words of their own: what two complaints have alike a merge does not double, and the model would have to know.
        # A customer for each life: one who has complained before of the same is heard otherwise.
        customer = {"name": "Li Wei", "email": f"{new_id().hex}@example.com"}
        bodies = [
            complaint_body(
                issues=[{"category": "DEL", "detail": f"{number} {place}"} for place in range(2)],
                complainant=customer,
            )
            for number in range(len(places))
        ]
        with self.reality.database.unit_of_work(SYSTEM) as uow:
            given = [
                ComplaintIn().load(body) | {"team_id": teams[place]} for body, place in zip(bodies, places, strict=True)
            ]
            ids = intake.receive_many(uow, given)
        with self.reality.database.reader() as session:
            rows = session.execute(
                text("SELECT complaint_id, id FROM complaint_issue WHERE complaint_id = ANY(:ids)"), {"ids": ids}
            )
            issues = [(row.complaint_id, row.id) for row in rows]
        for complaint_id, place in zip(ids, places, strict=True):
            mine = {issue_id for owner, issue_id in issues if owner == complaint_id}
            self.model.complaints.append(Sketch(complaint_id, teams[place], mine))

    @property
    def model(self) -> Model:
        """Any of those that fit. There are several where two orders look alike: a message that was said while its complaint
        was merged is in the survivor's thread either way, and goes back with the undoing only in one of them.
        """
        return self.models[0]

    def _drawn(self, given: dict[str, Any], at: int, other: int, who: int) -> Try:
        count = len(self.model.complaints)
        merged = [number for number, one in enumerate(self.model.complaints) if one.merged_into is not None]
        if given["kind"] == "unmerge" and merged:  # else there is seldom anything to undo
            at = merged[at % len(merged)]
        actor = None if given["kind"] == "track" else self.cast.actors[who % len(self.cast.actors)]
        return Try(at=at % count, other=other % count, who=actor, **given)

    @property
    def _ids(self) -> list[UUID]:
        return [one.id for one in self.model.complaints if one.id is not None]

    @rule(given=TRIES, at=st.integers(0, 5), other=st.integers(0, 5), who=WHO)
    def one(self, given: dict[str, Any], at: int, other: int, who: int) -> None:
        it = self._drawn(given, at, other, who)
        self._compare([it], [self.reality.attempt(it, self._ids)])

    @rule(at=st.integers(0, 5), other=st.integers(0, 5))
    def merge_and_undo(self, at: int, other: int) -> None:
        """By one who sees and may do both: chance seldom draws the two in a row."""
        for kind in ("merge", "unmerge"):
            it = replace(self._drawn({"kind": kind}, at, other, 2), at=at % len(self.model.complaints))
            self._compare([it], [self.reality.attempt(it, self._ids)])

    @rule(at=st.integers(0, 5), who=st.integers(0, 7))
    def claim(self, at: int, who: int) -> None:
        it = self._drawn({"kind": "claim"}, at, 0, who)
        if self.model.complaints[it.at].status in OPEN:
            self._compare([it], [self.reality.attempt(it, self._ids)])

    @rule(
        first=TRIES,
        second=TRIES,
        at=st.integers(0, 5),
        others=st.tuples(st.integers(0, 5), st.integers(0, 5)),
        whos=st.tuples(WHO, WHO),
        same=st.booleans(),
    )
    def two_at_once(
        self,
        first: dict[str, Any],
        second: dict[str, Any],
        at: int,
        others: tuple[int, int],
        whos: tuple[int, int],
        *,
        same: bool,
    ) -> None:
        """Whatever comes of it is what would have come of one after the other."""
        tries = [
            self._drawn(first, at, others[0], whos[0]),
            self._drawn(second, at if same else others[0], others[1], whos[1]),
        ]
        ids = self._ids
        told = at_once(*(self._call(it, ids) for it in tries))
        self._compare(tries, told)

    def _compare(self, tries: list[Try], told: list[str]) -> None:
        """Keep the models that one order or another leads to what came of it."""
        fitting, found = list[Model](), []
        for before in self.models:
            for order in permutations(range(len(tries))):
                model = before.copy()
                expected = {place: model.expect(tries[place]) for place in order}
                same = [expected[place] for place in range(len(tries))] == told
                apart = self._differences(model) if same else ["another answer"]
                found.append((expected, apart))
                fitting += [] if apart or model in fitting else [model]
        assert fitting, f"{told}, and one after the other {found}, of {tries}"
        self.models = fitting
        self.told.update((it.what or it.kind, code) for it, code in zip(tries, told, strict=True))
        for model in fitting:
            self._name_new_ones(model)

    def _call(self, it: Try, ids: list[UUID]) -> Callable[[], str]:
        return lambda: self.reality.attempt(it, ids)

    def _name_new_ones(self, model: Model) -> None:
        """A part that was split off is known by its issue."""
        for one in model.complaints:
            if one.id is None:
                with self.reality.database.reader() as session:
                    statement = text("SELECT complaint_id FROM complaint_issue WHERE id = :id")
                    one.id = session.execute(statement, {"id": next(iter(one.issues))}).scalar_one()

    @invariant()
    def as_the_model_says(self) -> None:
        if hasattr(self, "models"):
            assert self._differences(self.model) == []

    def _differences(self, model: Model) -> list[str]:
        """Between the rows and the model, and between what a row says of itself and its history."""
        with self.reality.database.reader() as session:
            issue_ids = [issue_id for one in model.complaints for issue_id in one.issues]
            ids = [one.id for one in model.complaints if one.id is not None]
            of_issues = session.execute(
                text("SELECT DISTINCT complaint_id FROM complaint_issue WHERE id = ANY(:ids)"), {"ids": issue_ids}
            )
            rows = {row.id: row for row in session.execute(_NOW, {"ids": list({*ids, *of_issues.scalars()})})}
        by_issue = {issue_id: row.id for row in rows.values() for issue_id in row.issues}
        known = [one.id or by_issue.get(next(iter(one.issues))) for one in model.complaints]
        found = []
        for one, complaint_id in zip(model.complaints, known, strict=True):
            row = rows.get(complaint_id) if complaint_id is not None else None
            if row is None:
                found.append(f"{one} is not there")
                continue
            into = None if one.merged_into is None else known[one.merged_into]
            says = {
                "status": (row.status, one.status),
                "record_type": (row.record_type, one.record_type),
                "waiting_on": (row.waiting_on, one.waiting_on),
                "acknowledged": (row.acknowledged, one.acknowledged is not None),
                "level": (row.escalation_level, one.level),
                "reopened": (row.reopened_count, one.reopened),
                "acts": (row.transition_count, one.acts),
                "transitions": (row.transitions, one.acts),
                "assignee": (row.assignee_id, one.assignee),
                "merged_into": (row.merged_into_id, into),
                "issues": (set(row.issues), one.issues),
                "issue_count": (row.issue_count, len(one.issues)),
                "messages": (row.messages, len(one.messages)),
                "replayed": (replay(LIFECYCLE, [tuple(step) for step in row.steps]), row.status),
            }
            found += [
                f"{complaint_id}: {name} is {is_}, not {should}"
                for name, (is_, should) in says.items()
                if is_ != should
            ]
        return found

    def teardown(self) -> None:
        if not hasattr(self, "models"):
            return
        with self.reality.database.reader() as session:
            statement = text("SELECT id, event_count, event_head FROM complaint WHERE id = ANY(:ids)")
            owners = session.execute(statement, {"ids": self._ids}).all()
            for owner in owners:
                rows = (
                    session.query(EventRow).filter(EventRow.stream_id == owner.id).order_by(EventRow.stream_seq).all()
                )
                broken = verify_stream(rows, stream_id=owner.id, count=owner.event_count, head=bytes(owner.event_head))
                assert broken == []
        self.cast.after_one()


@pytest.fixture
def machine(app: Flask, database: Database, cleaner: Cleaner) -> Iterator[type[Lives]]:
    Lives.cast = Cast(app, database, cleaner)
    Lives.reality = Reality(database)
    Lives.sequences = 0
    Lives.told.clear()
    yield Lives
    Lives.cast.verify()


def run(machine: type[Lives], sequences: int) -> None:
    before = machine.sequences
    settings = hypothesis.settings(
        max_examples=sequences,
        stateful_step_count=8,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=settings)
    assert machine.sequences >= before + sequences
    happened = {what for what, code in machine.told if code == "ok"}
    refused = {code for _, code in machine.told}
    assert {*MESSAGE_KINDS, "investigate", "merge", "unmerge", "split", "write"} - happened == set()
    assert refused >= {"ok", "not_found", "forbidden", "action_not_allowed", "validation_failed"}


def test_hundreds_of_lives(machine: type[Lives]) -> None:
    run(machine, 200)


@pytest.mark.fire
@pytest.mark.timeout(3 * 3600)
def test_ten_thousand_lives(machine: type[Lives], capsys: pytest.CaptureFixture[str]) -> None:
    """In parts, each with a seed of its own: what hypothesis remembers of one run makes the next sequence slower."""
    for seed in range(PARTS):
        run(hypothesis.seed(seed)(machine), 10_000 // PARTS)
        with capsys.disabled():
            print(f"\n{machine.sequences} sequences, {sum(machine.told.values())} acts", end="", flush=True)
    assert {what for what, code in machine.told if code == "ok"} >= {*ACTIONS, "merge", "unmerge", "split"}
