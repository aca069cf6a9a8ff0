"""`helpdesk verify`: every invariant of the whole database, each violation named. Changes nothing.

The checks belong to the domains; this is the list of them, by name.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import text

from helpdesk.automation import verification as automation
from helpdesk.complaints import assignment_verification as assignment
from helpdesk.complaints import closed_team_verification as closed_teams
from helpdesk.complaints import custom_field_verification as custom_fields
from helpdesk.complaints import reassignment_verification as reassignment
from helpdesk.complaints import search_verification as search
from helpdesk.complaints import severity_verification as severities
from helpdesk.complaints import tag_verification as tags
from helpdesk.complaints import verification as complaints
from helpdesk.kernel import verification as kernel
from helpdesk.kernel.files import files_are_there
from helpdesk.kernel.storage import Store
from helpdesk.kernel.unit_of_work import Database
from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery import budget_verification as budgets
from helpdesk.recovery import verification as recovery
from helpdesk.sla import integrity_verification as integrity
from helpdesk.sla import naming_verification
from helpdesk.sla import transition_verification as transitions
from helpdesk.sla import verification as sla
from helpdesk.suggestions import verification as suggestions
from helpdesk.taxonomy import verification as taxonomy
from helpdesk.wiring import CHAIN_CHECKS

CHECKS: Final[dict[str, tuple[Check, ...]]] = {
    "chain": CHAIN_CHECKS,
    "complaints": (
        *complaints.CHECKS,
        *tags.CHECKS,
        *custom_fields.CHECKS,
        *reassignment.CHECKS,
        *closed_teams.CHECKS,
        *assignment.CHECKS,
        *severities.CHECKS,
        *suggestions.CHECKS,
    ),
    "taxonomy": taxonomy.CHECKS,
    "search": search.CHECKS,
    "clocks": (*sla.CHECKS, *integrity.CHECKS, *transitions.CHECKS),
    "budgets": budgets.CHECKS,
    "recovery": recovery.CHECKS,
    "automation": automation.CHECKS,
    "duties": kernel.CHECKS,
}


class UnknownCheck(ValueError):
    """The name is none of `CHECKS`."""


FILES: Final = "files"
"""A group of its own, only when it is named: it reads every file in the store."""


def violations(database: Database, names: Sequence[str] = (), store: Store | None = None) -> Iterator[Violation]:
    """All, or those of the named groups; `files` needs the store. Raises `UnknownCheck`. One snapshot for everything, so that a system at work
    does not look inconsistent.
    """
    unknown = [name for name in names if name not in {*CHECKS, FILES}]
    if unknown:
        raise UnknownCheck(f"There is no check {', '.join(unknown)}; there are {', '.join((*CHECKS, FILES))}.")
    with database.snapshot() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        if FILES in names and store is not None:
            yield from files_are_there(session, store)
        for name in names or CHECKS:
            for check in CHECKS.get(name, ()):
                yield from naming_verification.named(session, check(session))
