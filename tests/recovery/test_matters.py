"""Several complaints of one customer are one matter: whatever their facts, it lays down no less than each of them alone.

How it can fail: a fact, a day or a jurisdiction of one of them takes away what another one lays down; a question that one of them
leaves open is passed over because another one is answered.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.expressions import read
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.recovery import case_facts, matters, rule_facts, tariffs
from helpdesk.recovery.case_fact_queries import Told
from helpdesk.recovery.matters import Read
from helpdesk.recovery.tariffs_in_force import Laid, Tariffs, Version, day_of


def _shipped() -> Tariffs:
    found: dict[str, list[Version]] = {}
    for item in tariffs.shipped()["tariffs"]:
        for number, spec in enumerate(item["versions"], start=1):
            condition = read(spec["condition"], rule_facts.KEPT_OF_TARIFFS, kept=True)
            days = date.fromisoformat(spec["valid_from"]), day_of(spec.get("valid_until"))
            found.setdefault(item["id"], []).append(Version(item["id"], number, *days, spec, condition))
    return Tariffs({code: tuple(items) for code, items in found.items()}, frozenset())


SHIPPED: Final = _shipped()
HOURS: Final = st.sampled_from([Decimal(value) for value in ("1", "2.5", "4", "9")])
FACTS: Final[st.SearchStrategy[dict[str, Any]]] = st.fixed_dictionaries(
    {},
    optional={
        "cause": st.sampled_from(case_facts.CAUSES),
        "distance_km": st.sampled_from([Decimal(900), Decimal(1840), Decimal(5000)]),
        "within_eu": st.booleans(),
        "delay_hours": HOURS,
        "departs_earlier_hours": HOURS,
        "notice_days": st.sampled_from([3, 10, 20]),
        "rerouted": st.booleans(),
        "extraordinary": st.booleans(),
        "passengers": st.integers(1, 3),
        "fare": st.builds(Money, st.just(50_000), st.sampled_from(["USD", "EUR"])),
        "international": st.booleans(),
        "failed_standards": st.integers(0, 2),
        "missed_appointments": st.integers(0, 2),
        "happened_on": st.sampled_from([date(2012, 5, 1), date(2024, 12, 31), date(2026, 3, 1)]),
        "tariff": st.sampled_from(["eu.261", "uk.energy", "none.such"]),
        "statutory": st.builds(Money, st.integers(0, 9), st.sampled_from(["EUR", "GBP"])),
    },
)


def told_once(facts: dict[str, Any], jurisdiction: str, received: datetime, *, merged: bool) -> Read:
    complaint: Any = SimpleNamespace(id=new_id(), received_at=received, currency=None)
    return Read(Told(complaint, facts, None), {"jurisdiction": jurisdiction}, merged)


READ: Final = st.builds(
    told_once,
    FACTS,
    st.sampled_from(["DE", "GB", "US"]),
    st.sampled_from([datetime(year, 12, 31, tzinfo=UTC) for year in (2009, 2024, 2025)]),
    merged=st.booleans(),
)


def amounts(laid: list[Laid]) -> dict[tuple[str, str], Money]:
    told = [(it.tariff, it.outcome.amount) for it in laid if it.outcome.amount is not None]
    found = {(tariff, amount.currency): amount for tariff, amount in told}
    assert len(found) == len(told), "of each tariff one amount of each currency counts"
    return found


def asked(laid: list[Laid]) -> set[str]:
    return {it.tariff for it in laid if it.outcome.applies is None and not it.stated}


@given(st.lists(READ, min_size=2, max_size=3))
def test_together_it_is_no_less_than_each_alone(read: list[Read]) -> None:
    together = list(matters.laid_down(read, SHIPPED))
    both = amounts(together)
    for one in read:
        alone = list(matters.laid_down([one], SHIPPED))
        for key, amount in amounts(alone).items():
            assert amount <= both[key]
        for tariff in asked(alone) - asked(together):
            answers = [it for it in together if it.tariff == tariff]
            assert answers, "what one of them asks is answered, and not passed over"
