"""What waits for an answer in a complaint after messages have left its thread: the oldest of those that stay."""

from collections.abc import Sequence
from uuid import UUID

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import promising, thread_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.promising import Promised
from helpdesk.sla.revising import NEXT
from helpdesk.sla.rounds import Round


def wait_for_the_next(
    uow: UnitOfWork,
    promised: Promised,
    complaint: Complaint,
    found: Sequence[Clock],
    present: Round,
    *,
    beside: UUID | None = None,
) -> None:
    """Of an open complaint in whose thread nothing is waited for. `found`: its clocks; `beside`: as for `thread_queries.oldest_unanswered`.
    A message that had a clock goes on by that: it had waited before it was merged or parted.
    """
    if promised.promise(NEXT, uow.now) is None:
        return
    asked = thread_queries.oldest_unanswered(uow.session, complaint.id, present.began, beside=beside)
    if asked is None:
        return
    mine = (each for each in found if each.kind == NEXT and each.round == complaint.round)
    there = next((each for each in mine if each.subject_id == asked.id), None)
    if there is not None:
        promised.retarget(uow, there, present.waits)
    else:
        promising.begin(uow, promised, complaint, NEXT, asked.at, waits=present.waits, subject_id=asked.id)
