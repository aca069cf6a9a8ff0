"""The score of a claim, and what speaks for it.

How it can fail: a complaint that was told twice counts twice; a limit that is reached or not; a price of nothing; a score below
0 or above 100; points of 0 that still speak; a heap of suspicions that outweighs a proven fault; a line without a look.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.recovery import claim_score
from helpdesk.recovery.claim_score import Claim, Earlier, score
from helpdesk.recovery.guard_rules import LINES, PROTECTIONS, SHIPPED, SIGNALS, GuardRules

RULES = GuardRules.of(1, SHIPPED)


def earlier(**more: Any) -> Earlier:
    known: dict[str, Any] = {
        "id": uuid4(),
        "same_matter": False,
        "likeness": 10,
        "decided": False,
        "upheld": False,
        "paid": False,
        "remedied_before": None,
        "other_price": False,
    }
    return Earlier(**(known | more))


def codes(claim: Claim, rules: GuardRules = RULES) -> dict[str, int]:
    return {reason.code: reason.points for reason in score(claim, rules).reasons}


def with_line(code: str, **values: int) -> GuardRules:
    lines = [item | (values if item["code"] == code else {}) for item in SHIPPED["lines"]]
    return GuardRules.of(2, SHIPPED | {"lines": lines})


def test_every_line_has_a_look() -> None:
    assert list(claim_score._LOOKS) == list(LINES) == [*SIGNALS, *PROTECTIONS]


def test_nothing_known_is_nothing_against_anybody() -> None:
    found = score(Claim(earlier=[]), RULES)
    assert (found.score, found.reasons, found.review) == (0, (), False)


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (Claim(earlier=[earlier() for _ in range(4)]), "many_claims"),
        (Claim(earlier=[earlier(decided=True, paid=True) for _ in range(3)]), "mostly_compensated"),
        (Claim(earlier=[], lost=201, price=200), "above_price"),
        (Claim(earlier=[], lost=1, price=0), "above_price"),
        (Claim(earlier=[], bought_before=1), "soon_after_purchase"),
        (Claim(earlier=[earlier(remedied_before=30)]), "soon_after_remedy"),
        (Claim(earlier=[earlier(likeness=80)]), "same_text"),
        (Claim(earlier=[earlier(other_price=True)]), "contradiction"),
        (Claim(earlier=[], bought_before=-1), "contradiction"),
        (Claim(earlier=[], sharing=3), "shared_contact"),
        (Claim(earlier=[], known_for=730), "long_standing"),
        (Claim(earlier=[earlier(upheld=True)]), "upheld_before"),
        (Claim(earlier=[], firm_at_fault=True), "firm_at_fault"),
        (Claim(earlier=[], regulator=True), "regulator"),
        (Claim(earlier=[], documented=True), "documented"),
    ],
)
def test_each_by_itself_at_its_limit(claim: Claim, code: str) -> None:
    sign = 1 if code in SIGNALS else -1
    assert codes(claim) == {code: sign * LINES[code].points}
    assert codes(claim, with_line(code, points=0)) == {}, "0 points: it is not looked at"


@pytest.mark.parametrize(
    "claim",
    [
        Claim(earlier=[earlier() for _ in range(3)]),
        Claim(earlier=[earlier(decided=True, paid=True) for _ in range(2)]),
        Claim(earlier=[earlier(decided=True, paid=paid) for paid in (True, True, False)]),
        Claim(earlier=[], lost=200, price=200),
        Claim(earlier=[], lost=200),
        Claim(earlier=[], bought_before=2),
        Claim(earlier=[earlier(remedied_before=31)]),
        Claim(earlier=[earlier(likeness=79)]),
        Claim(earlier=[], sharing=2),
        Claim(earlier=[], known_for=729),
    ],
)
def test_just_below_its_limit(claim: Claim) -> None:
    assert codes(claim) == {}


def test_what_was_told_twice_is_no_sign() -> None:
    again = [earlier(same_matter=True, likeness=100, remedied_before=1, decided=True, paid=True) for _ in range(9)]
    assert codes(Claim(earlier=again)) == {}


def test_a_proven_fault_outweighs_a_heap_of_suspicions() -> None:
    heap = [
        earlier(likeness=100, decided=True, paid=True, remedied_before=1, other_price=True, upheld=True)
        for _ in range(9)
    ]
    suspect = Claim(earlier=heap, lost=900, price=1, bought_before=0, sharing=9)
    assert score(suspect, RULES).review
    cleared = Claim(
        earlier=heap, lost=900, price=1, bought_before=0, sharing=9, firm_at_fault=True, documented=True, known_for=999
    )
    assert not score(cleared, RULES).review


def test_reasons_tell_where_they_were_found() -> None:
    one, other = earlier(likeness=90), earlier(likeness=10)
    reason = next(r for r in score(Claim(earlier=[one, other]), RULES).reasons if r.code == "same_text")
    assert (reason.complaints, reason.evidence) == ((one.id,), {"likeness": 90})
    assert "90 %" in reason.because


EARLIER = st.builds(
    Earlier,
    id=st.just(UUID(int=1)),
    same_matter=st.booleans(),
    likeness=st.integers(0, 100),
    decided=st.booleans(),
    upheld=st.booleans(),
    paid=st.booleans(),
    remedied_before=st.none() | st.integers(0, 900),
    other_price=st.booleans(),
)
CLAIMS = st.builds(
    Claim,
    earlier=st.lists(EARLIER, max_size=8),
    lost=st.none() | st.integers(0, 2**53),
    price=st.none() | st.integers(0, 2**53),
    bought_before=st.none() | st.integers(-900, 900),
    sharing=st.integers(0, 50),
    known_for=st.none() | st.integers(0, 9_999),
    firm_at_fault=st.booleans(),
    regulator=st.booleans(),
    documented=st.booleans(),
)


@given(CLAIMS)
def test_whatever_is_known(claim: Claim) -> None:
    found = score(claim, RULES)
    assert 0 <= found.score <= 100
    assert [reason.code for reason in found.reasons] == [code for code in LINES if code in codes(claim)]


@given(CLAIMS)
def test_what_speaks_for_somebody_never_raises_it(claim: Claim) -> None:
    known = Claim(
        earlier=claim.earlier,
        lost=claim.lost,
        price=claim.price,
        bought_before=claim.bought_before,
        sharing=claim.sharing,
        known_for=9_999,
        firm_at_fault=True,
        regulator=True,
        documented=True,
    )
    assert score(known, RULES).score <= score(claim, RULES).score


def test_a_line_that_a_version_does_not_know_is_as_shipped() -> None:
    rules = GuardRules.of(7, SHIPPED | {"lines": []})
    assert rules.lines["same_text"].points == SIGNALS["same_text"].points
