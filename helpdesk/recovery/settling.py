"""Whom an offer counts for, where complaints of several complainants were merged: those whose matters were in its complaint when it was
drafted, its own first. So what was offered before somebody else's complaint came is not held against what is owed to them, and
what was offered for both is not owed again when both go on elsewhere. Pure.

Of several the narrowest is counted first: what one complainant alone was offered leaves more for those whom they share another with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from helpdesk.complaints.merge_models import Merge
from helpdesk.recovery.remaining import Aside, Gives, in_money


@dataclass(frozen=True, slots=True)
class Drafted:
    """An offer that has not come to nothing. `complaint_id`: where it is; `home`: where it was drafted. `currency` None: it is no money."""

    id: UUID
    complaint_id: UUID
    home: UUID
    at: datetime
    currency: str | None
    gives: Gives

    def surely(self, currency: str) -> int:
        """Money at least, in minor units."""
        return min(in_money(self.gives)) if self.currency == currency else 0


Claims = dict[str, int]
"""What is owed to one complainant: currency -> minor units."""


@dataclass(frozen=True, slots=True)
class Settled:
    """`taken`: of the claims of each, by what was offered on complaints that go on in this one: without what is their own of the first
    one, whose offers count here (`elsewhere`). `scopes`: offers of this complaint -> places of those for whom they count, where not all.
    """

    taken: tuple[Claims, ...]
    elsewhere: tuple[Drafted, ...]
    scopes: Mapping[UUID, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Shares:
    """What `Already` needs of it, in one currency. `asides`: of offers of this complaint; `beside`: what counts here and is elsewhere."""

    asides: Mapping[UUID, Aside]
    beside: tuple[tuple[Aside, Gives], ...]


NO_SHARES = Shares({}, ())


def was_in(home: UUID, at: datetime, merges: Sequence[Merge]) -> list[UUID]:
    """The complaint and those that went on in it then. `merges`: undone ones too."""
    found = [home]
    for one in found:  # which grows meanwhile
        found += [
            it.source_id
            for it in merges
            if it.survivor_id == one
            and it.merged_at <= at
            and (it.undone_at is None or it.undone_at > at)
            and it.source_id not in found
        ]
    return found


def settle(
    drafted: Sequence[Drafted],
    here: UUID,
    people: Sequence[Iterable[UUID]],
    claims: Sequence[Claims],
    merges: Sequence[Merge],
) -> Settled:
    """`people`: the complaints of each complainant, those of whoever complains here first; `claims`: what is owed to each."""
    place = {one: number for number, complaints in enumerate(people) for one in complaints}
    scopes = {it.id: _places(it, place, merges) for it in drafted}
    left = [dict(each) for each in claims]
    taken: tuple[Claims, ...] = tuple({} for _ in claims)
    elsewhere = []
    for it in sorted(drafted, key=lambda it: len(scopes[it.id])):
        scope = scopes[it.id]
        alone = scope == [0]
        if alone and it.complaint_id != here:
            elsewhere.append(it)
        if it.currency is None or (it.complaint_id == here and not alone):
            continue
        rest = it.surely(it.currency)
        for number in scope:
            off = min(rest, left[number].get(it.currency, 0))
            rest -= off
            left[number][it.currency] = left[number].get(it.currency, 0) - off
            if not alone:
                taken[number][it.currency] = taken[number].get(it.currency, 0) + off
    narrow = {
        it.id: frozenset(scopes[it.id])
        for it in drafted
        if it.complaint_id == here and len(scopes[it.id]) < len(claims)
    }
    return Settled(taken, tuple(elsewhere), narrow)


def _places(it: Drafted, place: Mapping[UUID, int], merges: Sequence[Merge]) -> list[int]:
    """Its own complainant first."""
    there = [place[one] for one in was_in(it.home, it.at, merges) if one in place]
    return list(dict.fromkeys(there)) or [place[it.complaint_id]]


def shares(settled: Settled, currency: str, rest: Sequence[Aside]) -> Shares:
    """`rest`: what is owed to each yet, nothing of the first one, whose matter is everybody's here."""
    whole = range(len(rest))

    def without(scope: Iterable[int]) -> Aside:
        missing = [rest[number] for number in whole if number not in set(scope)]
        return Aside(sum(it.owed for it in missing), sum(it.statutory for it in missing))

    own = without([0])
    beside = [(own, it.gives) for it in settled.elsewhere if it.currency in {None, currency}]
    shared = settled.taken[0].get(currency, 0)
    if shared:
        beside.append((own, (("partial_refund", shared),)))
    return Shares({one: without(scope) for one, scope in settled.scopes.items()}, tuple(beside))
