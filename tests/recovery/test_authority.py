"""Limits as data: reached is allowed, passed by one minor unit is not."""

import pytest

from helpdesk.identity.allowances import NOTHING, SHIPPED, Allowances, Limits
from helpdesk.kernel.money import Money
from helpdesk.recovery.authority import Granted, Sums, Verdict, excesses, judge

TABLE = Allowances.of(1, SHIPPED)
AUTHORITIES = ("agent", "senior", "manager", "director")


def limits(held: str) -> Limits:
    return TABLE.limits(held, "EUR", None)


def euro(amount: int) -> Money:
    return Money(amount * 100, "EUR")


@pytest.mark.parametrize("held", AUTHORITIES)
def test_a_limit_may_be_reached_but_not_passed(held: str) -> None:
    case = int(limits(held).case)
    assert excesses(limits(held), euro(case), Granted()) == []
    over = excesses(limits(held), Money(case * 100 + 1, "EUR"), Granted())
    assert [item.limit for item in over] == ["case"]
    assert over[0].allowed == euro(case)


@pytest.mark.parametrize(
    ("granted", "limit"),
    [(Granted(case=20_01), "case"), (Granted(customer=120_01), "customer"), (Granted(day=470_01), "day")],
)
def test_what_was_granted_before_counts(granted: Granted, limit: str) -> None:
    assert [item.limit for item in excesses(limits("agent"), euro(30), granted)] == [limit]


def test_no_authority_nothing_to_give() -> None:
    assert limits("none") == NOTHING
    assert (
        judge(TABLE, "none", excesses(limits("none"), Money(1, "EUR"), Granted()), endorsed=True) is Verdict.NOT_ENOUGH
    )


def test_limits_are_nominal_in_any_currency() -> None:
    assert excesses(limits("agent"), Money(50, "JPY"), Granted()) == []
    assert excesses(limits("agent"), Money(51, "JPY"), Granted())
    assert excesses(limits("agent"), Money(50_000, "KWD"), Granted()) == []


def test_all_currencies_of_the_general_row_are_added_up() -> None:
    content = {**SHIPPED, "limits": [*SHIPPED["limits"], {**SHIPPED["limits"][0], "currency": "JPY", "case": "5000"}]}
    table = Allowances.of(2, content)
    before = Sums(case={"EUR": 10_00, "USD": 10_50, "JPY": 4_000})

    def granted(held: str, currency: str) -> int:
        return before.granted(currency, lambda other: table.counts_with(held, currency, None, other)).case

    assert granted("agent", "EUR") == 20_50
    assert granted("agent", "JPY") == 4_000  # an agent's yen have a row of their own
    assert granted("senior", "EUR") == 4_020_50
    assert granted("senior", "JPY") == 4_021


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
    over = excesses(limits(held), euro(10_001), Granted())
    assert judge(TABLE, held, over, endorsed=endorsed) is verdict
