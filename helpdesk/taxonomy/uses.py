"""What would go on giving a code to something new, or waits for it: asked of every domain that knows, and told all at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.errors import CodeInUse
from helpdesk.taxonomy.events import TermRetired

Uses = Callable[[UnitOfWork, Sequence[TermRetired]], Iterator[dict[str, str]]]
"""Each as what it is, its id and its name."""


def refuse_used(*askable: Uses) -> Callable[[UnitOfWork, Sequence[Any]], None]:
    """A subscriber that raises `CodeInUse`, naming all that any of them knows: who mends one is not refused for the next."""

    def refuse(uow: UnitOfWork, events: Sequence[TermRetired]) -> None:
        found = [use for uses in askable for use in uses(uow, events)]
        if found:
            raise CodeInUse(uses=found)

    return refuse
