"""How much about a claim asks for a second look: a score with every reason, pure.

`score = max(0, min(100, signals - protections))`. Each line says what was found, by which limit, and where. The score routes
to a person and to nobody else; it changes no suggestion, refuses nothing, and is never told to the customer. Somebody
vulnerable is not scored: whoever asks for `score` has made sure of that (`claims.look_at`).

Not a model that was trained: there is nothing to train it on that would not repeat how people were treated before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from helpdesk.recovery.counting import counted
from helpdesk.recovery.guard_rules import PROTECTIONS, SIGNALS, GuardRules

FEW: Final = 3
"""Decided complaints below which a share of them says nothing."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier complaint of the same person, or about the same order. `same_matter`: it is this one told once more (merged,
    linked as a duplicate), so that like words are no sign. `likeness`: of the texts, 0 to 100. `remedied_before`: days from the
    delivery of its latest paid remedy to this one's receipt; None: none, or later. `other_price`: it names the same order with
    another price.
    """

    id: UUID
    same_matter: bool
    likeness: int
    decided: bool
    upheld: bool
    paid: bool
    remedied_before: int | None
    other_price: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`lost` and `price` in minor units of one currency, where known. `bought_before`: days from the purchase to the complaint,
    negative where it is said to be later. `sharing`: customers with this address or number, this one too. `known_for`: days
    that the customer has been one.
    """

    earlier: Sequence[Earlier]
    lost: int | None = None
    price: int | None = None
    bought_before: int | None = None
    sharing: int = 1
    known_for: int | None = None
    firm_at_fault: bool = False
    regulator: bool = False
    documented: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """`points` negative: it speaks for the claim. `complaints`: where it was found, this one left out."""

    code: str
    points: int
    because: str
    evidence: Mapping[str, Any]
    complaints: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """`version`: of the rules. `review`: it asks for a second look."""

    score: int
    threshold: int
    version: int
    reasons: tuple[Reason, ...]

    @property
    def review(self) -> bool:
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True)
class _Found:
    because: str
    evidence: Mapping[str, Any]
    complaints: tuple[UUID, ...] = ()


def score(claim: Claim, rules: GuardRules) -> Scored:
    """Reasons stand in the order of the rules. The signals' points are held at 100 before what speaks for the claim is taken
    off, so that no heap of suspicions outweighs it.
    """
    reasons = tuple(_reasons(claim, rules))
    against = min(sum(reason.points for reason in reasons if reason.points > 0), 100)
    speaking_for = -sum(reason.points for reason in reasons if reason.points < 0)
    return Scored(max(against - speaking_for, 0), rules.threshold, rules.number, reasons)


def _reasons(claim: Claim, rules: GuardRules) -> Iterator[Reason]:
    for codes, sign in ((SIGNALS, 1), (PROTECTIONS, -1)):
        for code in codes:
            line = rules.lines[code]
            found = _LOOKS[code](claim, line.limit) if line.points else None
            if found is not None:
                yield Reason(code, sign * line.points, found.because, found.evidence, found.complaints)


def _ids(found: Sequence[Earlier]) -> tuple[UUID, ...]:
    return tuple(one.id for one in found)


def _matters(claim: Claim) -> list[Earlier]:
    """What was told twice is one matter, and this very one is none of the others."""
    return [one for one in claim.earlier if not one.same_matter]


def _many_claims(claim: Claim, least: int) -> _Found | None:
    others = _matters(claim)
    if len(others) < max(least, 1):
        return None
    return _Found(
        f"{counted(len(others), 'other complaint')} of the same person.", {"complaints": len(others)}, _ids(others)
    )


def _mostly_compensated(claim: Claim, percent: int) -> _Found | None:
    decided = [one for one in _matters(claim) if one.decided]
    paid = [one for one in decided if one.paid]
    if len(decided) < FEW or 100 * len(paid) < percent * len(decided):
        return None
    because = f"{len(paid)} of {len(decided)} decided complaints brought money."
    return _Found(because, {"decided": len(decided), "paid": len(paid)}, _ids(paid))


