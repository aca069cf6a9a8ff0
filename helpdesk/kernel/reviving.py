"""What operators do about duties that were given up: owe them anew, or say why they need not be done. Both are recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel import outbox
from helpdesk.kernel.events import Event
from helpdesk.kernel.unit_of_work import UnitOfWork


class NotGivenUp(Exception):
    """There is no dead duty of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRetried(Event):
    """An operator has a duty tried again that was given up."""

    type: ClassVar[str] = "duty.retried"
    duty_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.duty_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyDismissed(Event):
    """An operator says why a duty that was given up need not be done."""

    type: ClassVar[str] = "duty.dismissed"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    duty_id: UUID
    reason: str

    @property
    def subject_id(self) -> UUID:
        return self.duty_id


Record = Callable[[UnitOfWork, Event], None]
"""Takes down an administrative act; the kernel knows no log of them."""


def retry(uow: UnitOfWork, duty_id: UUID, record: Record) -> None:
    """Raises `NotGivenUp`. What is told of its end (a failed offer) stays; its handler settles what has ended."""
    if not outbox.revive(uow.session, duty_id):
        raise NotGivenUp
    record(uow, DutyRetried(duty_id=duty_id))


def dismiss(uow: UnitOfWork, duty_id: UUID, reason: str, record: Record) -> None:
    """Raises `NotGivenUp`."""
    if not outbox.dismiss(uow.session, duty_id):
        raise NotGivenUp
    record(uow, DutyDismissed(duty_id=duty_id, reason=reason))
