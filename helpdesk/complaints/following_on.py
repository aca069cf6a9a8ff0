"""A new complaint by whoever made a closed one, when it is too late to reopen that: linked to it, by the same person."""

from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import intake, linking, queries, tracking_queries
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.tracking_errors import StillOpen
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.unit_of_work import UnitOfWork


def check_closed(_session: Session, actor: Actor, complaint: Complaint) -> None:
    """Raises `Forbidden` where the complaint goes on in another person's, and `StillOpen`."""
    require(actor, "complaint:reopen")
    if complaint.status in OPEN:
        raise StillOpen(state=complaint.status)


def hand_in(uow: UnitOfWork, complaint: Complaint, given: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    """`given`: subject, description. What its sender is told of it, as after a form."""
    complaint_id = intake.receive(
        uow,
        SYSTEM,
        {
            "channel": "WEB",
            "subject": given["subject"],
            "description": given["description"],
            "language": complaint.language,
            "complainant": tracking_queries.complainant_as_given(uow.session, complaint.id),
            "customer_id": complaint.customer_id,
            "team_id": identity.team_in_charge(uow.session, complaint.team_id),
            "acknowledge": True,
            "shown": True,
        },
        secrets,
    )
    uow.write()  # both ends of a link are rows
    new = queries.complaint_by_id_for_update(uow.session, complaint_id)
    first, second = sorted((complaint, new), key=lambda row: row.id)
    linking.add(uow, "related", first, second)
    return {
        "reference": new.reference,
        "tracking_secret": secrets.of(complaint_id, 1),
        "received_at": new.received_at,
        "acknowledged": new.acknowledged_at is not None,
    }
