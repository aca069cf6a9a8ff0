"""Events and a stream of the tests' own, so that the kernel is tested without any domain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.events import Event
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database


@dataclass
class Chain:
    """What an event chain hangs on; in the program, a row."""

    id: UUID = field(default_factory=new_id)
    event_count: int = 0
    event_head: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Event):
    type: ClassVar[str] = "test.said"
    thing_id: UUID
    words: Any = ""

    @property
    def subject_id(self) -> UUID:
        return self.thing_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(Said):
    type: ClassVar[str] = "test.heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased(Said):
    """Says which events it erased: stream -> places."""

    erased: dict[str, list[int]]


def say(database: Database, chain: Chain, *words: Any) -> None:
    """One event for each word, all in one unit of work."""
    with database.unit_of_work(SYSTEM) as uow:
        for word in words:
            uow.record(Said(thing_id=chain.id, words=word), chain)


def told(database: Database, *kinds: str) -> list[tuple[str, Any]]:
    """Type and words of every event of these types, in the order written."""
    with database.reader() as session:
        rows: Sequence[EventRow] = session.scalars(
            select(EventRow).where(EventRow.type.in_(kinds or ("test.said", "test.heard"))).order_by(EventRow.seq)
        ).all()
    return [(row.type, (row.payload or {}).get("words")) for row in rows]
