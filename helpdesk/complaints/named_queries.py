"""Events of one complaint that name another one, for a reader who may not see that other one.

A merge, a link, a split stand in the timelines of both complaints, and each names the other. Who sees only one of the two
is told that it happened, and not with which. Whatever shows events to somebody asks here: timeline, refusals, evidence
packs, the event feed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.merge_queries import kin_of
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import sight, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel.event_log import EventRow

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Names:
    """Where the ids of other complaints stand in a payload, alone or as before and after; and what else tells of them."""

    ids: tuple[Path, ...]
    more: tuple[Path, ...] = ()


_MERGED_INTO: Final = ("changes", "merged_into_id")
_LINK: Final = _Names((("other_id",),), (("link_id",), ("kind",), ("changes",)))
_DUPLICATE: Final = _Names((("source_id",),), (("source_reference",), ("merge_id",)))
NAMING: Final[Mapping[str, _Names]] = {
    "complaint.received": _Names((("split_from",),)),
    "complaint.merged": _Names((_MERGED_INTO, ("given", "merged_into_id")), (("given", "into"), ("given", "reason"))),
    "complaint.unmerged": _Names((_MERGED_INTO,), (("given", "reason"),)),
    "complaint.redirected": _Names((_MERGED_INTO,)),
    "complaint.linked": _LINK,
    "complaint.unlinked": _LINK,
    "complaint.duplicate_merged": _DUPLICATE,
    "complaint.duplicate_parted": _DUPLICATE,
    "offer.moved": _Names((("moved_from",), ("moved_to",))),
    "complaint.split": _Names((("new_id",),), (("new_reference",), ("reason",))),
}
"""Every event that names another complaint. A test goes through all events, so that a new one is decided on here."""


def _at(payload: Mapping[str, Any], path: Path) -> Any:
    found: Any = payload
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def named_in(kind: str, payload: Mapping[str, Any] | None) -> set[UUID]:
    """The other complaints that an event names."""
    if payload is None or kind not in NAMING:
        return set()
    found = [_at(payload, path) for path in NAMING[kind].ids]
    each = (value for item in found for value in (item if isinstance(item, list) else [item]))
    return {UUID(value) for value in each if value is not None}


def without_names(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, less what tells of the other complaint."""
    names = NAMING[kind]
    left = dict(payload)
    for path in (*names.ids, *names.more):
        *outer, last = path
        inside = left
        for name in outer:
            inside[name] = inside = dict(inside.get(name) or {})
        inside.pop(last, None)
    return left


def unseen(session: Session, actor: Actor, events: Iterable[tuple[str, Mapping[str, Any] | None]]) -> frozenset[UUID]:
    """Of the complaints that these events (type, payload) name, those that the actor may not see; no statement where there
    can be none.
    """
    if sight(actor)[0] == "everything":
        return frozenset()
    named = {complaint_id for kind, payload in events for complaint_id in named_in(kind, payload)}
    return frozenset(named - _seen(session, actor, named))


def _seen(session: Session, actor: Actor, ids: Iterable[UUID]) -> set[UUID]:
    wanted = list(ids)
    if not wanted:
        return set()
    return set(session.scalars(select(Complaint.id).where(Complaint.id.in_(wanted), visible_to(actor))))


def others_seen(session: Session, actor: Actor, complaint_id: UUID) -> list[UUID]:
    """Of all complaints that the events and messages of this one could tell of, itself among them, those that the actor
    may see.
    """
    told = select(EventRow.type, EventRow.payload).where(
        EventRow.stream_id == complaint_id, EventRow.type.in_(NAMING), EventRow.payload.is_not(None)
    )
    named = {other for row in session.execute(told) for other in named_in(row.type, row.payload)}
    return sorted(_seen(session, actor, named | set(kin_of(session, complaint_id))))
