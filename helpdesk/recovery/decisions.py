"""Keeping what a decision was judged by, and flagging what it noticed. Who, when and why stand in the step of the offer."""

from typing import Any, Final
from uuid import UUID

from helpdesk.identity import allowance_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.allowances import SCOPES
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import approvals, waiting_queries
from helpdesk.recovery.approvals import Judgement
from helpdesk.recovery.authority_events import OfferFlagged
from helpdesk.recovery.decision_models import OfferDecision
from helpdesk.recovery.events import of_offer
from helpdesk.recovery.flag_models import OfferFlag
from helpdesk.recovery.queries import Held
from helpdesk.recovery.structuring import Earlier, Suspicion

BESIDE_APPROVALS: Final = frozenset({"refuse", "withdraw", "revoke", "reverse", "retry"})
"""Decisions that need no authority; what it would have been is kept all the same."""


def keep(uow: UnitOfWork, actor: Actor, held: Held, action: str, judgement: Judgement) -> None:
    """Of the step just taken. Once for each step."""
    offer, basis = held.offer, judgement.basis
    row: dict[str, Any] = {
        "id": new_id(),
        "offer_id": offer.id,
        "number": offer.steps,
        "action": action,
        "at": uow.now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "in_name_of": basis.person_id if basis.delegation_id is not None else None,
        "delegation_id": basis.delegation_id,
        "team_id": held.complaint.team_id,
        **_reckoned(judgement, offer.amount_minor, offer.currency),
    }
    uow.add_rows(OfferDecision, [row])
    if judgement.suspicion is not None and not judgement.suspicion.known:
        _flag(uow, held, judgement, judgement.suspicion)


def _reckoned(judgement: Judgement, amount_minor: int | None, currency: str | None) -> dict[str, Any]:
    """All of it, or nothing for what costs nothing."""
    limits, granted, found = judgement.limits, judgement.granted, judgement.suspicion
    if limits is None or granted is None or currency is None:
        names = ("authority", "limit_version", "judged_at", "amount_minor", "together_minor")
        return dict.fromkeys((*names, *(f"{name}_{what}" for name in SCOPES for what in ("minor", "limit"))))
    return {
        "authority": judgement.basis.authority,
        "limit_version": judgement.version,
        "judged_at": judgement.at,
        "amount_minor": amount_minor,
        "together_minor": None if found is None else found.total.minor,
        **{f"{name}_minor": getattr(granted, name) for name in SCOPES},
        **{f"{name}_limit": limits.minor(name, currency) for name in SCOPES},
    }


def note(uow: UnitOfWork, actor: Actor, held: Held, action: str) -> None:
    """Keep a decision that needs no authority: what the actor's own would have been judged by."""
    asked = approvals.asked_of(held)
    if asked.amount is None:
        keep(uow, actor, held, action, approvals.costless(actor, uow.now))
        return
    standing = allowance_queries.standing(uow.session)
    seen = approvals.circumstances(uow.session, actor, [asked], now=uow.now, standing=standing, lent=())
    keep(uow, actor, held, action, approvals.judged(seen, asked, seen.bases[0]).unsuspected)


def keep_refused(uow: UnitOfWork, actor: Actor, held: Held) -> None:
    """Somebody wanted to approve it and was refused since it belongs together with others, which is looked at again; once of
    each person while it waits so.
    """
    asked = approvals.asked_of(held)
    if held.offer.status != "pending_approval" or asked.amount is None:
        return
    standing = allowance_queries.standing(uow.session)
    seen = approvals.circumstances(uow.session, actor, [asked], now=uow.now, standing=standing)
    for basis in seen.bases:
        judgement = approvals.judged(seen, asked, basis)
        if approvals.is_refused_together(judgement) and judgement.suspicion is not None:
            if not waiting_queries.has_refusal(uow.session, held.offer.id, held.offer.steps, basis.person_id):
                _flag(uow, held, judgement, judgement.suspicion, refused=True)
            return


def _flag(uow: UnitOfWork, held: Held, judgement: Judgement, found: Suspicion, *, refused: bool = False) -> None:
    offer, complaint = held.offer, held.complaint
    flag = {
        "id": new_id(),
        "offer_id": offer.id,
        "number": offer.steps,
        "refused": refused,
        "at": uow.now,
        "pattern": found.pattern,
        "person_id": judgement.basis.person_id,
        "authority": judgement.basis.authority,
        "limit_version": judgement.version,
        "days": judgement.days,
        "currency": found.total.currency,
        "total_minor": found.total.minor,
        "limit_minor": found.limit.minor,
        "evidence": [json_safe(_told(item)) for item in found.offers],
    }
    uow.add_rows(OfferFlag, [flag])
    uow.record(
        OfferFlagged(
            **of_offer(complaint, offer),
            flag_id=UUID(str(flag["id"])),
            person_id=judgement.basis.person_id,
            pattern=found.pattern,
            others=len(found.offers),
            total_minor=found.total.minor,
            limit_minor=found.limit.minor,
            refused=refused,
        ),
        stream=complaint,
    )


def _told(item: Earlier) -> dict[str, Any]:
    return {
        "offer_id": item.offer_id,
        "complaint_id": item.complaint_id,
        "relation": item.relation,
        "amount_minor": item.amount.minor,
        "currency": item.amount.currency,
        "drafted_by": item.drafted_by,
        "signed_by": sorted(item.signed_by),
        "granted_at": item.granted_at,
    }
