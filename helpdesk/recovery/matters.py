"""What is laid down, was stated and was lost in each matter of a complaint into which others were merged. Of one customer it is one
matter; that of another complainant is another one, reckoned by itself (with its own set-off, less what they were offered there).

In one matter each complaint is read by its own jurisdiction and day: with its own facts alone, and with what the others tell and it
does not. Of each tariff that counts which comes to most, and so of what was recorded (`statutory`) and lost, in each currency:
so a merge never lowers what is owed. What cannot be told of one of them stays said until it is told, or stated of that one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.recovery import override_queries, rule_facts, settling
from helpdesk.recovery.case_fact_queries import Recorded, Told, together
from helpdesk.recovery.case_facts import ALONE, FACTS, Known
from helpdesk.recovery.playbook import Lost
from helpdesk.recovery.remaining import Aside
from helpdesk.recovery.settling import NO_SHARES, Claims, Settled, Shares
from helpdesk.recovery.tariff_methods import Outcome
from helpdesk.recovery.tariffs_in_force import Laid, Tariffs

LAID_DOWN: Final = frozenset({"statutory", "tariff"})


@dataclass(frozen=True, slots=True)
class Stated:
    """An amount of a case and what it is (`case_facts.ELSEWHERE`). In another currency than the case is reckoned in it is told, and not
    added up. `merged`: it was recorded of a complaint that was merged into this one.
    """

    what: str
    amount: Money
    tariff: str | None = None
    other_complainant: bool = False
    merged: bool = False

    def as_data(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "what": self.what,
            "amount": dump_money(self.amount),
            "tariff": self.tariff,
            "other_complainant": self.other_complainant,
        }


@dataclass(frozen=True, slots=True)
class Matter:
    """`stated`: what was recorded as laid down, the most in each currency; `lost`: likewise."""

    laid: tuple[Laid, ...]
    stated: tuple[Stated, ...]
    lost: tuple[Lost, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A complaint as tariffs see it. `values`: without the facts of its case."""

    told: Told
    values: Mapping[str, Any]
    merged: bool


def own(session: Session, told: Sequence[Told], tariffs: Tariffs, values: Mapping[str, Any], now: datetime) -> Matter:
    """Of whoever complains. `told`: `Recorded.mine`, with what is asked for among the facts of each; `values`: of the first one."""
    first, *rest = told
    bare = {name: value for name, value in values.items() if name not in FACTS}
    read = [Read(first, bare, merged=False), *(_read(session, one, tariffs, now) for one in rest)]
    lost = (Lost(amount) for amount in _most(one.loss for one in told))
    return Matter(tuple(laid_down(read, tariffs)), tuple(_stated(read)), tuple(lost))


def _read(session: Session, told: Told, tariffs: Tariffs, now: datetime) -> Read:
    return Read(told, rule_facts.values_of(session, told.complaint, tariffs.wanted, now, told.instead), merged=True)


@dataclass(frozen=True, slots=True)
class Others:
    """`matters`: of each other complainant what is owed yet. `settled` None: nobody else's complaint ever was merged into this one."""

    matters: tuple[Matter, ...] = ()
    settled: Settled | None = None

    def shares(self, currency: str) -> Shares:
        if self.settled is None:
            return NO_SHARES
        return settling.shares(self.settled, currency, [Aside(), *(_yet(matter, currency) for matter in self.matters)])


def of_others(session: Session, mine: Matter, recorded: Recorded, tariffs: Tariffs) -> Others:
    """Less what they were offered before they came here, which stays with them: first of what is stated, then of what tariffs lay down,
    then of what was lost.
    """
    if not recorded.others and not recorded.crossed:
        return Others()
    wholes = [_of_another(session, told, tariffs, recorded.now) for told in recorded.others]
    people = [[one.complaint.id for one in told] for told in (recorded.mine, *recorded.others)]
    here, *_ = people[0]
    settled = settling.settle(
        override_queries.drafted(session, [one for each in people for one in each]),
        here,
        people,
        [_claims(matter) for matter in (_net(mine), *wholes)],
        recorded.merges,
    )
    paid = [_Paid(dict(taken)) for taken in settled.taken[1:]]
    return Others(tuple(_rest(whole, each) for whole, each in zip(wholes, paid, strict=True)), settled)


def _of_another(session: Session, told: Sequence[Told], tariffs: Tariffs, now: datetime) -> Matter:
    read = [_read(session, one, tariffs, now) for one in told]
    lost = tuple(Lost(amount) for amount in _most(one.loss for one in told))
    return _net(Matter(tuple(laid_down(read, tariffs)), tuple(_stated(read)), lost))


def _net(matter: Matter) -> Matter:
    """With its own set-off."""
    return replace(matter, lost=tuple(_less_set_off(it.amount, matter.laid) for it in matter.lost))


def _claims(matter: Matter) -> Claims:
    found: Claims = {}
    for amount in _amounts(matter):
        found[amount.currency] = found.get(amount.currency, 0) + amount.minor
    return found


def _amounts(matter: Matter) -> Iterator[Money]:
    yield from _laid_amounts(matter)
    yield from (it.amount for it in matter.lost)


def _laid_amounts(matter: Matter) -> Iterator[Money]:
    yield from (it.amount for it in matter.stated)
    yield from (it.outcome.amount for it in matter.laid if it.outcome.amount is not None)


def _yet(matter: Matter, currency: str) -> Aside:
    owed = sum(it.minor for it in _amounts(matter) if it.currency == currency)
    return Aside(owed, sum(it.minor for it in _laid_amounts(matter) if it.currency == currency))


