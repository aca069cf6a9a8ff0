"""The formula of reference/formulas.md: its worked example, its edges, and what no factor may ever touch."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.kernel.money import Money, MoneyError
from helpdesk.recovery.playbook import Facts, Suggestion, as_data, default_playbook, parse, suggest

SEVERITIES = ("S1", "S2", "S3", "S4", "S5")
TIERS = ("key", "ordinary", "small", "unprofitable")
FAULTS = ("firm", "shared", "none")


def eur(amount: str) -> Money:
    return Money.parse(amount, "EUR")


def facts(**more: object) -> Facts:
    plain: dict[str, object] = {
        "severity": "S3",
        "fault": "firm",
        "tier": "ordinary",
        "weeks_overdue": 0,
        "repeated": False,
        "vulnerable": False,
        "loss": eur("0"),
        "statutory": eur("0"),
        "refunded": eur("0"),
        "price": None,
    }
    return Facts(**(plain | more))  # type: ignore[arg-type]  # a test's own keywords


def suggestion(**more: object) -> Suggestion:
    return suggest(facts(**more), default_playbook())


def test_worked_example() -> None:
    found = suggestion(
        price=eur("200"), loss=eur("60"), fault="firm", weeks_overdue=2, repeated=True, tier="key", severity="S3"
    )
    assert (found.goodwill, found.cap, found.offer) == (eur("108"), eur("240"), eur("168"))
    assert [(line.kind, line.amount, line.rule) for line in found.lines] == [
        ("restitution", eur("60"), "restitution.proven_loss"),
        ("goodwill", eur("108"), "goodwill.formula"),
    ]


def test_every_factor_is_shown() -> None:
    found = suggestion(price=eur("200"), weeks_overdue=2, repeated=True, tier="key", vulnerable=True)
    evidence = found.lines[-1].evidence
    assert [(item["factor"], item["value"]) for item in evidence["factors"]] == [
        ("band", "40"),
        ("fault", "1"),
        ("delay", "1.5"),
        ("repeat", "1.5"),
        ("vulnerability", "1.25"),
        ("tier", "1.2"),
    ]
    product = Decimal(1)
    for item in evidence["factors"]:
        product *= Decimal(item["value"])
    assert Decimal(evidence["before_cap"]) == product == Decimal(135)
    assert all(line.version == found.version == "2026-1" for line in found.lines)


@pytest.mark.parametrize(("severity", "band"), [("S1", 300), ("S2", 120), ("S3", 40), ("S4", 10), ("S5", 0)])
def test_bands(severity: str, band: int) -> None:
    assert suggestion(severity=severity).goodwill == eur(str(band))


@pytest.mark.parametrize(("fault", "goodwill"), [("firm", "40"), ("shared", "20"), ("none", "0")])
def test_fault(fault: str, goodwill: str) -> None:
    assert suggestion(fault=fault).goodwill == eur(goodwill)


@pytest.mark.parametrize(("weeks", "goodwill"), [(0, "40"), (1, "50"), (4, "80"), (5, "80"), (520, "80")])
def test_delay_stops_growing_after_four_weeks(weeks: int, goodwill: str) -> None:
    assert suggestion(weeks_overdue=weeks).goodwill == eur(goodwill)


@pytest.mark.parametrize("tier", TIERS)
def test_no_tier_counts_at_the_worst_severity(tier: str) -> None:
    assert suggestion(severity="S1", tier=tier).goodwill == eur("300")


class TestCap:
    def test_without_a_price_there_is_none(self) -> None:
        found = suggestion(severity="S1", weeks_overdue=4)
        assert (found.cap, found.goodwill) == (None, eur("600"))

    def test_reached_exactly_is_not_capped(self) -> None:
        found = suggestion(severity="S1", price=eur("200"))
        assert (found.cap, found.goodwill, found.lines[-1].rule) == (eur("300"), eur("300"), "goodwill.formula")

    def test_passed_by_a_cent(self) -> None:
        found = suggestion(severity="S1", price=eur("200"), refunded=eur("0.01"))
        assert (found.goodwill, found.lines[-1].rule) == (eur("299.99"), "goodwill.capped")

    def test_never_below_zero(self) -> None:
        found = suggestion(price=eur("10"), refunded=eur("100"), loss=eur("60"), statutory=eur("5"))
        assert (found.cap, found.goodwill, found.offer) == (eur("0"), eur("0"), eur("65"))

    def test_a_refund_counts_whether_given_before_or_now(self) -> None:
        now = suggestion(severity="S1", price=eur("200"), loss=eur("60"))
        before = suggestion(severity="S1", price=eur("200"), refunded=eur("60"))
        assert now.cap == before.cap == now.goodwill == before.goodwill == eur("240")
        assert (now.offer, before.offer) == (eur("300"), eur("240"))

    def test_rounds_once_half_up(self) -> None:
        # 1.5 * 0.01 = 0.015: half up at the end, not at each factor.
        assert suggestion(price=eur("0.01")).goodwill == eur("0.02")


class TestCurrency:
    def test_bands_are_whole_units_of_any_currency(self) -> None:
        zero = Money(0, "JPY")
        found = suggestion(loss=zero, statutory=zero, refunded=zero, fault="shared", weeks_overdue=1)
        assert found.goodwill == Money(25, "JPY")

    def test_two_currencies_are_an_error_not_a_guess(self) -> None:
        with pytest.raises(MoneyError, match="cannot be combined"):
            suggestion(statutory=Money(5, "JPY"))


class TestRemedies:
    def test_money_for_money_words_for_attention(self) -> None:
        found = suggestion(price=eur("200"), loss=eur("60"))
        assert [(item.kind, item.amount, item.issuable) for item in found.remedies] == [
            ("apology_letter", None, True),
            ("partial_refund", eur("60"), True),
            ("voucher", eur("40"), True),
        ]

    def test_the_whole_price_lost_is_a_refund(self) -> None:
        assert suggestion(price=eur("60"), loss=eur("60")).remedies[1].kind == "refund"

    def test_without_fault_nobody_apologises(self) -> None:
        found = suggestion(fault="none")
        assert found.remedies == ()
        assert [tactic.act for tactic in found.tactics] == ["acknowledge", "explain", "follow_up"]

    def test_tactics_are_in_order(self) -> None:
        acts = [tactic.act for tactic in suggestion(loss=eur("1")).tactics]
        assert acts == ["acknowledge", "apologise", "explain", "fix", "compensate", "prevent", "follow_up"]


amounts = st.integers(0, 10_000_00).map(lambda minor: Money(minor, "EUR"))


@settings(deadline=None)  # the first call pays for reading the playbook
@given(
    severity=st.sampled_from(SEVERITIES),
    fault=st.sampled_from(FAULTS),
    tier=st.sampled_from(TIERS),
    weeks=st.integers(0, 60),
    repeated=st.booleans(),
    vulnerable=st.booleans(),
    loss=amounts,
    statutory=amounts,
    refunded=amounts,
    price=st.none() | amounts,
)
def test_what_is_owed_is_never_reduced(  # noqa: PLR0917  # one argument per fact
    severity: str,
    fault: str,
    tier: str,
    weeks: int,
    repeated: bool,
    vulnerable: bool,
    loss: Money,
    statutory: Money,
    refunded: Money,
    price: Money | None,
) -> None:
    found = suggestion(
        severity=severity,
        fault=fault,
        tier=tier,
        weeks_overdue=weeks,
        repeated=repeated,
        vulnerable=vulnerable,
        loss=loss,
        statutory=statutory,
        refunded=refunded,
        price=price,
    )
    assert found.owed == loss + statutory
    assert found.goodwill.minor >= 0
    assert found.offer == found.owed + found.goodwill
    assert sum(line.amount.minor for line in found.lines) == found.offer.minor
    if found.cap is not None:
        assert found.goodwill <= found.cap
    for other in TIERS:
        # Whoever the customer is, the same is owed; only goodwill may move, and never below that of nobody.
        moved = suggest(
            facts(severity=severity, fault=fault, tier=other, loss=loss, statutory=statutory), default_playbook()
        )
        assert moved.owed == found.owed


def test_kept_data_is_plain() -> None:
    data = as_data(suggestion(price=eur("200"), loss=eur("60")))
    assert data["offer"] == {"amount": "100.00", "currency": "EUR"}
    assert data["lines"][0]["kind"] == "restitution"


def test_a_playbook_that_lacks_a_number_is_refused() -> None:
    with pytest.raises(KeyError, match="band"):
        parse('name = "x"\nversion = "1"\n')
