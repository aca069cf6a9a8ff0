"""The formula of reference/formulas.md: its worked example, its edges, and what no factor may ever touch."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.kernel.facts import Facts as RuleFacts
from helpdesk.kernel.money import MAX_MINOR, Money, MoneyError
from helpdesk.recovery.playbook import Facts, Owed, Suggestion, as_data, suggest
from helpdesk.recovery.playbook_spec import Playbook, compiled, default_playbook, shipped_spec
from helpdesk.recovery.rule_facts import OF_PLAYBOOKS
from tests.recovery.playbook_steps import rule

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
    assert all(line.version == found.version == "1" for line in found.lines)


@pytest.mark.parametrize(("severity", "band"), [("S1", 300), ("S2", 120), ("S3", 40), ("S4", 10), ("S5", 0)])
def test_bands(severity: str, band: int) -> None:
    assert suggestion(severity=severity).goodwill == eur(str(band))


@pytest.mark.parametrize(("fault", "goodwill"), [("firm", "40"), ("shared", "20"), ("none", "0")])
def test_fault(fault: str, goodwill: str) -> None:
    assert suggestion(fault=fault).goodwill == eur(goodwill)


@pytest.mark.parametrize(("weeks", "goodwill"), [(0, "40"), (1, "50"), (4, "80"), (5, "80"), (520, "80")])
def test_delay_stops_growing_after_four_weeks(weeks: int, goodwill: str) -> None:
    assert suggestion(weeks_overdue=weeks).goodwill == eur(goodwill)


def test_how_late_it_is_is_said_as_stated_or_not() -> None:
    def because(**more: object) -> str:
        return str(suggestion(**more).lines[-1].evidence["factors"][2]["because"])

    assert because(weeks_overdue=1) == "1 week overdue"
    assert because(weeks_overdue=2) == "2 weeks overdue"
    assert because(weeks_overdue=0) == "0 weeks overdue"
    assert because(delay_stated=False) == "nobody has stated how late it is: taken as 0 weeks overdue"


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

    def test_rounds_down(self) -> None:
        """What rounds up to it would be beyond it."""
        found = suggestion(price=eur("0.03"))
        assert (found.cap, found.goodwill) == (eur("0.04"), eur("0.04"))
        nothing = Money(0, "JPY")
        found = suggestion(loss=nothing, statutory=nothing, refunded=nothing, price=Money(3, "JPY"))
        assert (found.cap, found.goodwill) == (Money(4, "JPY"), Money(4, "JPY"))

    def test_takes_off_the_loss_in_full_whatever_is_set_off(self) -> None:
        off = Owed(tariff="t", version=1, amount=eur("100"), set_off=True, evidence={})
        found = suggestion(severity="S1", price=eur("200"), loss=eur("60"), tariffs=(off,))
        assert (found.owed, found.cap) == (eur("100"), eur("240"))


def test_goodwill_rounds_once_half_up() -> None:
    """10 * 0.5 * 1.25 * 1.5 = 9.375: at the end, not at each factor."""
    found = suggestion(severity="S4", fault="shared", weeks_overdue=1, repeated=True)
    assert found.goodwill == eur("9.38")


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
def test_what_is_owed_is_never_reduced(
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


def book(*rules: dict[str, Any], **more: Any) -> Playbook:
    """The shipped one with other rules, or other parts."""
    made, unread = compiled("mine", "7", shipped_spec() | {"rules": list(rules)} | more, OF_PLAYBOOKS)
    assert unread == []
    return made


def by(made: Playbook, **more: object) -> Suggestion:
    """What it suggests where each of its rules holds."""
    return suggest(facts(**more), made, made.rules)


class TestRules:
    def test_bands_and_factors_are_set(self) -> None:
        made = book(
            rule(set={"band": {"S3": "80"}, "fault": {"shared": "0.75"}, "delay": {"per_week": "1", "most_weeks": 2}})
        )
        assert by(made).goodwill == eur("80")
        assert by(made, fault="shared").goodwill == eur("60")
        assert by(made, weeks_overdue=9).goodwill == eur("240")
        assert by(made, severity="S2").goodwill == eur("120")  # what a rule does not name stays

    def test_later_rules_go_before_earlier_ones(self) -> None:
        made = book(rule("one", set={"band": {"S3": "80", "S2": "1"}}), rule("two", set={"band": {"S3": "90"}}))
        assert (by(made).goodwill, by(made, severity="S2").goodwill) == (eur("90"), eur("1"))
        assert by(made).rules == ("one", "two")

    def test_a_factor_is_shown_under_the_rule_s_name(self) -> None:
        found = by(book(rule("storm", factor="0.5")))
        assert found.goodwill == eur("20")
        assert found.lines[-1].evidence["factors"][-1] == {
            "factor": "rules.storm",
            "value": "0.5",
            "because": "rule storm",
        }

    def test_lines_are_added_and_named(self) -> None:
        added = [
            {"text": "Second appointment", "fixed": "10"},
            {"text": "A share of the price", "percent": "10", "of": "price"},
            {"text": "A share of the formula", "percent": "50", "of": "goodwill"},
        ]
        found = by(book(rule("again", lines=added)), price=eur("200"))
        assert [(line.rule, str(line.amount)) for line in found.lines] == [
            ("goodwill.formula", "40.00"), ("rules.again", "10.00"), ("rules.again", "20.00"), ("rules.again", "20.00"),
        ]  # fmt: skip
        assert found.goodwill == eur("90")
        # A share of what is not known is none.
        assert by(book(rule(lines=[added[1]]))).goodwill == eur("40")

    def test_the_cap_holds_for_all_of_it(self) -> None:
        found = by(book(rule(lines=[{"text": "x", "fixed": "500"}])), price=eur("40"))
        assert (found.cap, found.goodwill) == (eur("60"), eur("60"))
        assert [(line.rule, str(line.amount)) for line in found.lines] == [
            ("goodwill.formula", "40.00"), ("rules.mine.capped", "20.00"),
        ]  # fmt: skip

    def test_no_cap_where_the_playbook_has_none(self) -> None:
        made = book(formula=shipped_spec()["formula"] | {"cap": None})
        assert (by(made, severity="S1", price=eur("1")).cap, by(made, severity="S1", price=eur("1")).goodwill) == (
            None,
            eur("300"),
        )

    def test_stop_ends_it(self) -> None:
        made = book(rule("one", stop=True), rule("two", set={"band": {"S3": "90"}}))
        assert [each.name for each in made.holding(RuleFacts({}))] == ["one"]

    def test_a_tactic_that_is_only_named(self) -> None:
        tactics = [{"act": "prevent", "text": "x", "when": "named"}]
        assert by(book(tactics=tactics)).tactics == ()
        assert [each.act for each in by(book(rule(tactics=["prevent"]), tactics=tactics)).tactics] == ["prevent"]

    def test_alternatives_that_a_rule_names(self) -> None:
        made = book(rule(alternatives=["larger_voucher", "money"]))
        assert [each.name for each in by(made, lost="product").alternatives] == ["larger_voucher", "money"]

    @pytest.mark.parametrize("more", [{"tactics": ["apologise"]}, {}])
    def test_alternatives_that_a_rule_names_where_nothing_else_is_given(self, more: dict[str, Any]) -> None:
        found = by(book(rule(alternatives=["words"], **more)), fault="none")
        assert [remedy.kind for remedy in found.remedies] == ["apology_letter"]
        assert [(each.name, [it.kind for it in each.remedies]) for each in found.alternatives] == [
            ("words", ["apology_letter"])
        ]

    def test_alternatives_that_a_rule_names_whosever_fault_it_was(self) -> None:
        found = by(book(rule(alternatives=["exchange", "money"])), fault="none", price=eur("20"), loss=eur("5"))
        assert [(each.name, [it.kind for it in each.remedies]) for each in found.alternatives] == [
            ("exchange", ["replacement", "partial_refund"]),
            ("money", ["partial_refund"]),
        ]
        nothing = by(book(), fault="none")
        assert (nothing.remedies, nothing.alternatives) == ((), ())

    def test_a_rule_that_cannot_be_read_any_more_is_left_out(self) -> None:
        gone = rule(condition={"field": "custom.gone", "operator": "is_set"})
        made, unread = compiled("mine", "7", shipped_spec() | {"rules": [gone]}, OF_PLAYBOOKS)
        assert (made.rules, unread) == ((), ["mine"])


def tariff(amount: str, *, set_off: bool = False) -> Owed:
    return Owed(tariff="eu.261", version=3, amount=eur(amount), set_off=set_off, evidence={"because": "it was late"})


class TestOwed:
    def test_a_tariff_is_a_line_of_its_own(self) -> None:
        found = suggestion(tariffs=(tariff("400"),))
        assert [(line.kind, line.rule, line.version, str(line.amount)) for line in found.lines[:1]] == [
            ("statutory", "tariffs.eu.261", "3", "400.00")
        ]
        assert (found.owed, found.statutory, found.offer) == (eur("400"), eur("400"), eur("440"))

    def test_set_off_takes_from_the_loss_and_no_more(self) -> None:
        for loss, restitution in (("100", "0"), ("400", "0"), ("1000", "600")):
            found = suggestion(loss=eur(loss), tariffs=(tariff("400", set_off=True),))
            assert found.lines[0].amount == eur(restitution)
            assert found.owed.minor == max(eur(loss).minor, eur("400").minor)
            assert found.lines[0].evidence["set_off"] == str(eur(min(loss, "400", key=Decimal)))
        assert suggestion(loss=eur("100"), tariffs=(tariff("400"),)).owed == eur("500")

    def test_set_off_leaves_what_is_stated_alone(self) -> None:
        assert suggestion(statutory=eur("50"), tariffs=(tariff("400", set_off=True),)).owed == eur("450")


class TestAlternatives:
    @pytest.mark.parametrize(
        ("lost", "names", "first"),
        [
            ("product", ["exchange", "money", "larger_voucher"], "replacement"),
            ("service", ["redo", "money", "larger_voucher"], "re_performance"),
            ("attention", ["words", "money", "larger_voucher"], "partial_refund"),
            ("money", ["money", "larger_voucher"], "partial_refund"),
            (None, ["money", "larger_voucher"], "partial_refund"),
        ],
    )
    def test_made_good_with_what_was_lost(self, lost: str | None, names: list[str], first: str) -> None:
        found = suggestion(lost=lost, price=eur("200"), loss=eur("60"))
        assert [each.name for each in found.alternatives] == names
        kinds = [remedy.kind for remedy in found.alternatives[0].remedies]
        assert kinds[:2] == ["apology_letter", first]

    def test_a_larger_voucher_and_its_line(self) -> None:
        option = suggestion(lost="money").alternatives[-1]
        assert (option.goodwill, option.total) == (eur("50"), eur("50"))
        assert [(line.rule, str(line.amount)) for line in option.lines] == [
            ("goodwill.formula", "40.00"), ("alternatives.larger_voucher", "10.00"),
        ]  # fmt: skip

    def test_the_cap_holds_for_the_larger_one_too(self) -> None:
        found = suggestion(price=eur("28"))  # cap 42
        assert found.alternatives[-1].goodwill == eur("42")

    def test_without_anything_to_give_there_is_none(self) -> None:
        assert suggestion(fault="none").alternatives == ()

    def test_without_fault_what_is_owed_is_given_all_the_same(self) -> None:
        (option,) = suggestion(fault="none", lost="product", loss=eur("60")).alternatives
        assert [(remedy.kind, remedy.amount) for remedy in option.remedies] == [("partial_refund", eur("60"))]


whole = st.integers(0, 5_000)
factor = st.sampled_from(["0", "0.1", "0.5", "1", "1.25", "1.5", "3", "100"])
made_rules = st.lists(
    st.fixed_dictionaries(
        {"name": st.uuids().map(str), "condition": st.just({"all": []})},
        optional={
            "factor": factor,
            "set": st.fixed_dictionaries(
                {},
                optional={
                    "band": st.dictionaries(st.sampled_from(SEVERITIES), whole.map(str)),
                    "vulnerability": factor.map(lambda it: {"factor": it}),
                    "cap": factor.map(lambda it: {"of_price": it}),
                    "tier": st.dictionaries(st.sampled_from(TIERS), factor).map(lambda it: {"factors": it}),
                },
            ),
            "lines": st.lists(
                st.one_of(
                    whole.map(lambda it: {"text": "x", "fixed": str(it)}),
                    st.tuples(factor, st.sampled_from(["price", "loss", "goodwill"])).map(
                        lambda it: {"text": "x", "percent": it[0], "of": it[1]}
                    ),
                ),
                max_size=3,
            ),
            "alternatives": st.lists(st.sampled_from(["money", "exchange", "larger_voucher"]), max_size=3),
        },
    ),
    max_size=4,
)
stated = {
    "severity": st.sampled_from(SEVERITIES),
    "fault": st.sampled_from(FAULTS),
    "tier": st.sampled_from(TIERS),
    "weeks_overdue": st.integers(0, 520),
    "repeated": st.booleans(),
    "vulnerable": st.booleans(),
    "loss": amounts,
    "statutory": amounts,
    "refunded": amounts,
    "price": st.none() | amounts,
    "lost": st.none() | st.sampled_from(["money", "product", "service", "attention"]),
    "tariffs": st.lists(st.tuples(amounts, st.booleans()), max_size=3).map(
        lambda items: tuple(
            Owed(tariff="t", version=1, amount=amount, set_off=off, evidence={}) for amount, off in items
        )
    ),
}


@given(st.fixed_dictionaries(stated), made_rules)
def test_whatever_a_playbook_says_what_is_owed_is_a_floor(given_: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    """Of any facts and any rules: lines add up, nothing is below zero, the cap holds for goodwill, and what is owed is the
    same for every customer, by every playbook, and in every alternative.
    """
    made = book(*rules)
    found = by(made, **given_)
    tariffs = sum(item.amount.minor for item in given_["tariffs"])
    off = min(sum(item.amount.minor for item in given_["tariffs"] if item.set_off), given_["loss"].minor)
    assert found.owed.minor == given_["loss"].minor + given_["statutory"].minor + tariffs - off
    assert found.statutory.minor == given_["statutory"].minor + tariffs
    assert sum(line.amount.minor for line in found.lines) == found.offer.minor
    assert all(line.amount.minor >= 0 for line in found.lines)
    assert found.cap is None or found.goodwill <= found.cap
    assert len(found.alternatives) <= 3
    for option in found.alternatives:
        assert option.owed == found.owed
        assert (
            sum(line.amount.minor for line in option.lines)
            == option.total.minor
            == found.owed.minor + option.goodwill.minor
        )
        assert found.cap is None or option.goodwill <= found.cap
        in_money = [it for it in option.remedies if it.kind in {"refund", "partial_refund"}]
        assert sum(it.amount.minor for it in in_money if it.amount) == found.owed.minor
    for changed in (
        {"tier": "key"},
        {"tier": "unprofitable"},
        {"vulnerable": True},
        {"severity": "S5"},
        {"price": eur("0")},
    ):
        assert by(made, **given_ | changed).owed == found.owed
    assert as_data(found)["version"] == "7"


@given(st.fixed_dictionaries(stated))
def test_what_makes_it_worse_never_makes_it_less(given_: dict[str, Any]) -> None:
    """By the shipped playbook: a worse severity, a longer delay, a repetition, a vulnerability, a larger loss."""
    found = suggestion(**given_)
    worse = SEVERITIES[max(0, SEVERITIES.index(given_["severity"]) - 1)]
    for changed in (
        {"weeks_overdue": given_["weeks_overdue"] + 1},
        {"repeated": True},
        {"vulnerable": True},
        {"fault": "firm"},
        {"severity": worse},
    ):
        assert found.goodwill <= suggestion(**given_ | changed).goodwill
    more = suggestion(**given_ | {"loss": given_["loss"] + eur("1")})
    assert found.owed <= more.owed
    assert found.offer.minor <= more.offer.minor + 100  # the refund counts against the cap of goodwill


@pytest.mark.parametrize("price", [None, eur("90000000000000.00")])
def test_however_many_factors_goodwill_can_be_counted(price: Money | None) -> None:
    spec = shipped_spec()
    hundredfold = {"condition": {"all": []}, "factor": "100"}
    rules = [hundredfold | {"name": f"rule-{number}"} for number in range(100)]
    book, _ = compiled("many", "1", {**spec, "rules": rules}, OF_PLAYBOOKS)
    found = suggest(facts(price=price), book, book.holding(RuleFacts({})))
    assert found.goodwill.minor == sum(line.amount.minor for line in found.lines) == MAX_MINOR
    (line,) = found.lines
    assert (line.rule, line.evidence["cut"]) == ("goodwill.formula.cut", str(found.goodwill))
    assert all(option.goodwill.minor <= MAX_MINOR for option in found.alternatives)
    assert as_data(found)["goodwill"]["amount"] == str(found.goodwill)
