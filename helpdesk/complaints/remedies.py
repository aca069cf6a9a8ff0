"""What the recovery domain tells a complaint: how many offers live, and how many remedies are still to arrive.

The complaint does not know offers; it knows these two numbers, because `resolve` asks for a remedy decision and
`follow_up` waits for what was promised. The caller holds the complaint's lock (`queries.complaint_for_update`).
"""

from helpdesk.complaints.models import Complaint


def offer_drafted(complaint: Complaint) -> None:
    complaint.offers_live += 1
    complaint.remedies_undelivered += 1
    complaint.touch()


def offer_ended(complaint: Complaint) -> None:
    """Declined, expired, revoked, failed or reversed before it was delivered."""
    complaint.offers_live -= 1
    complaint.remedies_undelivered -= 1
    complaint.touch()


def remedy_delivered(complaint: Complaint) -> None:
    complaint.remedies_undelivered -= 1
    complaint.touch()


def delivered_remedy_taken_back(complaint: Complaint) -> None:
    """An issued remedy was reversed: it is no longer live, and nothing is waited for."""
    complaint.offers_live -= 1
    complaint.touch()
