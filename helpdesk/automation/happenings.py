"""Events as triggers see them: which of them can be listened to, what conditions may ask of one, and what it changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from types import ModuleType
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import attachment_events, link_events, person_events, tag_events
from helpdesk.complaints import events as complaint_events
from helpdesk.complaints.facts import CUSTOM
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.models import MESSAGE_KINDS
from helpdesk.kernel.events import Event
from helpdesk.kernel.facts import CODE, CODES, FLAG, MONEY, WHOLE, Field, Vocabulary
from helpdesk.kernel.money import Money
from helpdesk.recovery import events as offer_events
from helpdesk.sla import escalation_events, transition_events
from helpdesk.sla import events as clock_events


def _of_complaints(*modules: ModuleType) -> Iterator[type[Event]]:
    """Every event of these modules that is told in a complaint's story."""
    for module in modules:
        for kind in vars(module).values():
            if not (isinstance(kind, type) and issubclass(kind, Event) and "type" in vars(kind)):
                continue
            if "complaint_id" in {item.name for item in fields(kind)}:
                yield kind


WATCHED: Final[Mapping[str, type[Event]]] = {
    kind.type: kind
    for kind in sorted(
        _of_complaints(
            complaint_events,
            person_events,
            link_events,
            attachment_events,
            tag_events,
            clock_events,
            escalation_events,
            transition_events,
            offer_events,
        ),
        key=lambda kind: kind.type,
    )
}
"""What triggers can listen to, by name. Not what triggers themselves say: their actions tell of it."""

ACTORS: Final = ("agent", "integration", "complainant", "system", "automation")

VOCABULARY: Final[Vocabulary] = {
    "event.type": Field(CODE, "what happened", tuple(WATCHED)),
    "event.actor": Field(CODE, "who did it: which kind of caller", ACTORS),
    "event.action": Field(CODE, "the act of the lifecycle, of complaint or offer"),
    "event.from_status": Field(CODE, "where the complaint stood before an act", LIFECYCLE.states),
    "event.to_status": Field(CODE, "where it stood after it", LIFECYCLE.states),
    "event.message_kind": Field(CODE, "of a message", MESSAGE_KINDS),
    "event.message_purpose": Field(CODE, "of a message: why it was written"),
    "event.promise": Field(CODE, "of a clock: what was promised"),
    "event.promises": Field(CODES, "of clocks: what was promised, where an event tells of several"),
    "event.threshold": Field(WHOLE, "of a warning: percent of the time that were used"),
    "event.how": Field(CODE, "of an assignment: how it came about"),
    "event.offer_kind": Field(CODE, "of an offer: what is offered"),
    "event.offer_status": Field(CODE, "of an offer: where it stands after it"),
    "event.offer_amount": Field(MONEY, "of an offer: how much"),
    "event.imported": Field(FLAG, "of a complaint that is received: whether an import brought it"),
}


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the log. `payload`: None where it was erased. `firing_id`: of the firing that it is part of."""

    id: UUID
    type: str
    complaint_id: UUID
    place: int
    occurred_at: datetime
    actor_kind: str
    actor_id: UUID | None
    payload: Mapping[str, Any] | None
    firing_id: UUID | None

    @property
    def told(self) -> Mapping[str, Any]:
        return self.payload or {}


FIRING: Final = "automation-"
"""What the `request_id` of an event begins with that a firing recorded; its id follows. Whatever is recorded in the same
transaction carries it, so that the chain of causes is in the log itself.
"""


def request_id_of(firing_id: UUID) -> str:
    return f"{FIRING}{firing_id}"


def firing_of(request_id: str | None) -> UUID | None:
    """The reverse. A caller may send a request id of its own that looks like one: whoever trusts this looks the firing up,
    and when it was.
    """
    if request_id is None or not request_id.startswith(FIRING):
        return None
    try:
        return UUID(request_id.removeprefix(FIRING))
    except ValueError:
        return None


def happened(row: Any) -> Happened:
    """From a row that has a stream, which is the complaint's."""
    if row.stream_id is None or row.stream_seq is None:
        raise LookupError(f"the event {row.id} is of no complaint's story")
    return Happened(
        id=row.id,
        type=row.type,
        complaint_id=row.stream_id,
        place=row.stream_seq,
        occurred_at=row.occurred_at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        payload=row.payload,
        firing_id=firing_of(row.request_id),
    )


