"""Whether an offer is what was suggested, and what somebody has to say who offers something else.

An apology is never an override, nor is goodwill that, with all that is offered on the complaint already (`remaining`), stays
within what some alternative has of its sort: money with money, vouchers and the like with those, which may be larger. What is owed
comes first (`floor`). Whatever the program drafts by itself was set beforehand by a rule, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import floor
from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.option_terms import Terms
from helpdesk.recovery.override_models import OfferOverride
from helpdesk.recovery.playbook import Suggestion
from helpdesk.recovery.remaining import BACK, OF_ITS_OWN_PRICE, Already
from helpdesk.recovery.suggestions import Suggested

_BY_RULE: Final = "The amount was set beforehand, by a rule."
_PEOPLE: Final = frozenset({"agent", "integration"})
"""Kinds of actors who can say why."""


@dataclass(frozen=True, slots=True)
class Override:
    """`suggested`: what would have been no override; `by`: what was offered less that."""

    direction: str
    suggested: Money
    by: Money
    detail: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An override with what was said of it. `waived`: what is missing from what is laid down, as `Offer.floor_waived` has it."""

    override: Override
    reason: str | None
    floor_reason: str | None
    actor: Actor
    waived: dict[str, int] = field(default_factory=dict)


def judge(kind: str, amount: Money | None, found: Suggestion, already: Already) -> Override | None:
    """How an offer differs from every alternative of the suggestion, with what is offered already; None: it does not. All
    amounts are in one currency.
    """
    if amount is None:
        return None
    nothing = Money(0, amount.currency)
    if kind in OF_ITS_OWN_PRICE:
        return _in_kind(kind, amount, found, already)
    owed = found.owed - already.pays(found.owed)
    if kind in BACK and amount < owed:
        return Override("under", owed, amount - owed, f"{owed} {owed.currency} is owed and not offered yet.")
    goodwill = _most_of_its_sort(kind, found)
    before = already.goodwill(found.owed)
    left = max(goodwill - before, nothing)
    over = already.along_with(kind, amount).goodwill(found.owed) - before - left
    if over <= nothing:
        return None
    beside = " beside what is offered already" if already.offers else ""
    most = amount - over
    sort = "in money" if kind in SETTLES else "as a voucher or the like"
    return Override("over", most, over, f"No alternative has more than {most} {most.currency} {sort} for it{beside}.")


def _most_of_its_sort(kind: str, found: Suggestion) -> Money:
    """Of goodwill; what the formula gives where no alternative gives it in this way."""
    money = kind in SETTLES
    of_its_sort = (
        option.goodwill
        for option in found.alternatives
        if any(remedy.part == "goodwill" and (remedy.kind in SETTLES) == money for remedy in option.remedies)
    )
    return max(of_its_sort, default=found.goodwill)


def _in_kind(kind: str, amount: Money, found: Suggestion, already: Already) -> Override | None:
    nothing = Money(0, amount.currency)
    remedies = [remedy for option in found.alternatives for remedy in option.remedies if remedy.kind == kind]
    if not remedies:
        return Override("kind", amount, nothing, f"No alternative has a {kind}.")
    worth = [remedy.amount for remedy in remedies if remedy.amount is not None]
    if not worth:
        return None
    before = already.of_kind(kind)
    most = max(max(worth) - before, nothing)
    if amount <= most:
        return None
    detail = f"What was bought had a price of {max(worth)} {most.currency}"
    beside = f", and {before} of it is offered already" if before.minor else ""
    return Override("over", most, amount - most, f"{detail}{beside}.")


def check(
    actor: Actor,
    placed: Sequence[tuple[str, Terms]],
    given: Mapping[str, Any],
    *,
    suggested: Suggested,
    already: Already,
    seen: floor.Seen,
) -> Kept | None:
    """What is to be kept of an offer. `placed`: its options with their pointers, of which each counts by itself, since the
    customer takes one; `given`: override_reason, floor_reason; `already`: without what this one replaces; `seen`: of `floor.seen`. Raises
    `ValidationFailed` that names what has to be said, and `Forbidden` to who says why less than the floor is offered and may not.
    """
    if given.get("floor_reason") is not None:
        require(actor, floor.MAY_GO_BELOW)
    found = suggested.suggestion
    several = len(placed) > 1
    short = [
        (at, lack)
        for at, terms in placed
        for lack in floor.missing_from(terms, suggested, already.surely_pays(found.statutory), several=several)
    ]
    overrides = [it for _, terms in placed if (it := judge(terms.kind, terms.amount, found, already)) is not None]
    if short and given.get("floor_reason") is None:
        raise ValidationFailed(errors=[floor.problem(at, lack, suggested, seen) for at, lack in short])
    if short:
        lacks = [lack for _, lack in short]
        below = Override("below_floor", *floor.as_override(floor.worst(lacks), suggested), "")
        return Kept(below, given.get("override_reason"), given["floor_reason"], actor, floor.most_missing(lacks))
    if not overrides:
        return None
    override = max(overrides, key=lambda item: abs(item.by.minor))
    reason = given.get("override_reason") or (None if actor.kind in _PEOPLE else _BY_RULE)
    if reason is None:
        detail = f"{override.detail} Say why it is to be another one; the customer does not read it."
        raise ValidationFailed(errors=[FieldError.at("/override_reason", "override_reason", detail)])
    return Kept(override, reason, None, actor)


def keep(uow: UnitOfWork, offer_id: UUID, kept: Kept | None) -> None:
    """Beside its offer, in the same transaction."""
    if kept is None:
        return
    row = {
        "offer_id": offer_id,
        "direction": kept.override.direction,
        "suggested_minor": kept.override.suggested.minor,
        "by_minor": kept.override.by.minor,
        "currency": kept.override.suggested.currency,
        "reason": kept.reason,
        "floor_reason": kept.floor_reason,
        "at": uow.now,
        "actor_kind": kept.actor.kind,
        "actor_id": kept.actor.id,
        "decided_by": kept.actor.person_id,
    }
    uow.session.flush()  # it refers to the offer
    uow.session.add(OfferOverride(**row))
