"""What must hold of triggers: the version in force is kept as it is, and what the log says was done stands in the
complaint's story, under the trigger's name.
"""

from collections.abc import Iterator

from sqlalchemy import String, and_, cast, literal, select
from sqlalchemy.orm import Session

from helpdesk.automation.events import TriggerFired
from helpdesk.automation.happenings import FIRING
from helpdesk.automation.models import Firing, Trigger, TriggerVersion
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.verification import Check, Violation

_BATCH = 1_000


def versions_are_kept(session: Session) -> Iterator[Violation]:
    """But for those that were taken away, whose last version is the one before."""
    kept = and_(TriggerVersion.trigger_id == Trigger.id, TriggerVersion.version == Trigger.version)
    rows = session.execute(
        select(Trigger.id, Trigger.version, Trigger.spec, TriggerVersion.spec.label("kept"))
        .outerjoin(TriggerVersion, kept)
        .where(Trigger.removed_at.is_(None))
    )
    for row in rows:
        if row.kept is None or any(row.kept.get(name) != value for name, value in row.spec.items()):
            yield Violation("trigger_version", f"trigger {row.id}", f"version {row.version} is not kept as it is")


def firings_are_told(session: Session) -> Iterator[Violation]:
    """What is `done` was recorded on that complaint, in the same transaction, whose name stays where what was said is erased."""
    told = and_(
        EventRow.stream_id == Firing.complaint_id,
        EventRow.type == TriggerFired.type,
        EventRow.actor_id == Firing.trigger_id,
        EventRow.request_id == literal(FIRING).concat(cast(Firing.id, String)),
    )
    rows = session.execute(
        select(Firing.id, Complaint.reference)
        .join(Complaint, Complaint.id == Firing.complaint_id)
        .where(Firing.outcome == "done", ~select(EventRow.id).where(told).exists())
        .execution_options(yield_per=_BATCH)
    )
    for row in rows:
        yield Violation("trigger_firing", f"firing {row.id}", f"is told nowhere on complaint {row.reference}")


CHECKS: tuple[Check, ...] = (versions_are_kept, firings_are_told)
