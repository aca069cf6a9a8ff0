"""What is offered on a complaint already, and what that leaves of its suggestion. Pure.

Money pays what is owed first; what goes beyond that, and all that is no money, is goodwill. Whatever has not come to nothing
counts, drafts included: an offer in several parts is as much as one in one. Of an offer that lets the customer choose, that
counts which would leave the least; only what is surely theirs, whatever they choose (`surely`), counts against a floor.

Where complaints of several complainants were merged, what was offered before one of them came pays nothing that is owed to that one
(`Aside`): what of it goes beyond what is owed to the others is goodwill.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
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
class Aside:
    """What is owed to complainants for whom an offer does not count, and how much of it is laid down; minor units."""

    owed: int = 0
    statutory: int = 0


FOR_ALL: Final = Aside()


@dataclass(frozen=True, slots=True)
class Already:
    """Of offers on one complaint, in one currency. `asides`: of each offer, by its place; of one that is not there it is `FOR_ALL`. For
    whom one counts the next wider one does, too.
    """

    currency: str
    offers: tuple[Gives, ...] = ()
    asides: tuple[Aside, ...] = ()

    @property
    def money(self) -> Money:
        """At most."""
        return self._money(sum(max(in_money(gives)) for gives in self.offers))

    @property
    def surely(self) -> Money:
        """Money at least."""
        return self._money(sum(min(in_money(gives)) for gives in self.offers))

    def pays(self, owed: Money) -> Money:
        """How much of what is owed, at most."""
        return self._paid(owed, [(aside.owed, max(in_money(gives))) for aside, gives in self._each()])

    def surely_pays(self, statutory: Money) -> Money:
        """How much of what is laid down, whatever is chosen."""
        return self._paid(statutory, [(aside.statutory, min(in_money(gives))) for aside, gives in self._each()])

    def _paid(self, amount: Money, given: list[tuple[int, int]]) -> Money:
        paid = 0
        for aside in sorted({0, *(each for each, _ in given)}, reverse=True):
            paid += sum(minor for each, minor in given if each == aside)
            paid = min(paid, max(amount.minor - aside, 0))
        return self._money(paid)

    def _each(self) -> Iterator[tuple[Aside, Gives]]:
        """Offers that have no aside come last, and count for all."""
        rest = repeat(FOR_ALL, len(self.offers) - len(self.asides))
        return zip(chain(self.asides, rest), self.offers, strict=True)

    @property
    def is_money(self) -> bool:
        """Whatever is chosen; what costs nothing is no hindrance."""
        return all(kind in SETTLES or not minor for gives in self.offers for kind, minor in gives)

    def goodwill(self, owed: Money) -> Money:
        """At most, whatever is chosen: with T of it no money and M of it money, T + max(M - owed, 0) is the larger of T and
        T + M - owed, and of each of these the most is the sum of each offer's most. Of offers that do not count for all, likewise what
        they and the narrower ones have beyond what is owed to those for whom they do.
        """
        beside = [max(_beside_money(gives)) for gives in self.offers]
        either = [max(map(sum, zip(_beside_money(gives), in_money(gives), strict=True))) for gives in self.offers]
        asides = [aside.owed for aside, _ in self._each()]
        most = sum(beside)
        for limit in {0, *asides}:
            up_to = zip(asides, beside, either, strict=True)
            all_of_it = sum(both if aside >= limit else no_money for aside, no_money, both in up_to)
            most = max(most, all_of_it - max(owed.minor - limit, 0))
        return self._money(most)

    def of_kind(self, kind: str) -> Money:
        return self._money(sum(max(minor if kind == each else 0 for each, minor in gives) for gives in self.offers))

    def has(self, *kinds: str) -> bool:
        return any(each in kinds for gives in self.offers for each, _ in gives)

    def along_with(self, kind: str, amount: Money, aside: Aside = FOR_ALL) -> "Already":
        asides = (*(each for each, _ in self._each()), aside)
        return replace(self, offers=(*self.offers, ((kind, amount.minor),)), asides=asides)

    def _money(self, minor: int) -> Money:
        return Money(minor, self.currency)


def in_money(gives: Gives) -> Iterator[int]:
    return (minor if kind in SETTLES else 0 for kind, minor in gives)


def _beside_money(gives: Gives) -> Iterator[int]:
    return (0 if kind in SETTLES or kind in OF_ITS_OWN_PRICE else minor for kind, minor in gives)


def left_of(found: Suggestion, already: Already) -> dict[str, Money]:
    """What is to be offered yet: owed, goodwill and offer, their sum."""
    owed = _less(found.owed, already.pays(found.owed))
    goodwill = _less(found.goodwill, already.goodwill(found.owed))
    return {"owed": owed, "goodwill": goodwill, "offer": owed + goodwill}


def offered(found: Suggestion, already: Already) -> dict[str, Money]:
    """How much of it is: owed and goodwill, and what is given in kind, in the order of the sums beside it."""
    in_kind = sum((already.of_kind(kind) for kind in sorted(OF_ITS_OWN_PRICE)), Money(0, already.currency))
    return {
        "owed": already.pays(found.owed),
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
    given = already.pays(found.owed) if remedy.part == "owed" else already.goodwill(found.owed)
    amount = _less(remedy.amount, given)
    if amount.minor == 0:
        return None
    is_part = remedy.kind == "refund" and amount < remedy.amount
    return replace(remedy, amount=amount, kind="partial_refund" if is_part else remedy.kind)


def fits(kind: str, amount: Money | None, found: Suggestion, already: Already) -> bool:
    """Whether that is no more than what is to be offered yet: money back than what is owed, other money than all of it, and anything
    else than goodwill.
    """
    if amount is None:
        return True
    left = left_of(found, already)
    if amount.currency != already.currency:
        return False
    if kind in BACK or kind in OF_ITS_OWN_PRICE:
        return amount <= left["owed"]
    return amount <= left["offer" if kind in SETTLES else "goodwill"]


def _less(amount: Money, given: Money) -> Money:
    return max(amount - given, Money(0, amount.currency))


def as_data(found: Suggestion, already: Already) -> dict[str, Any]:
    """JSON-safe, to be kept with an offer."""
    sums = {"already_offered": offered(found, already), "remaining": left_of(found, already)}
    return {name: {part: dump_money(amount) for part, amount in parts.items()} for name, parts in sums.items()}
