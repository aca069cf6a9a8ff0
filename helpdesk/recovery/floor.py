"""The floor: what a law or tariff lays down is offered in money before anything but an apology is offered beside it.

It is looked at when an offer is drafted, and again when it is submitted, approved and put before the customer: what is owed
may have become more meanwhile, and what covered it may have come to nothing. Who may says why it is to be less all the same;
that holds for as much as was missing then. What is laid down in another currency than the complaint is reckoned in is covered
by nothing here, since nobody here knows a rate.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import option_queries, override_queries, suggestions
from helpdesk.recovery.errors import BelowFloor
from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_terms import Terms
from helpdesk.recovery.override_models import OfferOverride
from helpdesk.recovery.playbook import Suggestion
from helpdesk.recovery.queries import Held
from helpdesk.recovery.suggestions import LAID_DOWN, Suggested

MAY_GO_BELOW: Final = "offer:below_floor"
STEPS: Final = {"submit": False, "approve": False, "offer": True}
"""Steps before which it is looked at again, and whether of other offers only those count then that were approved."""


def below_floor(terms: Terms, found: Suggestion, settled: Money, *, several: bool = False) -> Money | None:
    """What a law or tariff lays down and no money that is offered covers, this one included; None where all is covered. An
    apology alone promises nothing; as one of `several` options it would be in the place of what is owed.
    """
    if not found.statutory.minor or (terms.kind == "apology_letter" and not several):
        return None
    amount = terms.amount
    paid = settled + amount if amount is not None and terms.kind in SETTLES else settled
    return None if found.statutory <= paid else found.statutory - paid


def missing_from(terms: Terms, suggested: Suggested, settled: Money, *, several: bool = False) -> list[Money]:
    """The same, with what is laid down in other currencies; one amount of each."""
    if terms.kind == "apology_letter" and not several:
        return []
    own = below_floor(terms, suggested.suggestion, settled, several=several)
    return [*([] if own is None else [own]), *suggested.unconverted]


def most_missing(short: Sequence[Money]) -> dict[str, int]:
    """Currency -> minor units: the most of what is missing in each."""
    found: dict[str, int] = {}
    for amount in short:
        found[amount.currency] = max(amount.minor, found.get(amount.currency, 0))
    return found


def problem(at: str, missing: Money, suggested: Suggested) -> FieldError:
    """Of a draft's option: what has to be done, or said."""
    return FieldError.at(f"{at}/amount", "below_floor", " ".join(_advice(missing, suggested)))


def _advice(missing: Money, suggested: Suggested) -> Iterator[str]:
    found = suggested.suggestion
    own = found.owed.currency
    if missing.currency == own:
        rules = ", ".join(line.rule for line in found.lines if line.kind == "statutory")
        yield (
            f"{found.statutory} {own} is laid down ({rules}), and {missing} of it is not offered in money yet: draft a refund of at "
            "least that first."
        )
        yield _MAY
    else:
        yield from _in_another(missing, suggested)


def _in_another(missing: Money, suggested: Suggested) -> Iterator[str]:
    """What a person recorded they may say again in the other currency; of what a tariff lays down nobody but who may offer less."""
    own, theirs = suggested.facts.loss.currency, missing.currency
    there = [item for item in suggested.elsewhere if item.amount.currency == theirs and item.what in LAID_DOWN]
    rules = ", ".join(item.tariff or "recorded" for item in there)
    yield f"{missing} {theirs} is laid down ({rules}), this is reckoned in {own}, and no rate is known here."
    if suggested.own_currency is None:
        yield f"Offer it in {theirs} first."
    elif all(item.what == "statutory" and not item.other_complainant for item in there):
        yield f"Record what it comes to in {own} (`statutory` in PATCH /complaints/{{ref}}/recovery-facts), and offer that first."
    yield f"{_MAY[:-1]}, or what it comes to in {own}."


_MAY: Final = "Who may offer less says why (`floor_reason`), for example that it was paid outside."


@dataclass(frozen=True, slots=True)
class _Short:
    """`amounts`: what is missing in each option, `worst` the most of it."""

    suggested: Suggested
    amounts: Sequence[Money]
    worst: Money

    @property
    def refusal(self) -> BelowFloor:
        return BelowFloor(" ".join(_advice(self.worst, self.suggested)), missing=dump_money(self.worst))


def _shortfall(session: Session, complaint: Complaint, offer: Offer, *, granted: bool) -> _Short | None:
    """What is missing now, by the facts of now, and was not when somebody said why; None: nothing."""
    options: Sequence[Any] = option_queries.kept(session, offer.id) or [offer]
    if len(options) == 1 and offer.kind == "apology_letter":
        return None
    reckoned = {} if offer.currency is None else {"currency": offer.currency}
    suggested = suggestions.suggestion_for(session, complaint, reckoned)
    settled = override_queries.offered(
        session,
        complaint.id,
        suggested.suggestion.owed.currency,
        besides=[one for one in (offer.id, offer.successor_of) if one is not None],
        granted=granted,
    ).surely
    short = [
        amount
        for option in options
        for amount in missing_from(_terms(option), suggested, settled, several=len(options) > 1)
    ]
    grown = [amount for amount in short if amount.minor > offer.floor_waived.get(amount.currency, 0)]
    return _Short(suggested, short, max(grown, key=lambda amount: amount.minor)) if grown else None


def refusal(session: Session, complaint: Complaint, offer: Offer, action: str) -> BelowFloor | None:
    """What one of `STEPS` would be refused with now, where nobody says why; for showing, without any lock."""
    short = _shortfall(session, complaint, offer, granted=STEPS[action])
    return None if short is None else short.refusal


def look_again(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], action: str) -> None:
    """Before an offer goes on by one of `STEPS`. `given`: floor_reason. Raises `BelowFloor`, and `Forbidden` to who says why and
    may not.
    """
    reason = given.get("floor_reason")
    if reason is not None:
        require(actor, MAY_GO_BELOW)
    offer = held.offer
    short = _shortfall(uow.session, held.complaint, offer, granted=STEPS[action])
    if short is None:
        return
    if reason is None:
        raise short.refusal
    offer.floor_waived = offer.floor_waived | most_missing(short.amounts)
    # What was said of its draft is never changed; the step that follows says it in any case.
    if not override_queries.has_one(uow.session, offer.id):
        said = {"floor_reason": reason, "at": uow.now, "actor_kind": actor.kind, "actor_id": actor.id}
        uow.session.add(OfferOverride(**_as_row(held, short.worst, short.suggested), **said))


def _as_row(held: Held, worst: Money, suggested: Suggested) -> dict[str, Any]:
    own = worst.currency == suggested.suggestion.owed.currency
    return {
        "offer_id": held.offer.id,
        "direction": "below_floor",
        "suggested_minor": suggested.suggestion.statutory.minor if own else worst.minor,
        "by_minor": -worst.minor,
        "currency": worst.currency,
    }


def _terms(option: Any) -> Terms:
    amount = None if option.amount_minor is None else Money(option.amount_minor, option.currency)
    return Terms(kind=option.kind, amount=amount)
