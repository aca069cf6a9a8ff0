"""The floor: what a law or tariff lays down is offered in money before anything but an apology is offered beside it.

It is looked at when an offer is drafted, and again when it is submitted, approved and put before the customer: what is owed
may have become more meanwhile, and what covered it may have come to nothing. Who may says why it is to be less all the same;
that holds for as much as was missing then. Nor is what covers it taken back while goodwill is promised, or was given:
whoever had that accepted first would take the floor from under it. That the customer declines it, or does not answer, nobody can
refuse: then those who have the complaint are told.

What is laid down in another currency than the complaint is reckoned in is covered by nothing here, since nobody here knows a rate;
nor is what a tariff may lay down and nobody can tell (facts are missing, or no version is known), until somebody has recorded what
would tell it, or in its own currency what it comes to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import guard_queries, option_queries, override_queries, suggestions
from helpdesk.recovery.errors import BelowFloor
from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.lifecycle import GRANTED
from helpdesk.recovery.matters import LAID_DOWN
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_terms import Terms
from helpdesk.recovery.override_models import OfferOverride
from helpdesk.recovery.playbook import Suggestion
from helpdesk.recovery.queries import Held
from helpdesk.recovery.remaining import BACK, FOR_ALL, Already
from helpdesk.recovery.suggestions import Suggested
from helpdesk.recovery.tariffs_in_force import Laid

MAY_GO_BELOW: Final = "offer:below_floor"
STEPS: Final = {"submit": False, "approve": False, "offer": True}
"""Steps before which it is looked at again, and whether of other offers only those count then that were approved."""
TAKING_BACK: Final = frozenset({"revoke", "reverse"})
LOOKED_AT: Final = frozenset({*STEPS, *TAKING_BACK})
"""Steps that can be refused for what is owed."""


def below_floor(terms: Terms, found: Suggestion, settled: Money, *, several: bool = False) -> Money | None:
    """What a law or tariff lays down and no money that is offered covers, this one included; None where all is covered. An
    apology alone promises nothing; as one of `several` options it would be in the place of what is owed.
    """
    if not found.statutory.minor or (terms.kind == "apology_letter" and not several):
        return None
    amount = terms.amount
    paid = settled + amount if amount is not None and terms.kind in SETTLES else settled
    return None if found.statutory <= paid else found.statutory - paid


@dataclass(frozen=True, slots=True)
class Lack:
    """What no money that is offered covers. `amount` None: nobody can tell how much `laid` lays down; `number`: of those of its tariff,
    since what was waived of one complainant is not waived of another, whom a merge brings.
    """

    amount: Money | None
    laid: Laid | None = None
    number: int = 1

    @property
    def of(self) -> str:
        """As what it is waived: its currency, or the tariff."""
        return self.amount.currency if self.amount is not None else f"tariff {self.laid and self.laid.tariff}"

    @property
    def size(self) -> int:
        """In minor units; of what nobody can tell its number."""
        return self.number if self.amount is None else self.amount.minor


def missing_from(terms: Terms, suggested: Suggested, settled: Money, *, several: bool = False) -> list[Lack]:
    """The same, with what is laid down in other currencies, one amount of each, and what nobody can tell."""
    if terms.kind == "apology_letter" and not several:
        return []
    own = below_floor(terms, suggested.suggestion, settled, several=several)
    amounts = [*([] if own is None else [own]), *suggested.unconverted]
    return [*map(Lack, amounts), *_untold(suggested)]


def _untold(suggested: Suggested) -> Iterator[Lack]:
    numbers: Counter[str] = Counter()
    for laid in suggested.untold:
        numbers[laid.tariff] += 1
        yield Lack(None, laid, numbers[laid.tariff])


def most_missing(short: Sequence[Lack]) -> dict[str, int]:
    """Currency -> minor units: the most of what is missing in each; and what nobody can tell."""
    found: dict[str, int] = {}
    for lack in short:
        found[lack.of] = max(lack.size, found.get(lack.of, 0))
    return found


def worst(short: Sequence[Lack]) -> Lack:
    """The most of what is missing; what nobody can tell where there is nothing else."""
    return max(short, key=lambda lack: (lack.amount is not None, lack.size))


Seen = Mapping[UUID, str]
"""References of merged complaints that the caller sees."""


def seen(session: Session, actor: Actor, suggested: Suggested) -> Seen:
    """Of those by whose facts something is laid down, or may be; no statement where there are none."""
    return guard_queries.references(session, actor, suggested.by_merged)


def problem(at: str, lack: Lack, suggested: Suggested, known: Seen) -> FieldError:
    """Of a draft's option: what has to be done, or said."""
    return FieldError.at(f"{at}/amount", "below_floor", " ".join(_advice(lack, suggested, known)))