def _above_price(claim: Claim, percent: int) -> _Found | None:
    if claim.lost is None or claim.price is None or 100 * claim.lost <= percent * claim.price:
        return None
    share = None if claim.price == 0 else int(Decimal(100 * claim.lost) / claim.price)
    return _Found("The loss is more than that share of the price.", {"percent_of_price": share})


def _soon_after_purchase(claim: Claim, days: int) -> _Found | None:
    if claim.bought_before is None or not 0 <= claim.bought_before <= days:
        return None
    return _Found(f"{counted(claim.bought_before, 'day')} after the purchase.", {"days": claim.bought_before})


def _soon_after_remedy(claim: Claim, days: int) -> _Found | None:
    lately = [one for one in _matters(claim) if one.remedied_before is not None and one.remedied_before <= days]
    if not lately:
        return None
    fewest = min(one.remedied_before or 0 for one in lately)
    return _Found(f"{counted(fewest, 'day')} after a remedy was delivered.", {"days": fewest}, _ids(lately))


def _same_text(claim: Claim, percent: int) -> _Found | None:
    alike = [one for one in _matters(claim) if one.likeness >= max(percent, 1)]
    if not alike:
        return None
    most = max(one.likeness for one in alike)
    return _Found(
        f"The words of {counted(len(alike), 'earlier complaint')}, {most} % alike.", {"likeness": most}, _ids(alike)
    )


def _contradiction(claim: Claim, _limit: int) -> _Found | None:
    other_price = [one for one in claim.earlier if one.other_price]
    later = claim.bought_before is not None and claim.bought_before < 0
    if not other_price and not later:
        return None
    told = ["Another price for the same order."] if other_price else []
    told += ["The purchase is said to be later than the complaint."] if later else []
    evidence = {"other_price": len(other_price), "bought_later": later}
    return _Found(" ".join(told), evidence, _ids(other_price))


def _shared_contact(claim: Claim, customers: int) -> _Found | None:
    if claim.sharing < max(customers, 2):
        return None
    return _Found(f"{claim.sharing} customers share the address or the number.", {"customers": claim.sharing})


def _long_standing(claim: Claim, days: int) -> _Found | None:
    if claim.known_for is None or claim.known_for < days:
        return None
    return _Found(f"A customer for {counted(claim.known_for, 'day')}.", {"days": claim.known_for})


def _upheld_before(claim: Claim, least: int) -> _Found | None:
    upheld = [one for one in _matters(claim) if one.upheld]
    if len(upheld) < max(least, 1):
        return None
    because = f"{counted(len(upheld), 'earlier complaint')} {'was' if len(upheld) == 1 else 'were'} found justified."
    return _Found(because, {"complaints": len(upheld)}, _ids(upheld))


def _firm_at_fault(claim: Claim, _limit: int) -> _Found | None:
    return _Found("The fault was found to be ours.", {}) if claim.firm_at_fault else None


def _regulator(claim: Claim, _limit: int) -> _Found | None:
    return _Found("An outside body has the case.", {}) if claim.regulator else None


def _documented(claim: Claim, _limit: int) -> _Found | None:
    return _Found("There is evidence of what they say.", {}) if claim.documented else None


_LOOKS: Final = {
    "many_claims": _many_claims,
    "mostly_compensated": _mostly_compensated,
    "above_price": _above_price,
    "soon_after_purchase": _soon_after_purchase,
    "soon_after_remedy": _soon_after_remedy,
    "same_text": _same_text,
    "contradiction": _contradiction,
    "shared_contact": _shared_contact,
    "long_standing": _long_standing,
    "upheld_before": _upheld_before,
    "firm_at_fault": _firm_at_fault,
    "regulator": _regulator,
    "documented": _documented,
}
