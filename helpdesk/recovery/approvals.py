"""Who may grant an offer: the limits of `authority`, with the sums of what was granted before, and four eyes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.complaints.person_queries import is_subject
from helpdesk.identity import allowance_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.allowances import Allowances
from helpdesk.identity.allowances_in_force import in_force
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.recovery import authority, queries
from helpdesk.recovery.authority import Excess, Verdict
from helpdesk.recovery.errors import BeyondAuthority, OwnApproval


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An offer as far as authority is concerned. `amount` None: it costs nothing, and needs none."""

    offer_id: UUID
    complaint_id: UUID
    customer_id: UUID | None
    team_id: UUID | None
    drafted_by: UUID | None
    approvals: list[dict[str, Any]]
    amount: Money | None

    @property
    def approvers(self) -> list[str]:
        return [item["agent_id"] for item in self.approvals]


def asked_of(held: queries.Held) -> Asked:
    offer = held.offer
    amount = None
    if offer.amount_minor is not None and offer.currency is not None:
        amount = Money(offer.amount_minor, offer.currency)
    return Asked(
        offer_id=offer.id,
        complaint_id=offer.complaint_id,
        customer_id=held.complaint.customer_id,
        team_id=held.complaint.team_id,
        drafted_by=offer.drafted_by,
        approvals=offer.approvals,
        amount=amount,
    )


def personal_refusal(session: Session, actor: Actor, asked: Asked) -> Forbidden | None:
    """Why this person may not approve this offer, whatever its amount; None: they may."""
    if actor.person_id is not None and actor.person_id == asked.drafted_by:
        return OwnApproval("You drafted this offer.")
    if str(actor.person_id) in asked.approvers:
        return OwnApproval("You have approved it already; it needs a second person.")
    if is_about(session, actor, asked):
        return ConflictOfInterest("The complaint is about you.")
    return None


def is_about(session: Session, actor: Actor, asked: Asked) -> bool:
    """Whether the complaint is about this person, who then has no authority over it."""
    return actor.person_id is not None and is_subject(session, asked.complaint_id, actor.person_id)


def verdict(
    session: Session, actor: Actor, asked: Asked, now: datetime, allowances: Allowances
) -> tuple[Verdict, list[Excess]]:
    """Whether this person's authority is enough, and the limits it would pass. To act on it, `in_turn` first."""
    if asked.amount is None:
        return Verdict.ENOUGH, []
    before = queries.granted(
        session,
        offer_id=asked.offer_id,
        complaint_id=asked.complaint_id,
        customer_id=asked.customer_id,
        approver_id=actor.id,
        currency=asked.amount.currency,
        now=now,
    )
    limits = allowances.limits(actor.authority, asked.amount.currency, asked.team_id)
    over = authority.excesses(limits, asked.amount, before)
    return authority.judge(allowances, actor.authority, over, endorsed=bool(asked.approvers)), over


def in_turn(session: Session, actor: Actor, asked: Asked) -> Allowances:
    """What judges an approval that is about to be given: nobody changes it, nor grants to the same customer or in the same
    name, until the transaction ends. After the locks of complaint and offer, before the budget's.
    """
    allowance_queries.among_others(session)
    queries.take_turns(session, asked.customer_id, actor.id)
    return allowance_queries.standing(session)[0]


def beyond(over: list[Excess]) -> BeyondAuthority:
    """The refusal that names each limit."""
    return BeyondAuthority(
        limits=[
            {"limit": item.limit, "allowed": dump_money(item.allowed), "would_be": dump_money(item.would_be)}
            for item in over
        ]
    )


def refusal(session: Session, actor: Actor, asked: Asked, now: datetime) -> Forbidden | None:
    """Why this person may not approve this offer; for showing, without any lock."""
    personal = personal_refusal(session, actor, asked)
    if personal is not None:
        return personal
    found, over = verdict(session, actor, asked, now, in_force(session))
    return beyond(over) if found is Verdict.NOT_ENOUGH else None
