"""The whole grid of states and actions on a database, and what verification says of one that was tampered with.

How it can fail: a move that the table does not hold happens; a refused one leaves something behind; a legal one is
written twice or not at all; a history that was changed looks like any other.
"""

import random
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from helpdesk.complaints import verification
from helpdesk.complaints.events import BY_ACTION
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.models import Complaint, TransitionRow
from helpdesk.kernel.errors import ActionNotAllowed, Forbidden, ValidationFailed
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.grid import ALONE, LEADS_TO, MOVES, OTHER_MOVES, everything
from tests.complaints.steps import OF_AN_INQUIRY, brought_to, do, receive
from tests.conftest import Join


class TestDoor:
    """`acts.act` on a real database: the same grid, with what is written."""

    @pytest.mark.parametrize("state", LIFECYCLE.states)
    def test_grid(self, database: Database, engine: Engine, state: str) -> None:
        for action in ALONE:
            complaint_id = brought_to(database, state, ready_for=action)
            if action in MOVES[state] or (state, action) in OF_AN_INQUIRY:
                self._moves(database, complaint_id, state, action)
            else:
                self._refused(database, engine, complaint_id, state, action)

    def _moves(self, database: Database, complaint_id: UUID, state: str, action: str) -> None:
        with database.reader() as session:
            before = session.get_one(Complaint, complaint_id)
            steps, events, version = _steps(session, complaint_id), _acts(session, complaint_id), before.version
        after = do(database, complaint_id, action)
        target = LEADS_TO.get(action, state)
        assert after.status == target, (state, action)
        with database.reader() as session:
            row = session.get_one(Complaint, complaint_id)
            assert (row.status, row.version) == (target, version + 1)
            assert _steps(session, complaint_id) == [*steps, (len(steps) + 1, action, state, target)]
            assert _acts(session, complaint_id) == [*events, BY_ACTION[action].type]

    def _refused(self, database: Database, engine: Engine, complaint_id: UUID, state: str, action: str) -> None:
        before = everything(engine)
        with pytest.raises(ActionNotAllowed) as refused:
            do(database, complaint_id, action)
        assert {item["action"] for item in refused.value.extra["allowed_actions"]} == MOVES[state], (state, action)
        assert everything(engine) == before, (state, action)

    def test_without_the_permission_nothing_is_written(self, database: Database, engine: Engine, join: Join) -> None:
        auditor = join("auditor").actor
        complaint_id = receive(database)
        before = everything(engine)
        for action in LIFECYCLE.actions:
            with pytest.raises(Forbidden) as refused:
                do(database, complaint_id, action, actor=auditor)
            assert refused.value.extra["permission"] == LIFECYCLE.by_action(action).permission
        assert everything(engine) == before

    def test_a_body_that_does_not_fit_the_row_writes_nothing(self, database: Database, engine: Engine) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        before = everything(engine)
        with pytest.raises(ValidationFailed) as refused:
            do(database, complaint_id, "investigate")
        assert refused.value.errors[0]["pointer"] == "/findings/0/issue_id"
        assert everything(engine) == before

    def test_a_random_life_replays(self, database: Database) -> None:
        """Whatever is tried in whatever order, the model and the rows agree, and history leads to the present."""
        chance = random.Random(20_260_302)
        model = {receive(database): "received" for _ in range(4)}
        others: set[UUID] = set()
        """What is no complaint at the moment."""
        refused: list[tuple[bool, str, list[dict[str, str]]]] = []
        for _ in range(120):
            complaint_id = chance.choice(list(model))
            action = chance.choice(ALONE)
            more: dict[str, Any] = (
                {"record_type": "complaint" if complaint_id in others else "inquiry"} if action == "convert" else {}
            )
            try:
                after = do(database, complaint_id, action, **more)
            except ActionNotAllowed as error:
                possible = (OTHER_MOVES if complaint_id in others else MOVES)[model[complaint_id]]
                refused.append((action in possible, action, error.extra["missing"]))
                continue
            state = model[complaint_id]
            assert action in (OTHER_MOVES if complaint_id in others else MOVES)[state]
            others ^= {complaint_id} if action == "convert" else set()
            model[complaint_id] = LEADS_TO.get(action, model[complaint_id])
            assert after.status == model[complaint_id]
        assert [action for possible, action, missing in refused if possible and not missing] == []
        with database.snapshot() as session:
            assert [found for check in verification.CHECKS for found in check(session)] == []
            assert [found for check in verification.CHAIN_CHECKS for found in check(session)] == []


