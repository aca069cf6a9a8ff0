"""What happened, as frozen values: the only thing that domains tell each other sideways.

An event's fields are strings, integers, booleans, UUIDs, datetimes, None, and tuples, lists or dicts of those. No
floats: their text is not the same everywhere, and the hash chain is over text.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(ABC):
    """Base of every event. `subject_id` is the id of the row it is about, which stands in a field of the subclass."""

    type: ClassVar[str]
    """Stable dotted name, `complaint.resolved`; it is what webhooks and the feed call it."""

    personal: ClassVar[frozenset[str]] = frozenset()
    """Fields that may hold personal data, which an erasure must reach."""

    @property
    @abstractmethod
    def subject_id(self) -> UUID: ...

    def payload(self) -> dict[str, Any]:
        """The fields by name. Values are as given; `event_log` writes them as JSON."""
        kind = type(self)
        names = _names.get(kind)
        if names is None:
            names = _names[kind] = tuple(item.name for item in fields(kind))
        return {name: getattr(self, name) for name in names}


_names: dict[type[Event], tuple[str, ...]] = {}


class Stream(Protocol):
    """What an event chain hangs on. Whoever records into it holds its row's lock (or has just made the row)."""

    @property
    def id(self) -> Any: ...

    event_count: Any
    event_head: Any


class EventStream:
    """Columns of a row that carries an event chain: how many events, and the hash of the last.

    They stand on the row itself because everything that records an event about it has it locked anyway, so that the
    chain costs no statement of its own. A writer that forgot the lock does not fork the chain: `(stream_id,
    stream_seq)` is unique, and the second one fails.
    """

    if TYPE_CHECKING:  # every such row has one, as a column of its own
        id: Mapped[UUID]
    event_count: Mapped[int] = mapped_column(default=0, server_default="0")
    event_head: Mapped[bytes] = mapped_column(default=b"", server_default="")


class Principal(Protocol):
    """Whoever acts: an agent, a customer with a signed link, or the system itself."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> UUID | None: ...

    def may(self, permission: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its circumstances, as subscribers and the log get it."""

    id: UUID
    event: Event
    stream: Stream | None
    occurred_at: datetime
    actor: Principal
