"""What `helpdesk verify` is made of: checks that each name every violation they find, and change nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from helpdesk.kernel.outbox import Duty


@dataclass(frozen=True, slots=True)
class Violation:
    """`check` is the promise broken, `subject` the row (kind and id), `detail` what is wrong with it."""

    check: str
    subject: str
    detail: str


Check = Callable[[Session], Iterator[Violation]]


def no_duty_overdue(session: Session) -> Iterator[Violation]:
    """Nothing owed is dead, and nothing has been due for ten minutes without being done."""
    dead = select(Duty.id, Duty.topic, Duty.last_error).where(Duty.dead_at.is_not(None))
    for duty_id, topic, error in session.execute(dead):
        yield Violation("duty_dead", f"duty {duty_id}", f"{topic} was given up: {error}")
    late = select(Duty.id, Duty.topic, Duty.attempts).where(
        Duty.done_at.is_(None), Duty.dead_at.is_(None), Duty.not_before < func.now() - text("interval '10 minutes'")
    )
    for duty_id, topic, attempts in session.execute(late):
        yield Violation("duty_overdue", f"duty {duty_id}", f"{topic} is not done after {attempts} attempts")


CHECKS: tuple[Check, ...] = (no_duty_overdue,)
