"""What was promised to a complainant, in their words: of the clocks those that they were told of. How we get there by
ourselves (`investigate`) is not theirs.
"""

from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import tracking_queries
from helpdesk.complaints.phrases import said
from helpdesk.complaints.tracking import Speak
from helpdesk.identity.actors import Actor
from helpdesk.sla import queries, regime_clocks
from helpdesk.sla.models import Clock

REGULATOR: Final = "regulator"
_TOLD: Final = ("acknowledge", "resolve", "follow_up")
MILESTONES: Final = (*_TOLD, REGULATOR)
_NO_PROMISES: Final = frozenset(
    {
        "accept_or_reject",
        "auto_escalate_to_internal_ombudsman",
        "close_if_no_reply",
        "consumer_notice_window",
        "mediation_end",
        "no_written_response_needed",
        "ombudsman_access_opens",
        "request_further_details",
        "summary_resolution_window",
        "verify_report",
    }
)
"""Milestones of a regulator's that are windows, or between us and others: nobody is promised anything by them."""


def of(session: Session, actor: Actor, speak: Speak) -> list[dict[str, Any]]:
    """Of the actor's own complaint; what is still to come, by its time, what waits for them last."""
    complaint = tracking_queries.seen(session, actor)
    clocks = queries.clocks_of(session, actor, str(actor.id))
    language = speak(complaint["language"])
    found = [_shown(clock, language, complaint["seen_at"]) for clock in clocks if _counts(session, clock)]
    return sorted(found, key=lambda item: (item["due_at"] is None, item["due_at"] or 0))


def _counts(session: Session, clock: Clock) -> bool:
    if clock.stopped_at is not None:
        return False
    if clock.rule_id is None:
        return clock.kind in _TOLD
    return regime_clocks.rule_of(session, clock).milestone not in _NO_PROMISES


def _shown(clock: Clock, language: str, now: Any) -> dict[str, Any]:
    kind = clock.kind if clock.rule_id is None else REGULATOR
    return {
        "kind": kind,
        "text": said(f"promise_{kind}", language),
        "notice": None if clock.rule_id is None else said("regulator_notice", language),
        "due_at": clock.due_at,
        "overdue": clock.due_at is not None and clock.due_at < now,
    }