def _steps(session: Any, complaint_id: UUID) -> list[tuple[int, str, str, str]]:
    rows = session.execute(
        select(TransitionRow.number, TransitionRow.action, TransitionRow.from_status, TransitionRow.to_status)
        .where(TransitionRow.complaint_id == complaint_id)
        .order_by(TransitionRow.number)
    )
    return [tuple(row) for row in rows]


def _acts(session: Any, complaint_id: UUID) -> list[str]:
    kinds = {event.type for event in BY_ACTION.values()}
    rows = session.scalars(select(EventRow).where(EventRow.stream_id == complaint_id).order_by(EventRow.stream_seq))
    return [row.type for row in rows if row.type in kinds]


TAMPERINGS: Final = (
    ("UPDATE complaint SET status = 'withdrawn'", "history", "history ends in resolved"),
    ("DELETE FROM complaint_transition WHERE number = 1", "history", "starts from"),
    ("UPDATE complaint_transition SET number = 7 WHERE number = 2", "history", "numbers have a gap"),
    ("DELETE FROM complaint_transition WHERE number = 3", "history", "has 2 transitions, but counted 3"),
    ("UPDATE complaint_transition SET to_status = 'dismissed' WHERE number = 1", "history", "not in the table"),
    ("UPDATE complaint_transition SET action = 'abolish' WHERE number = 1", "history", "abolish"),
    ("DELETE FROM complaint_transition", "history", "without any transition"),
    ("UPDATE complaint SET issue_count = 3", "issue_count", "says 3 issues, has 1"),
)


class TestVerification:
    """`helpdesk verify` names what was tampered with. The constraint that would stop it is not the point here."""

    def _violations(self, database: Database) -> list[tuple[str, str]]:
        with database.snapshot() as session:
            return [(found.check, found.detail) for check in verification.CHECKS for found in check(session)]

    def test_tampering_is_named(self, database: Database, engine: Engine) -> None:
        do(database, brought_to(database, "resolved"), "refer_externally")
        assert self._violations(database) == []
        for tampering, check, word in TAMPERINGS:
            with engine.connect() as connection:
                connection.execute(text("ALTER TABLE complaint_transition DISABLE TRIGGER USER"))
                connection.execute(text(tampering))
                with Session(connection) as session:
                    found = [(it.check, it.detail) for looks in verification.CHECKS for it in looks(session)]
                connection.rollback()
            assert any(name == check and word in detail for name, detail in found), (tampering, found)

    @pytest.mark.parametrize("tampering", [statement for statement, *_ in TAMPERINGS if "_transition" in statement])
    def test_steps_are_never_changed_or_removed(self, database: Database, engine: Engine, tampering: str) -> None:
        do(database, brought_to(database, "resolved"), "refer_externally")
        with pytest.raises(IntegrityError, match="never changed or removed"), engine.begin() as connection:
            connection.execute(text(tampering))
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_transition SET given = '{}'"))  # what is personal can be erased

    def test_the_database_refuses_an_unknown_status(self, engine: Engine, database: Database) -> None:
        receive(database)
        for wrong in ("status = 'lost'", "severity = 'S6'", "escalation_level = 4", "dismissal = 'spam'"):
            with pytest.raises(IntegrityError), engine.begin() as connection:
                connection.execute(text(f"UPDATE complaint SET {wrong}"))
