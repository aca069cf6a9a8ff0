"""What is offered on a complaint already, and what that leaves of its suggestion. Pure.

Money pays what is owed first; what goes beyond that, and all that is no money, is goodwill. Whatever has not come to nothing
counts, drafts included: an offer in several parts is as much as one in one. Of an offer that lets the customer choose, that
counts which would leave the least; only what is surely theirs, whatever they choose (`surely`), counts against a floor.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.playbook import Option, Remedy, Suggestion
from helpdesk.recovery.playbook_spec import IN_KIND

OF_ITS_OWN_PRICE: Final = frozenset(IN_KIND) - {"gift"}
"""Kinds that are the thing itself once more: measured by what was bought, and no goodwill."""
BACK: Final = frozenset({"refund", "partial_refund"})
Gives = tuple[tuple[str, int], ...]
"""Kind and minor units of each remedy of an offer, of which the customer takes one."""


@dataclass(frozen=True, slots=True)
class Already:
    """Of offers on one complaint, in one currency."""

    currency: str
    offers: tuple[Gives, ...] = ()

    @property
    def money(self) -> Money:
        """At most."""
        return self._money(sum(max(_in_money(gives)) for gives in self.offers))

    @property
    def surely(self) -> Money:
        """Money at least."""
        return self._money(sum(min(_in_money(gives)) for gives in self.offers))

    @property
    def is_money(self) -> bool:
        """Whatever is chosen; what costs nothing is no hindrance."""
        return all(kind in SETTLES or not minor for gives in self.offers for kind, minor in gives)

    def goodwill(self, owed: Money) -> Money:
        """At most, whatever is chosen: with T of it no money and M of it money, T + max(M - owed, 0) is the larger of T and
        T + M - owed, and of each of these the most is the sum of each offer's most.
        """
        beside = sum(max(_beside_money(gives)) for gives in self.offers)
        either = sum(max(map(sum, zip(_beside_money(gives), _in_money(gives), strict=True))) for gives in self.offers)
        return self._money(max(beside, either - owed.minor, 0))

    def of_kind(self, kind: str) -> Money:
        return self._money(sum(max(minor if kind == each else 0 for each, minor in gives) for gives in self.offers))

    def has(self, *kinds: str) -> bool:
        return any(each in kinds for gives in self.offers for each, _ in gives)

    def along_with(self, kind: str, amount: Money) -> "Already":
        return replace(self, offers=(*self.offers, ((kind, amount.minor),)))

    def _money(self, minor: int) -> Money:
        return Money(minor, self.currency)


def _in_money(gives: Gives) -> Iterator[int]:
    return (minor if kind in SETTLES else 0 for kind, minor in gives)


def _beside_money(gives: Gives) -> Iterator[int]:
    return (0 if kind in SETTLES or kind in OF_ITS_OWN_PRICE else minor for kind, minor in gives)


def left_of(found: Suggestion, already: Already) -> dict[str, Money]:
    """What is to be offered yet: owed, goodwill and offer, their sum."""
    owed = _less(found.owed, already.money)
    goodwill = _less(found.goodwill, already.goodwill(found.owed))
    return {"owed": owed, "goodwill": goodwill, "offer": owed + goodwill}


def offered(found: Suggestion, already: Already) -> dict[str, Money]:
    """How much of it is: owed and goodwill, and what is given in kind, in the order of the sums beside it."""
    in_kind = sum((already.of_kind(kind) for kind in sorted(OF_ITS_OWN_PRICE)), Money(0, already.currency))
    return {
        "owed": min(found.owed, already.money),
        "goodwill": already.goodwill(found.owed),
        "in_kind": in_kind,
    }


def remedies_left(found: Suggestion, already: Already) -> tuple[Remedy, ...]:
    return _remedies(found.remedies, found, already)


def alternatives_left(found: Suggestion, already: Already) -> tuple[Option, ...]:
    """Each with the remedies that are to be offered yet: none where all of it is."""
    return tuple(replace(option, remedies=_remedies(option.remedies, found, already)) for option in found.alternatives)


def _remedies(remedies: tuple[Remedy, ...], found: Suggestion, already: Already) -> tuple[Remedy, ...]:
    left = (_left(remedy, found, already) for remedy in remedies)
    return tuple(remedy for remedy in left if remedy is not None)


def _left(remedy: Remedy, found: Suggestion, already: Already) -> Remedy | None:
    if remedy.part in {"words", "kind"} or remedy.amount is None:
        return None if already.has(remedy.kind) else remedy
    given = already.money if remedy.part == "owed" else already.goodwill(found.owed)
    amount = _less(remedy.amount, given)
    if amount.minor == 0:
        return None
    is_part = remedy.kind == "refund" and amount < remedy.amount
    return replace(remedy, amount=amount, kind="partial_refund" if is_part else remedy.kind)


def _less(amount: Money, given: Money) -> Money:
    return max(amount - given, Money(0, amount.currency))


def as_data(found: Suggestion, already: Already) -> dict[str, Any]:
    """JSON-safe, to be kept with an offer."""
    sums = {"already_offered": offered(found, already), "remaining": left_of(found, already)}
    return {name: {part: dump_money(amount) for part, amount in parts.items()} for name, parts in sums.items()}
