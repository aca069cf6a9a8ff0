"""The taxonomy that holds now, as this process knows it (`kernel.in_force`).

Whoever opens a session through `unit_of_work.Database` has it compared with the database first (`look`): so a payload is
checked, and a complaint judged, without a statement of its own. Until a change is seen, something may still be given a code
that was just retired, which is as if it had come a second earlier; a code that nobody knows is never taken.
"""

from typing import Final

from sqlalchemy.orm import Session

from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy import queries
from helpdesk.taxonomy.terms import Taxonomy, shipped


def _look(session: Session, known: Known[Taxonomy] | None) -> Known[Taxonomy]:
    row = queries.newest(session, None if known is None else known.value.version)
    if row is not None and (known is None or row.version != known.value.version):
        return Known(row.version, Taxonomy.of(row.version, row.content))
    return known or Known(None, shipped())


_kept: Final = Kept(_look)


def in_force() -> Taxonomy:
    """As it was when this process looked last; what is shipped where it never did."""
    return _kept.last() or shipped()


def look(session: Session) -> None:
    """Compare the copy with the database, where that was not done within the last second. For `Database`."""
    _kept.compared(session)


def changed(uow: UnitOfWork) -> None:
    """For whoever changes it."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()
