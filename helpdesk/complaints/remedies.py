"""What the recovery domain tells a complaint: how many offers it has, and how many remedies are still to arrive.

The complaint does not know offers; it knows five numbers, because `resolve` asks for a remedy decision, and `follow_up`
waits for what was promised. The caller holds the complaint's lock (`queries.complaint_for_update`).
"""

from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import changes
from helpdesk.complaints.models import Complaint
from helpdesk.identity import allowances_in_force
from helpdesk.identity.actors import Actor
from helpdesk.kernel.differences import Changes


def count(
    complaint: Complaint,
    *,
    live: int,
    drafts: int,
    approved: int,
    undelivered: int,
    amount: int | None,
    cheaper: int = 0,
) -> Changes:
    """Changes, and what they changed. `live`: offers not withdrawn, declined, expired or undone. `drafts`: of these, not
    approved yet. `approved`: those that somebody with the authority has approved since the complaint was last reopened.
    `undelivered`: of the live ones, those the customer has not got. `amount`: of the offer, in minor units of the
    complaint's currency. `cheaper`: by how much less it is than it was counted with.
    """
    if not (live or drafts or approved or undelivered or cheaper):
        return {}
    before = changes.values_of(complaint)
    complaint.offers_live += live
    complaint.offers_minor += live * (amount or 0) - cheaper
    complaint.offers_drafted += drafts
    complaint.offers_approved += approved
    complaint.remedies_undelivered += undelivered
    complaint.touch()
    return changes.since(before, complaint)


def case_limit(session: Session, actor: Actor, complaint: Any) -> int:
    """How much this actor may give on one complaint like this, in minor units of its currency, by the limits in force.
    `complaint`: has `offers_minor`, `currency` and `team_id`. 0 where nothing is offered: then nobody asks, and it costs
    no statement.
    """
    if complaint.offers_minor <= 0 or complaint.currency is None:
        return 0
    return allowances_in_force.case_limit(session, actor.authority, complaint.currency, complaint.team_id)
