"""Short-lived signed links to files of a complaint: the right of one actor to one file, and to nothing else.

A link says what it is to, for whose sake, and of which complaint. When it is used, the actor is recognised again with the
rights that they have by then, and whoever gives the file out looks at the row again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.recognition import recognised_again
from helpdesk.kernel import links
from helpdesk.kernel.errors import NotFound

PURPOSE: Final = "file"


@dataclass(frozen=True, slots=True)
class Linked:
    """A link that was made."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link that is used leads to, and for whom."""

    kind: str
    actor: Actor
    complaint_id: UUID
    row_id: UUID


def seal(kind: str, key: str, actor: Actor, ids: Sequence[UUID], expires_at: datetime) -> Linked:
    """`ids`: of the complaint, and of the file's row."""
    parts = [kind, actor.kind, str(actor.id), *map(str, ids)]
    return Linked(links.seal(key, PURPOSE, parts, expires_at), expires_at)


def unseal(session: Session, key: str, token: str, now: datetime) -> Opened:
    """Raises `NotFound` for a link that is none, or whose maker is not here any more; `Gone` for one past its time."""
    kind, actor_kind, actor_id, complaint_id, row_id = links.unseal(key, PURPOSE, token, now, parts=5)
    actor = recognised_again(session, actor_kind, UUID(actor_id))
    if actor is None:
        raise NotFound
    return Opened(kind, actor, UUID(complaint_id), UUID(row_id))