def _advice(lack: Lack, suggested: Suggested, known: Seen) -> Iterator[str]:
    missing, found = lack.amount, suggested.suggestion
    own = found.owed.currency
    if missing is None:
        yield from _cannot_tell(lack.laid, known)
    elif missing.currency == own:
        rules = ", ".join(line.rule for line in found.lines if line.kind == "statutory")
        yield (
            f"{found.statutory} {own} is laid down ({rules}), and {missing} of it is not offered in money yet: draft a refund of at "
            "least that first."
        )
        yield from _by_merged(suggested, known)
        yield _MAY
    else:
        yield from _in_another(missing, suggested)


def _by_merged(suggested: Suggested, known: Seen) -> Iterator[str]:
    """Where facts are put right that lay down too much: nothing that is recorded here takes it away."""
    laying = {laid.complaint_id for laid in suggested.tariffs if laid.outcome.amount is not None}
    named = sorted(reference for one, reference in known.items() if one in laying)
    if named:
        yield f"Some of it goes by the facts of {', '.join(named)} (PATCH /complaints/{named[0]}/recovery-facts), merged into this one."


def _cannot_tell(laid: Laid | None, known: Seen) -> Iterator[str]:
    """What would tell it, and where that is recorded."""
    if laid is None:
        return
    reference = "{ref}" if laid.complaint_id is None else known.get(laid.complaint_id)
    whose, there = "", ""
    if laid.complaint_id is not None:
        named = reference or "a complaint that you do not see"
        whose, there = f" by the facts of {named}, which was merged into this one", " there"
    yield f"Something may be laid down ({laid.tariff}){whose}, and it cannot be told how much: {laid.outcome.because}"
    if reference is None:
        yield "Whoever sees it records them there."
    elif laid.outcome.missing:
        yield f"Record {', '.join(laid.outcome.missing)}{there} (PATCH /complaints/{reference}/recovery-facts)."
    if laid.can_be_stated and reference is not None:
        yield (
            f"Or record{there} what it comes to, which may be nothing (`statutory`, in {laid.currency}), and take that out once it can be "
            "told: it stands beside what the tariff lays down."
        )
    yield _MAY


def _in_another(missing: Money, suggested: Suggested) -> Iterator[str]:
    """What a person recorded they may say again in the other currency; of what a tariff lays down nobody but who may offer less."""
    own, theirs = suggested.facts.loss.currency, missing.currency
    there = [item for item in suggested.elsewhere if item.amount.currency == theirs and item.what in LAID_DOWN]
    rules = ", ".join(item.tariff or "recorded" for item in there)
    yield f"{missing} {theirs} is laid down ({rules}), this is reckoned in {own}, and no rate is known here."
    if suggested.own_currency is None:
        yield f"Offer it in {theirs} first."
    elif all(item.what == "statutory" and not item.merged for item in there):
        yield f"Record what it comes to in {own} (`statutory` in PATCH /complaints/{{ref}}/recovery-facts), and offer that first."
    elif any(item.merged for item in there):
        yield "Some of it was recorded of a complaint that was merged into this one: it is put right there (`recovery-facts`)."
    yield f"{_MAY[:-1]}, or what it comes to in {own}."


_MAY: Final = "Who may offer less says why (`floor_reason`), for example that it was paid outside."


