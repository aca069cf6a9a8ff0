"""What the recovery domain tells a complaint: how many offers it has, and how many remedies are still to arrive.

The complaint does not know offers; it knows three numbers, because `resolve` asks for a remedy decision, and `follow_up`
waits for what was promised. The caller holds the complaint's lock (`queries.complaint_for_update`).
"""

from helpdesk.complaints.models import Complaint


def count(complaint: Complaint, live: int, approved: int, undelivered: int) -> None:
    """Changes. `live`: offers not withdrawn, declined, expired or undone. `approved`: of these, granted by somebody with
    the authority. `undelivered`: of the live ones, those the customer has not got.
    """
    complaint.offers_live += live
    complaint.offers_approved += approved
    complaint.remedies_undelivered += undelivered
    complaint.touch()