def _rest(whole: Matter, paid: "_Paid") -> Matter:
    """In this order."""
    stated = [replace(it, amount=paid.off(it.amount), other_complainant=True) for it in whole.stated]
    laid = [replace(it, outcome=_less_paid(it, paid), other_complainant=True) for it in whole.laid]
    lost = [_less_offered(it, paid) for it in whole.lost]
    return Matter(tuple(laid), tuple(stated), tuple(lost))


@dataclass(slots=True)
class _Paid:
    """What another complainant was offered of what is owed to them, as far as it has not been taken off yet: currency -> minor units."""

    left: Claims

    def off(self, amount: Money) -> Money:
        off = min(amount.minor, self.left.get(amount.currency, 0))
        self.left[amount.currency] = self.left.get(amount.currency, 0) - off
        return amount - Money(off, amount.currency)


def _less_paid(laid: Laid, paid: _Paid) -> Outcome:
    outcome = laid.outcome
    if outcome.amount is None:
        return outcome
    rest = paid.off(outcome.amount)
    off = {"step": "offered", "value": str(outcome.amount - rest), "because": "what they were offered there"}
    return replace(outcome, amount=rest, steps=(*outcome.steps, off))


def _less_set_off(loss: Money, laid: Iterable[Laid]) -> Lost:
    amounts = (it.outcome.amount for it in laid if it.version is not None and it.version.spec["set_off"])
    off = sum((it for it in amounts if it is not None and it.currency == loss.currency), Money(0, loss.currency))
    net = loss - min(off, loss)
    return Lost(net, {"proven_loss": str(loss), "set_off": str(loss - net)})


def _less_offered(lost: Lost, paid: _Paid) -> Lost:
    rest = paid.off(lost.amount)
    return Lost(rest, {**lost.evidence, "offered": str(lost.amount - rest), "other_complainant": True})


def laid_down(read: Sequence[Read], tariffs: Tariffs) -> Iterator[Laid]:
    """By tariff: what comes to most, in each currency, and beside it what cannot be told; else why nothing is laid down."""
    found: dict[str, list[_Reading]] = {}
    for one in read:
        for reading in _readings(one, [it for it in read if it is not one], tariffs):
            found.setdefault(reading.laid.tariff, []).append(reading)
    for tariff in sorted(found):
        each = found[tariff]
        untold = [it for it in each if it.laid.outcome.applies is None]
        asking = [it.laid for it in untold if it.by_itself] or [it.laid for it in untold[:1]]
        yield from [*_comes_to_most(each), *asking] or [each[0].laid]


@dataclass(frozen=True, slots=True)
class _Reading:
    """`by_itself`: the complaint says so by its own facts, and not only by those of another one."""

    laid: Laid
    by_itself: bool = True


def _comes_to_most(read: Iterable[_Reading]) -> Iterator[Laid]:
    """In each currency; of two that come to the same that which says so by itself, so that it is known whose facts they are."""
    most: dict[str, tuple[Money, Laid]] = {}
    for laid in (it.laid for it in sorted(read, key=lambda it: not it.by_itself)):
        amount = laid.outcome.amount
        if amount is not None and (amount.currency not in most or most[amount.currency][0] < amount):
            most[amount.currency] = amount, laid
    yield from (laid for _, laid in most.values())


def _readings(one: Read, others: Sequence[Read], tariffs: Tariffs) -> Iterator[_Reading]:
    known = one.told.facts
    stated = {known["statutory"].currency} if "statutory" in known else set()
    alone = _lay_down(one, known, tariffs, stated)
    if not others:
        yield from map(_Reading, alone)
        return
    says = {(laid.tariff, laid.outcome.amount) for laid in alone if laid.outcome.applies is not False}
    by_anybody = {it.amount.currency for it in _stated([one, *others])}
    completed = _lay_down(one, together([one.told, *(it.told for it in others)]), tariffs, by_anybody)
    for laid in completed:
        by_itself = (laid.tariff, laid.outcome.amount) in says
        yield _Reading(replace(laid, stated=laid.currency in stated) if by_itself else laid, by_itself)
    seen = {laid.tariff for laid in completed}
    yield from (_Reading(it) for it in alone if it.outcome.amount is not None or it.tariff not in seen)


def _lay_down(one: Read, known: Known, tariffs: Tariffs, stated: set[str]) -> list[Laid]:
    """`stated`: in which currencies somebody has said what it comes to."""
    complaint = one.told.complaint
    day = known.get("happened_on") or complaint.received_at.date()
    values = {**one.values, **known, "happened_on": day, "passengers": known.get("passengers") or ALONE}
    return [
        replace(
            laid,
            complaint_id=complaint.id if one.merged else None,
            stated=laid.currency in stated,
            can_be_stated=laid.currency is not None and complaint.currency in {None, laid.currency},
        )
        for laid in tariffs.of_case(day, values, known)
    ]


def _stated(read: Iterable[Read]) -> Iterator[Stated]:
    found: dict[str, Stated] = {}
    for one in read:
        amount: Money | None = one.told.facts.get("statutory")
        if amount is not None and (amount.currency not in found or found[amount.currency].amount < amount):
            found[amount.currency] = Stated("statutory", amount, merged=one.merged)
    yield from found.values()


def _most(amounts: Iterable[Money | None]) -> list[Money]:
    """In each currency."""
    found: dict[str, Money] = {}
    for amount in amounts:
        if amount is not None:
            found[amount.currency] = max(amount, found.get(amount.currency, amount))
    return list(found.values())
