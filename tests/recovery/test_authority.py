"""Limits as data: reached is allowed, passed by one minor unit is not."""

import pytest

from helpdesk.identity.allowances import LIMITS
from helpdesk.kernel.money import Money
from helpdesk.recovery.authority import Granted, Verdict, excesses, judge


def euro(amount: int) -> Money:
    return Money(amount * 100, "EUR")


@pytest.mark.parametrize("held", LIMITS)
def test_a_limit_may_be_reached_but_not_passed(held: str) -> None:
    case = LIMITS[held].case
    assert excesses(held, euro(case), Granted()) == []
    over = excesses(held, Money(case * 100 + 1, "EUR"), Granted())
    assert [item.limit for item in over] == ["case"]
    assert over[0].allowed == euro(case)


@pytest.mark.parametrize(
    ("granted", "limit"),
    [(Granted(case=20_01), "case"), (Granted(customer=120_01), "customer"), (Granted(day=470_01), "day")],
)
def test_what_was_granted_before_counts(granted: Granted, limit: str) -> None:
    assert [item.limit for item in excesses("agent", euro(30), granted)] == [limit]


@pytest.mark.parametrize("held", ["none", "", "stranger"])
def test_no_authority_nothing_to_give(held: str) -> None:
    assert judge(held, excesses(held, Money(1, "EUR"), Granted()), endorsed=True) is Verdict.NOT_ENOUGH


def test_limits_are_nominal_in_any_currency() -> None:
    assert excesses("agent", Money(50, "JPY"), Granted()) == []
    assert excesses("agent", Money(51, "JPY"), Granted())
    assert excesses("agent", Money(50_000, "KWD"), Granted()) == []


@pytest.mark.parametrize(
    ("held", "endorsed", "verdict"),
    [
        ("manager", False, Verdict.NOT_ENOUGH),
        ("manager", True, Verdict.NOT_ENOUGH),
        ("director", False, Verdict.SECOND_NEEDED),
        ("director", True, Verdict.ENOUGH),
    ],
)
def test_above_the_top_two_directors(held: str, endorsed: bool, verdict: Verdict) -> None:
    over = excesses(held, euro(10_001), Granted())
    assert judge(held, over, endorsed=endorsed) is verdict
