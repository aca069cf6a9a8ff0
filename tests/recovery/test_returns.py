"""The worked examples of the formulas.

How it can fail: a cost of nothing; a loss instead of a gain; currencies without cents; rounding twice.
"""

from decimal import Decimal

import pytest

from helpdesk.kernel.money import Money, MoneyError
from helpdesk.recovery.returns import Risk, customers_at_risk, recovery_return, retained_value, value_at_risk


def eur(amount: str) -> Money:
    return Money.parse(amount, "EUR")


def test_return_as_worked_out() -> None:
    assert recovery_return(eur("8000"), eur("2500")) == Decimal("2.2")


def test_no_return_on_nothing() -> None:
    assert recovery_return(eur("8000"), eur("0")) is None


def test_what_was_lost_is_below_zero() -> None:
    assert recovery_return(eur("0"), eur("2500")) == -1
    assert recovery_return(eur("1"), eur("3")) == Decimal("-0.6667")


def test_currencies_are_not_mixed() -> None:
    with pytest.raises(MoneyError):
        recovery_return(Money(1, "JPY"), eur("1"))


def test_retained_is_rounded_once() -> None:
    assert retained_value(3, Decimal("0.5"), eur("0.33")) == eur("0.50")
    assert retained_value(3, Decimal("0.5"), Money(33, "JPY")) == Money(50, "JPY")
    assert retained_value(0, Decimal(1), eur("100")) == eur("0")


def test_value_at_risk_as_worked_out() -> None:
    shares = ("0.05", "0.3", "0.6", "0.5", "0.4")
    risk = Risk(10_000, *(Decimal(share) for share in shares))
    assert customers_at_risk(risk) == 170
    assert value_at_risk(risk, eur("200")) == eur("34000")
