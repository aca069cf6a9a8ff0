"""Whether an offer is what was suggested, and what somebody has to say who offers something else.

An apology is never an override, nor is goodwill at or below what some alternative has. What is owed comes first: until money
that is offered on the complaint covers what a law or tariff lays down, nothing but an apology is drafted beside it, unless
somebody with a permission says why (it was paid outside). Whatever the program drafts by itself was set beforehand by a rule,
and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import floor, override_queries
from helpdesk.recovery.floor import SETTLES
from helpdesk.recovery.option_terms import Terms
from helpdesk.recovery.override_models import OfferOverride
from helpdesk.recovery.playbook import Suggestion
from helpdesk.recovery.playbook_spec import IN_KIND
from helpdesk.recovery.suggestions import Suggested

_BACK: Final = frozenset({"refund", "partial_refund"})
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
    """An override with what was said of it. `waived`: what is missing from what is laid down, by currency."""

    override: Override
    reason: str | None
    floor_reason: str | None
    actor: Actor
    waived: dict[str, int] = field(default_factory=dict)


def judge(kind: str, amount: Money | None, found: Suggestion, settled: Money) -> Override | None:
    """How an offer differs from every alternative of the suggestion; None: it does not. `settled`: money that is offered on the
    complaint already. All amounts are in one currency.
    """
    if amount is None:
        return None
    nothing = Money(0, amount.currency)
    goodwill = max((option.goodwill for option in found.alternatives), default=found.goodwill)
    owed = max(found.owed - settled, nothing)
    if kind in IN_KIND and kind != "gift":
        return _in_kind(kind, amount, found)
    if kind in _BACK and amount < owed:
        return Override("under", owed, amount - owed, f"{owed} {owed.currency} is owed and not offered yet.")
    most = owed + goodwill if kind in SETTLES else goodwill
    if most < amount:
        return Override("over", most, amount - most, f"No alternative has more than {most} {most.currency} for it.")
    return None


def _in_kind(kind: str, amount: Money, found: Suggestion) -> Override | None:
    nothing = Money(0, amount.currency)
    remedies = [remedy for option in found.alternatives for remedy in option.remedies if remedy.kind == kind]
    if not remedies:
        return Override("kind", amount, nothing, f"No alternative has a {kind}.")
    worth = [remedy.amount for remedy in remedies if remedy.amount is not None]
    if worth and max(worth) < amount:
        most = max(worth)
        return Override("over", most, amount - most, f"What was bought had a price of {most} {most.currency}.")
    return None


def check(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    placed: Sequence[tuple[str, Terms]],
    given: Mapping[str, Any],
    *,
    suggested: Suggested,
) -> Kept | None:
    """What is to be kept of an offer. `placed`: its options with their pointers, of which each counts by itself, since the
    customer takes one; `given`: override_reason, floor_reason, successor_of (what it replaces settles nothing). Raises
    `ValidationFailed` that names what has to be said, and `Forbidden` to who says why less than the floor is offered and may not.
    """
    if given.get("floor_reason") is not None:
        require(actor, floor.MAY_GO_BELOW)
    found = suggested.suggestion
    successor_of = given.get("successor_of")
    settled = override_queries.settled(
        uow.session,
        complaint.id,
        SETTLES,
        found.owed.currency,
        besides=[] if successor_of is None else [successor_of],
    )
    several = len(placed) > 1
    short = [
        (at, amount)
        for at, terms in placed
        for amount in floor.missing_from(terms, suggested, settled, several=several)
    ]
    overrides = [it for _, terms in placed if (it := judge(terms.kind, terms.amount, found, settled)) is not None]
    if short and given.get("floor_reason") is None:
        raise ValidationFailed(errors=[floor.problem(at, amount, suggested) for at, amount in short])
    if short:
        most = max((amount for _, amount in short), key=lambda amount: amount.minor)
        laid = found.statutory if most.currency == found.statutory.currency else most
        below = Override("below_floor", laid, Money(-most.minor, most.currency), "")
        waived = floor.most_missing([amount for _, amount in short])
        return Kept(below, given.get("override_reason"), given["floor_reason"], actor, waived)
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
    }
    uow.session.flush()  # it refers to the offer
    uow.session.add(OfferOverride(**row))
