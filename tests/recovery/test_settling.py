"""For whom offers count, as arithmetic: against every way in which customers choose, paid out one after another.

How it can fail: money counts for somebody who came later; two offers count for the same amount twice; of two that may be chosen
the wrong one is taken for the most.
"""

from datetime import UTC, datetime, timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.money import Money
from helpdesk.recovery import settling
from helpdesk.recovery.kinds import PAYING, SETTLES
from helpdesk.recovery.remaining import OF_ITS_OWN_PRICE, Already, Aside, Gives
from helpdesk.recovery.settling import Drafted

_GIVES = st.lists(st.tuples(st.sampled_from(sorted(PAYING)), st.integers(1, 300)), min_size=1, max_size=2).map(tuple)
_OFFERS = st.lists(st.tuples(st.integers(0, 2), _GIVES), max_size=4)
"""With how many of the later complainants were there."""


@given(_OFFERS, st.lists(st.integers(0, 300), min_size=3, max_size=3))
def test_it_pays_whoever_was_there(offers: list[tuple[int, Gives]], claims: list[int]) -> None:
    already = Already(
        "EUR",
        tuple(gives for _, gives in offers),
        tuple(Aside(sum(claims[stage + 1 :]), sum(claims[stage + 1 :])) for stage, _ in offers),
    )
    paid, goodwill = [], []
    for chosen in product(*(gives for _, gives in offers)):
        left, covered, beside = list(claims), 0, 0
        for stage, (kind, minor) in sorted(zip((stage for stage, _ in offers), chosen, strict=True)):
            rest = minor if kind in SETTLES else 0
            for number in range(stage + 1):
                off = min(rest, left[number])
                rest, left[number], covered = rest - off, left[number] - off, covered + off
            beside += rest if kind in SETTLES else 0 if kind in OF_ITS_OWN_PRICE else minor
        paid.append(covered)
        goodwill.append(beside)
    owed = Money(sum(claims), "EUR")
    assert already.pays(owed) == Money(max(paid), "EUR")
    assert already.surely_pays(owed) == Money(min(paid), "EUR")
    assert already.goodwill(owed) == Money(max(goodwill), "EUR")


START = datetime(2026, 3, 2, tzinfo=UTC)
A, B, C = (UUID(int=number) for number in (1, 2, 3))


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def merged(source: UUID, survivor: UUID, since: int, until: int | None = None) -> Any:
    return SimpleNamespace(
        source_id=source, survivor_id=survivor, merged_at=at(since), undone_at=None if until is None else at(until)
    )


def refund(number: int, home: UUID, hour: int, minor: int) -> Drafted:
    return Drafted(UUID(int=100 + number), home, home, at(hour), "EUR", (("refund", minor),))


MERGES = [merged(A, B, 2, 4), merged(A, B, 6), merged(B, C, 8)]


def test_what_was_in_it_then() -> None:
    found = [settling.was_in(home, at(hour), MERGES) for home, hour in ((B, 1), (B, 3), (B, 5), (B, 7), (C, 7), (C, 9))]
    assert found == [[B], [B, A], [B], [B, A], [C], [C, B, A]]


@given(
    st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, 9), st.integers(1, 90)), max_size=5),
    st.lists(st.integers(0, 90), min_size=3, max_size=3),
)
def test_nobody_is_paid_more_than_was_offered_to_them(offers: list[tuple[UUID, int, int]], owed: list[int]) -> None:
    drafted = [refund(number, *offer) for number, offer in enumerate(offers)]
    found = settling.settle(drafted, C, [[C], [B], [A]], [{"EUR": minor} for minor in owed], MERGES)
    taken = [each.get("EUR", 0) for each in found.taken]
    away = [(home, hour, minor) for home, hour, minor in offers if home != C]
    assert taken[0] == 0, "what was offered there was never for whoever complains here"
    assert taken[1] == min(owed[1], taken[1])
    assert sum(taken) <= sum(minor for _, _, minor in away)
    for_a_alone = sum(minor for home, _, minor in away if home == A)
    for_b_alone = sum(minor for home, hour, minor in away if home == B and hour in {0, 1, 4, 5})
    assert taken[2] >= min(owed[2], for_a_alone)
    assert taken[1] >= min(owed[1], for_b_alone)
    both = sum(minor for _, _, minor in away) - for_a_alone - for_b_alone
    alone = min(owed[2], for_a_alone) + min(owed[1], for_b_alone)
    assert sum(taken) == min(owed[1] + owed[2], alone + both)
