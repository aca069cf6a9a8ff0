from collections.abc import Sequence

from helpdesk.complaints import term_uses
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.errors import CodeInUse
from helpdesk.taxonomy.events import TermRetired


def refuse_used(uow: UnitOfWork, events: Sequence[TermRetired]) -> None:
    """Raises `CodeInUse`: what goes on giving a code to new complaints, or waits for it, is to be changed first."""
    found = [use for event in events for use in term_uses.of_term(uow.session, event.kind, event.code)]
    if found:
        raise CodeInUse(uses=found)
