"""Whether the same matter was compensated already, or is being: on this complaint, and on others that are the same person's or
about the same thing. It does not refuse for good: who says why may do it all the same, and that is kept.

A matter is the same where a complaint was merged into the other or is linked as its duplicate, where they name the same order,
where an offer was drafted before the two were parted (by a split, or by undoing a merge), since it was for all of it then, or
where one person complains of the same issue: of one that the other complaint has, or had when the offer was drafted. What happens
again after `duplicate_days`, or with another order, is another matter: it is to be made good anew. And whoever was given less
than what is owed here is owed the rest: nothing is found while all of it together stays within that. What another
complainant was offered where they complained refuses nothing that is to be offered here yet.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money, json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import guard_queries, kin_queries
from helpdesk.recovery.counting import counted
from helpdesk.recovery.errors import AlreadyCompensated
from helpdesk.recovery.events import DuplicateAllowed, of_offer
from helpdesk.recovery.guard_models import DuplicateOverride
from helpdesk.recovery.kin_queries import MATTER, PARTED, PERSON, Given
from helpdesk.recovery.models import Offer


@dataclass(frozen=True, slots=True)
class Shared:
    """An offer for the same matter, and why it is taken for that: `customer`, `email`, `phone`, `reference`, `duplicate`,
    `merged`, `was_merged`, `split`, and `issue:` with its code.
    """

    offer: Given
    shares: tuple[str, ...]


def same_matter(session: Session, complaint: Complaint, now: datetime) -> list[Shared]:
    """Every offer for the same matter that has not come to nothing, oldest first; without any lock."""
    rules = guard_queries.rules_in_force(session)
    kin = kin_queries.kin_of(session, complaint.id, rules)
    ties = {one.id: one.ties for one in kin}
    found = kin_queries.given_on(session, complaint.id, kin, rules, now)
    return [Shared(offer, shares) for offer in found if (shares := _shares(offer, ties.get(offer.complaint_id)))]


def _shares(offer: Given, ties: frozenset[str] | None) -> tuple[str, ...]:
    """Empty: another matter."""
    if ties is None:  # of this complaint's own offers only those come here that a merge has brought
        return ("merged",)
    issues = tuple(f"issue:{code}" for code in offer.codes)
    if ties & MATTER:
        return (*sorted(ties & (MATTER | PERSON)), *issues)
    if offer.for_both:
        return (*sorted(ties & (PARTED | PERSON)), *issues)
    if ties & PERSON and issues and not offer.other_order:
        return (*sorted(ties & PERSON), *issues)
    return ()


def check(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    given: Mapping[str, Any],
    *,
    amount: Money | None,
    owed: Money,
    apart: Collection[UUID] = (),
    fits: bool = True,
) -> list[Shared]:
    """Before a draft of this amount: what was found, for whom to `keep`. `apart`: complaints of other complainants that were merged
    into this one; what was offered there is counted in what is to be offered here yet, of which this is no more where it `fits`
    (`remaining.fits`). Raises `AlreadyCompensated`, with the evidence, and `ValidationFailed` for who allows it without a reason. Takes
    the locks of `kin_queries.one_at_a_time`.
    """
    if amount is None:
        return []
    kin_queries.one_at_a_time(uow.session, complaint.id, guard_queries.rules_in_force(uow.session))
    found = same_matter(uow.session, complaint, uow.now)
    own = [item for item in found if item.offer.complaint_id not in apart]
    if (len(own) == len(found) or fits) and (not own or _within(own, amount, owed)):
        return []
    if not given.get("allow_duplicate"):
        raise AlreadyCompensated(**evidence(uow.session, actor, found, amount, owed))
    if not given.get("duplicate_reason"):
        detail = f"{counted(len(found), 'offer')} for the same matter already: say why another one is right."
        raise ValidationFailed(errors=[FieldError.at("/duplicate_reason", "required", detail)])
    return found


def _within(found: Sequence[Shared], amount: Money, owed: Money) -> bool:
    """Whether all of it together is no more than what is owed."""
    if any(item.offer.currency != owed.currency for item in found) or amount.currency != owed.currency:
        return False
    return _sum(found, owed.currency).minor + amount.minor <= owed.minor


def _sum(found: Sequence[Shared], currency: str) -> Money:
    return Money(sum(item.offer.amount_minor for item in found if item.offer.currency == currency), currency)


def _sums(found: Sequence[Shared]) -> list[Money]:
    """What all of it comes to, in each currency, by its code."""
    return [_sum(found, currency) for currency in sorted({item.offer.currency for item in found})]


def evidence(
    session: Session, actor: Actor, found: Sequence[Shared], amount: Money | None, owed: Money
) -> dict[str, Any]:
    """What the caller may see of it, how many offers there are beside, and the sums of all of them."""
    seen = guard_queries.references(session, actor, sorted({item.offer.complaint_id for item in found}))
    shown = [_shown(item, seen) for item in found if item.offer.complaint_id in seen]
    already = _sum(found, owed.currency)
    return {
        "offers": shown,
        "hidden": len(found) - len(shown),
        "given": dump_money(already),
        "sums": [dump_money(of_one) for of_one in _sums(found)],
        "with_this": None if amount is None or amount.currency != owed.currency else dump_money(already + amount),
        "owed": dump_money(owed),
    }


def _shown(item: Shared, references: Mapping[UUID, str]) -> dict[str, Any]:
    offer = item.offer
    shown: dict[str, Any] = json_safe(
        {
            "offer_id": offer.offer_id,
            "complaint_id": offer.complaint_id,
            "complaint_reference": references[offer.complaint_id],
            "kind": offer.kind,
            "amount": dump_money((offer.amount_minor, offer.currency)),
            "status": offer.status,
            "drafted_at": offer.drafted_at,
            "shares": list(item.shares),
        }
    )
    return shown


def keep(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, offer: Offer, *, found: Sequence[Shared], why: str
) -> None:
    """Why it was drafted all the same: in a book that is never changed, and in the complaint's story."""
    currency = offer.currency or ""
    given = _sum(found, currency).minor
    uow.session.flush()  # what follows refers to the offer
    uow.add_rows(
        DuplicateOverride,
        [
            {
                "id": new_id(),
                "offer_id": offer.id,
                "reason": why,
                "found": [json_safe({"offer_id": item.offer.offer_id, "shares": list(item.shares)}) for item in found],
                "given_minor": given,
                "at": uow.now,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
            }
        ],
    )
    uow.record(
        DuplicateAllowed(
            **of_offer(complaint, offer),
            offers=len(found),
            given_minor=given,
            reason=why,
        ),
        stream=complaint,
        actor=actor,
    )
