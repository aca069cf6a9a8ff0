"""What was promised to a complainant, in their words: of the clocks those that they were told of. How we get there by
ourselves (`investigate`) is not theirs.
"""

from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import tracking_queries
from helpdesk.complaints.phrases import said
from helpdesk.identity.actors import Actor
from helpdesk.sla import queries
from helpdesk.sla.models import Clock

REGULATOR: Final = "regulator"
_TOLD: Final = ("acknowledge", "resolve", "follow_up")
MILESTONES: Final = (*_TOLD, REGULATOR)


def of(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Of the actor's own complaint; what is still to come, by its time, what waits for them last."""
    complaint = tracking_queries.seen(session, actor)
    clocks = queries.clocks_of(session, actor, str(actor.id))
    found = [_shown(clock, complaint["language"], complaint["seen_at"]) for clock in clocks if _counts(clock)]
    return sorted(found, key=lambda item: (item["due_at"] is None, item["due_at"] or 0))


def _counts(clock: Clock) -> bool:
    return clock.stopped_at is None and (clock.kind in _TOLD or clock.rule_id is not None)


def _shown(clock: Clock, language: str | None, now: Any) -> dict[str, Any]:
    kind = clock.kind if clock.rule_id is None else REGULATOR
    return {
        "kind": kind,
        "text": said(f"promise_{kind}", language),
        "due_at": clock.due_at,
        "overdue": clock.due_at is not None and clock.due_at < now,
    }
