"""What goes on naming something that is about to go: asked of every domain that knows, and told all at once, so that who mends
one is not refused for the next.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.unit_of_work import UnitOfWork

Uses = Callable[[UnitOfWork, Sequence[Any]], Iterator[dict[str, str]]]
"""Of the rows that the events say are about to go: each use as `what` it is, its `id` and its `name`."""


def refuse_used(refusal: type[DomainError], *askable: Uses) -> Callable[[UnitOfWork, Sequence[Any]], None]:
    """A subscriber that raises the refusal with `uses`, all that any of them knows; it undoes the deletion."""

    def refuse(uow: UnitOfWork, events: Sequence[Any]) -> None:
        found = [use for uses in askable for use in uses(uow, events)]
        if found:
            raise refusal(uses=found)

    return refuse