@dataclass(frozen=True, slots=True)
class _Short:
    """`lacks`: what is missing in each option, `worst` the most of it."""

    suggested: Suggested
    lacks: Sequence[Lack]
    worst: Lack

    def refusal(self, session: Session, actor: Actor) -> BelowFloor:
        missing = None if self.worst.amount is None else dump_money(self.worst.amount)
        known = seen(session, actor, self.suggested)
        return BelowFloor(" ".join(_advice(self.worst, self.suggested, known)), missing=missing)


def _shortfall(session: Session, complaint: Complaint, offer: Offer, *, granted: bool) -> _Short | None:
    """What is missing now, by the facts of now, and was not when somebody said why; None: nothing."""
    options = _options(session, offer)
    if len(options) == 1 and offer.kind == "apology_letter":
        return None
    suggested = _suggested(session, complaint, offer)
    short = _lacks(session, offer, options, suggested, granted=granted)
    grown = [lack for lack in short if lack.size > offer.floor_waived.get(lack.of, 0)]
    return _Short(suggested, short, worst(grown)) if grown else None


def _options(session: Session, offer: Offer) -> Sequence[Terms]:
    """What the customer may still take: what they chose, once they have."""
    open_ = option_queries.kept(session, offer.id) if offer.chosen_option is None else []
    options: Sequence[Any] = open_ or [offer]
    return [_terms(option) for option in options]


def _suggested(session: Session, complaint: Complaint, offer: Offer) -> Suggested:
    reckoned = {} if offer.currency is None else {"currency": offer.currency}
    return suggestions.suggestion_for(session, complaint, reckoned)


def _lacks(
    session: Session,
    offer: Offer,
    options: Sequence[Terms],
    suggested: Suggested,
    *,
    granted: bool,
    without: UUID | None = None,
) -> list[Lack]:
    """`without`: another offer that is not to count."""
    already = override_queries.offered(
        session,
        offer.complaint_id,
        suggested.suggestion.owed.currency,
        shares=suggested.shares,
        besides=[one for one in (offer.id, offer.successor_of, without) if one is not None],
        granted=granted,
    )
    several = len(options) > 1
    found = []
    for terms in options:
        settled = _with(already, terms, suggested, offer).surely_pays(suggested.suggestion.statutory)
        found += missing_from(replace(terms, amount=None), suggested, settled, several=several)
    return found


def _with(already: Already, terms: Terms, suggested: Suggested, offer: Offer) -> Already:
    """This offer too: it may not count for everybody who is owed something here by now."""
    if terms.amount is None or terms.amount.currency != already.currency:
        return already
    return already.along_with(terms.kind, terms.amount, suggested.shares.asides.get(offer.id, FOR_ALL))


@dataclass(frozen=True, slots=True)
class _LeftAlone:
    """Goodwill that is promised or was given, and what would be missing beside it."""

    offer: Offer
    short: _Short


def _left_alone(session: Session, complaint: Complaint, offer: Offer) -> list[_LeftAlone]:
    """Were this one taken back. What is missing in any case, or was waived, does not keep it up; nor does what pays what is owed. What
    nobody can tell may be just what this one covers: that a fact is taken out is no way round the floor.
    """
    covers = offer.status in GRANTED and offer.kind in SETTLES
    others = override_queries.granted(session, complaint.id, offer.id) if covers else []
    suggested = _suggested(session, complaint, offer) if others else None
    found = []
    for other in others:
        options = _options(session, other)
        if suggested is None or all(terms.kind in _KEEP_NOTHING_UP for terms in options):
            continue
        short = _lacks(session, other, options, suggested, granted=True)
        before = most_missing([lack for lack in short if lack.amount is not None])
        after = _lacks(session, other, options, suggested, granted=True, without=offer.id)
        grown = [it for it in after if it.size > max(before.get(it.of, 0), other.floor_waived.get(it.of, 0))]
        if grown:
            found.append(_LeftAlone(other, _Short(suggested, after, worst(grown))))
    return found


_KEEP_NOTHING_UP: Final = BACK | {"apology_letter"}


