from collections.abc import Iterator, Sequence

from helpdesk.complaints import term_uses
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.events import TermRetired


def uses(uow: UnitOfWork, events: Sequence[TermRetired]) -> Iterator[dict[str, str]]:
    """What goes on giving a code to new complaints, or waits for it, and is to be changed first."""
    for event in events:
        yield from term_uses.of_term(uow.session, event.kind, event.code)
