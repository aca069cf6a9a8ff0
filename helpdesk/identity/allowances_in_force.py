"""The limits that hold now, as this process knows them (`kernel.in_force`): what is shown, and what is settled on the spot,
costs no statement for them. What grants an offer reads them in its own transaction (`allowance_queries.standing`).
"""

from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import allowance_queries
from helpdesk.identity.allowances import Allowances
from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork


def _look(session: Session, known: Known[Allowances] | None) -> Known[Allowances]:
    found, _ = allowance_queries.standing(session)
    return known if known is not None and known.signature == found.number else Known(found.number, found)


_kept: Final = Kept(_look)


def in_force(session: Session) -> Allowances:
    """A statement at most once a second. A version that was written for later begins within a second of its time."""
    return _kept.compared(session)


def case_limit(session: Session, authority: str, currency: str, team_id: UUID | None) -> int:
    """What somebody of that authority may give on one complaint of that team, in minor units."""
    return in_force(session).limits(authority, currency, team_id).minor("case", currency)


def changed(uow: UnitOfWork) -> None:
    """For whoever changes them."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()