def facts_of_event(event: Happened) -> dict[str, Any]:
    told = event.told
    found: dict[str, Any] = {"event.type": event.type, "event.actor": event.actor_kind}
    found |= {"event.action": told.get("action"), "event.how": told.get("how")}
    if event.type == complaint_events.ComplaintReceived.type:
        found["event.imported"] = bool(told.get("imported"))
    if event.type.startswith("offer."):
        minor = told.get("amount_minor")
        found["event.offer_kind"] = told.get("kind")
        found["event.offer_status"] = told.get("to_status", "drafted" if event.type == "offer.drafted" else None)
        found["event.offer_amount"] = None if minor is None else Money(minor, told["currency"])
    elif event.type.startswith("sla."):
        kind = told.get("kind")
        kinds = told.get("kinds") or ([] if kind is None else [kind])
        only = kinds[0] if len(kinds) == 1 else None
        found |= {"event.promise": only, "event.promises": kinds, "event.threshold": told.get("threshold")}
    elif event.type == complaint_events.MessageAdded.type:
        found |= {"event.message_kind": told.get("kind"), "event.message_purpose": told.get("purpose")}
    else:
        found |= {"event.from_status": told.get("from_status"), "event.to_status": told.get("to_status")}
    return found


def is_bookkeeping(event: Happened) -> bool:
    """Whether it only shows a tag by another name, since the vocabulary was changed: to the complaint nothing happened."""
    return event.type == tag_events.ComplaintTagged.type and event.told.get("because") in tag_events.OF_VOCABULARY


_PARTS: Final = ("issue_id", "person_id", "need_id", "attachment_id")
"""An event that names one of these tells in `changes` of that row, and of the complaint in `complaint_changes`."""


def changes_of(event: Happened, currency: str | None) -> dict[str, tuple[Any, Any]]:
    """Before and after of the complaint's facts, by their names in the vocabulary. `currency`: the complaint's, for an event
    that tells of an amount and not of its currency, which then stayed.
    """
    columns = columns_changed(event)
    found: dict[str, tuple[Any, Any]] = {name: (before, after) for name, (before, after) in columns.items()}
    for name in ("price", "loss"):
        if f"{name}_minor" in found:
            found[name] = _amounts(columns, f"{name}_minor", currency)
    if "custom_fields" in found:
        before, after = (values or {} for values in found.pop("custom_fields"))
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key):
                found[f"{CUSTOM}{key}"] = (before.get(key), after.get(key))
    corrected = [event.told.get("changes") or {}] if event.type == complaint_events.IssueChanged.type else []
    for of_issue in (*corrected, *(event.told.get("issues") or {}).values()):
        for name in ("category", "issue"):
            if name in of_issue:
                found.setdefault(name, tuple(of_issue[name]))
    return found


def columns_changed(event: Happened) -> dict[str, list[Any]]:
    """Columns of the complaint's row -> [before, after], as the event tells them."""
    of_complaint = event.told.get("complaint_changes") or {}
    own = event.told.get("changes") or {}
    of_part = any(event.told.get(name) is not None for name in _PARTS)
    return {**({} if of_part else own), **of_complaint}


def _amounts(columns: Mapping[str, list[Any]], name: str, currency: str | None) -> tuple[Any, Any]:
    pairs = zip(columns[name], columns.get("currency", [currency, currency]), strict=True)
    before, after = (None if minor is None or unit is None else Money(minor, unit) for minor, unit in pairs)
    return before, after
