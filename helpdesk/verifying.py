"""`helpdesk verify`: every invariant of the whole database, each violation named. Changes nothing.

The checks belong to the domains; this is the list of them, by name.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import text

from helpdesk.complaints import tag_verification as tags
from helpdesk.complaints import verification as complaints
from helpdesk.identity import verification as identity
from helpdesk.kernel import verification as kernel
from helpdesk.kernel.unit_of_work import Database
from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery import verification as recovery
from helpdesk.sla import verification as sla

CHECKS: Final[dict[str, tuple[Check, ...]]] = {
    "chain": (*complaints.CHAIN_CHECKS, *identity.CHAIN_CHECKS, *kernel.CHAIN_CHECKS),
    "complaints": (*complaints.CHECKS, *tags.CHECKS),
    "clocks": sla.CHECKS,
    "recovery": recovery.CHECKS,
    "duties": kernel.CHECKS,
}


class UnknownCheck(ValueError):
    """The name is none of `CHECKS`."""


def violations(database: Database, names: Sequence[str] = ()) -> Iterator[Violation]:
    """All, or those of the named groups. Raises `UnknownCheck`. One snapshot for everything, so that a system at work
    does not look inconsistent.
    """
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise UnknownCheck(f"There is no check {', '.join(unknown)}; there are {', '.join(CHECKS)}.")
    with database.snapshot() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        for name in names or CHECKS:
            for check in CHECKS[name]:
                yield from check(session)