def _alone(left: Sequence[_LeftAlone]) -> BelowFloor:
    first = left[0]
    lack = first.short.worst
    what = (
        f"what {lack.laid and lack.laid.tariff} may lay down, which cannot be told,"
        if lack.amount is None
        else f"{lack.amount} {lack.amount.currency} of what is laid down"
    )
    kinds = ", ".join(sorted({it.offer.kind.replace("_", " ") for it in left}))
    detail = (
        f"Without it {what} is not offered, while goodwill ({kinds}) is promised or was given (`offers`): take that back first, where it "
        f"can be. {_MAY}"
    )
    missing = None if lack.amount is None else dump_money(lack.amount)
    return BelowFloor(detail, missing=missing, offers=[str(it.offer.id) for it in left])


def left_open(session: Session, complaint: Complaint, offer: Offer) -> Lack | None:
    """The most of what is laid down and nothing covers any more when this offer ends, though goodwill stands."""
    left = _left_alone(session, complaint, offer)
    return worst([it.short.worst for it in left]) if left else None


def refusal(session: Session, actor: Actor, complaint: Complaint, offer: Offer, action: str) -> BelowFloor | None:
    """What one of `LOOKED_AT` would be refused with now, where nobody says why; for showing, without any lock."""
    short = _shortfall(session, complaint, offer, granted=STEPS[action]) if action in STEPS else None
    if short is not None:
        return short.refusal(session, actor)
    gone = offer if action in TAKING_BACK else None
    if action == "offer" and offer.successor_of is not None:
        gone = session.get_one(Offer, offer.successor_of)
    left = [] if gone is None else _left_alone(session, complaint, gone)
    return _alone(left) if left else None


def look_again(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], action: str) -> None:
    """Before an offer goes on by one of `STEPS`. `given`: floor_reason. Raises `BelowFloor`, and `Forbidden` to who says why and
    may not.
    """
    reason = _reason(actor, given)
    short = _shortfall(uow.session, held.complaint, held.offer, granted=STEPS[action])
    if short is None:
        return
    if reason is None:
        raise short.refusal(uow.session, actor)
    _waive(uow, actor, held.offer, short, reason)


def look_beside(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any]) -> None:
    """Before an offer is taken back. `given`: floor_reason. Raises as `look_again` does."""
    reason = _reason(actor, given)
    left = _left_alone(uow.session, held.complaint, held.offer)
    if left and reason is None:
        raise _alone(left)
    for item in left:
        _waive(uow, actor, item.offer, item.short, str(reason))


def _reason(actor: Actor, given: Mapping[str, Any]) -> str | None:
    reason: str | None = given.get("floor_reason")
    if reason is not None:
        require(actor, MAY_GO_BELOW)
    return reason


def _waive(uow: UnitOfWork, actor: Actor, offer: Offer, short: _Short, reason: str) -> None:
    offer.floor_waived = offer.floor_waived | most_missing(short.lacks)
    before = override_queries.last(uow.session, offer.id)
    laid, by = as_override(short.worst, short.suggested)
    row = {
        "offer_id": offer.id,
        "number": 1 if before is None else before.number + 1,
        "direction": "below_floor",
        "suggested_minor": laid.minor,
        "by_minor": by.minor,
        "currency": by.currency,
        "reason": None if before is None else before.reason,
        "floor_reason": reason,
        "at": uow.now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "decided_by": actor.person_id,
    }
    uow.session.add(OfferOverride(**row))


def as_override(lack: Lack, suggested: Suggested) -> tuple[Money, Money]:
    """What is laid down, and what is offered less that; nothing and nothing where nobody can tell."""
    statutory = suggested.suggestion.statutory
    if lack.amount is None:
        nothing = Money(0, statutory.currency)
        return nothing, nothing
    laid = statutory if lack.amount.currency == statutory.currency else lack.amount
    return laid, Money(-lack.amount.minor, lack.amount.currency)


def _terms(option: Any) -> Terms:
    amount = None if option.amount_minor is None else Money(option.amount_minor, option.currency)
    return Terms(kind=option.kind, amount=amount)
