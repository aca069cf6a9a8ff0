"""What becomes known of a complaint may make it more severe: then it is, through the ordinary door, by the system."""

from uuid import UUID

from helpdesk.complaints import acts, assessments
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.severity import words_of
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force


def reassess(
    uow: UnitOfWork, complaint: Complaint, *, issue: str | None = None, need: tuple[str, UUID] | None = None
) -> None:
    """After `issue` or `need` was added to a locked complaint. Only upwards; of what is closed or no complaint nothing."""
    if complaint.status not in OPEN or complaint.record_type != "complaint":
        return
    facts = assessments.facts_of(uow.session, complaint, uow.now, issue=issue, need=need)
    found = assessments.raising(uow, complaint, facts)
    if found is None:
        return
    level, judged = found
    reason = "; ".join(
        words_of(item.rule, in_force().severity, "en") for item in judged.reasons if item.severity == level
    )
    before = complaint.severity
    acts.act(uow, SYSTEM, complaint, "set_severity", {"severity": level, "reason": reason, "cause": acts.BY_FACTS})
    assessments.note_facts(uow, SYSTEM, complaint, before, judged)
