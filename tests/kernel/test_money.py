"""Amounts of money.

How it can fail: a cent is lost on the way through text, minor units and back; more decimals than a currency has are
rounded silently; two currencies are added; digits of another script or an exponent pass for an amount; what was paid in a
currency that has gone out of use cannot be shown any more.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.money import MAX_MINOR, Money, MoneyError, currencies, exponent, format_minor, nominal

minors = st.integers(-MAX_MINOR, MAX_MINOR)
codes = st.sampled_from(sorted(currencies()))


class TestRoundTrip:
    @given(minors, codes)
    def test_no_cent_is_lost(self, minor: int, currency: str) -> None:
        text = format_minor(minor, currency)
        assert Money.parse(text, currency) == Money(minor, currency)
        assert str(Money(minor, currency)) == text
        assert Money(minor, currency).decimal == Decimal(text)

    @pytest.mark.parametrize(
        ("minor", "currency", "text"),
        [
            (2500, "EUR", "25.00"),
            (5, "EUR", "0.05"),
            (-5, "EUR", "-0.05"),
            (-2505, "EUR", "-25.05"),
            (0, "EUR", "0.00"),
            (1234, "JPY", "1234"),
            (1234, "KWD", "1.234"),
            (1, "KWD", "0.001"),
            (MAX_MINOR, "CNY", "90071992547409.92"),
        ],
    )
    def test_written_by_hand(self, minor: int, currency: str, text: str) -> None:
        assert format_minor(minor, currency) == text
        assert Money.parse(text, currency).minor == minor


class TestParse:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "1,5",
            "1.",
            ".5",
            "1e3",
            "+1",
            "0x1",
            "1_000",
            "NaN",
            "Infinity",
            "--1",
            "1 ",
            "1\n",
            "٢٥",
            "\uff12\uff15",
            "1.5.5",
            "9" * 17,
            "1." + "0" * 9,
        ],
    )
    def test_not_an_amount(self, text: str) -> None:
        with pytest.raises(MoneyError):
            Money.parse(text, "EUR")

    @pytest.mark.parametrize(("text", "currency"), [("1.005", "EUR"), ("1.5", "JPY"), ("0.0001", "KWD")])
    def test_more_decimals_than_the_currency_has(self, text: str, currency: str) -> None:
        with pytest.raises(MoneyError, match="decimal places"):
            Money.parse(text, currency)

    def test_noughts_beyond_the_currencys_are_no_decimals(self) -> None:
        assert Money.parse("1.500", "EUR") == Money(150, "EUR")
        assert Money.parse("3.0", "JPY") == Money(3, "JPY")

    def test_too_large(self) -> None:
        assert Money.parse(str(MAX_MINOR), "JPY").minor == MAX_MINOR
        for text in (str(MAX_MINOR + 1), str(-MAX_MINOR - 1)):
            with pytest.raises(MoneyError, match="too large"):
                Money.parse(text, "JPY")

    @pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "DEM", "E\x00R", "欧元"])
    def test_not_a_currency_in_use(self, code: str) -> None:
        with pytest.raises(MoneyError, match="ISO 4217"):
            Money.parse("1", code)

    @pytest.mark.parametrize(("code", "text"), [("HRK", "25.00"), ("DEM", "25.00"), ("ITL", "2500")])
    def test_one_out_of_use_is_shown_and_not_taken(self, code: str, text: str) -> None:
        paid = Money(2500, code)
        assert (str(paid), str(paid.decimal), str(paid + paid)) == (text, text, str(Money(5000, code)))
        assert code not in currencies()
        with pytest.raises(MoneyError, match="current ISO 4217"):
            Money.parse(text, code)

    def test_no_currency_at_all(self) -> None:
        for code in ("", "eur", "QQQ"):
            with pytest.raises(MoneyError, match="ISO 4217"):
                exponent(code)

    def test_exponents(self) -> None:
        assert {code: exponent(code) for code in ("EUR", "JPY", "KWD", "CNY")} == {
            "EUR": 2,
            "JPY": 0,
            "KWD": 3,
            "CNY": 2,
        }


class TestArithmetic:
    @given(minors, minors, codes)
    def test_like_integers(self, one: int, other: int, currency: str) -> None:
        first, second = Money(one, currency), Money(other, currency)
        assert (first + second).minor == one + other
        assert (first - second).minor == one - other
        assert (first < second) == (one < other)
        assert (first <= second) == (one <= other)

    @pytest.mark.parametrize(
        ("amounts", "currency", "minor"),
        [
            ([], "EUR", 0),
            ([Money(40_00, "EUR"), Money(5_000, "JPY"), Money(1_500, "KWD")], "EUR", 5_041_50),
            ([Money(10_50, "EUR"), Money(10_50, "USD")], "JPY", 21),
            ([Money(10_50, "EUR")], "JPY", 11),  # half a unit over a limit is over it
            ([Money(1, "KWD")], "EUR", 1),
        ],
    )
    def test_units_are_counted_whatever_they_are_worth(self, amounts: list[Money], currency: str, minor: int) -> None:
        assert nominal(amounts, currency) == Money(minor, currency)

    def test_two_currencies_are_not_combined(self) -> None:
        euro, yen = Money(1, "EUR"), Money(1, "JPY")
        for attempt in (lambda: euro + yen, lambda: euro - yen, lambda: euro < yen, lambda: euro <= yen):
            with pytest.raises(MoneyError, match="cannot be combined"):
                attempt()
        assert euro != yen

    @pytest.mark.parametrize(
        ("amount", "currency", "minor"),
        [("0.005", "EUR", 1), ("0.0049", "EUR", 0), ("-0.005", "EUR", -1), ("2.5", "JPY", 3), ("1.0005", "KWD", 1001)],
    )
    def test_rounding_half_up_away_from_zero(self, amount: str, currency: str, minor: int) -> None:
        assert Money.of(Decimal(amount), currency).minor == minor
