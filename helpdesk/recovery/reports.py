"""Reports on remedies, as they are shown: what recovery costs and brings, and how evenly it is given."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.money import Money, MoneyError
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.spreadsheets import BOM, line
from helpdesk.recovery import fairness, report_queries, returns
from helpdesk.recovery.fairness import Case, Comparison, Group
from helpdesk.recovery.statistics import Spread

_BY: Final = {"agent": "assignee_id", "tier": "tier", "channel": "channel", "language": "language"}


LIKE: Final = ("category", "severity", "fault")
BY: Final = ("agent", "tier", "channel")
"""Where the caller does not say."""


def fairness_report(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    since, before = report_queries.span(session, given)
    rows = report_queries.cases(session, actor, since, before)
    paid_in = Counter(row.currency for row in rows if row.currency is not None)
    currency = given.get("currency") or (paid_in.most_common(1)[0][0] if paid_in else None)
    like, by = given.get("like", LIKE), given.get("by", BY)
    cases = [_case(row, like, by, currency) for row in rows]
    found = fairness.compare(cases, by, given["least"])
    names = report_queries.agent_names(session, _agents(found.comparisons))
    return {
        "since": since,
        "before": before,
        "currency": currency,
        "complaints": len(rows),
        "other_currency": sum(count for name, count in paid_in.items() if name != currency),
        "least": given["least"],
        "tests": found.tests,
        "too_small": found.small_cases,
        "items": [_comparison(item, like, currency, names) for item in found.comparisons],
    }


def _case(row: Any, like: Sequence[str], by: Sequence[str], currency: str | None) -> Case:
    amount = int(row.paid) if row.paid is not None and row.currency == currency else None
    return Case(
        stratum=tuple(getattr(row, name) for name in like),
        groups={name: getattr(row, _BY[name]) for name in by},
        remedied=row.remedies > 0,
        amount=amount,
        ratio=None if amount is None else _ratio(amount, row.suggested, row.currency),
    )


def _ratio(amount: int, suggested: str | None, currency: str) -> Decimal | None:
    """None where nothing was suggested: then there is no measure."""
    try:
        wanted = Money.parse(suggested or "", currency)
    except (MoneyError, InvalidOperation):
        return None
    return Decimal(amount) / wanted.minor if wanted.minor > 0 else None


def _agents(items: Sequence[Comparison]) -> list[UUID]:
    return [group.value for item in items if item.by == "agent" for group in item.groups if group.value is not None]


def _comparison(
    item: Comparison, like: Sequence[str], currency: str | None, names: Mapping[Any, str]
) -> dict[str, Any]:
    nothing: dict[str, str | None] = dict.fromkeys(("category", "issue", "severity", "fault"))
    return {
        "by": item.by,
        "like": None if item.stratum is None else nothing | dict(zip(like, item.stratum, strict=True)),
        "groups": [_group(group, currency, names) for group in item.groups],
        "tests": [_verdict(measure, verdict) for measure, verdict in item.verdicts.items()],
    }


def _group(group: Group, currency: str | None, names: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "value": None if group.value is None else str(group.value),
        "name": names.get(group.value),
        "n": group.n,
        "remedied": group.remedied,
        "share": round(group.remedied / group.n, 4) if group.n else None,
        "amounts": _spread(group.amounts, lambda value: (int(value), currency)),
        "ratios": _spread(group.ratios, float),
    }


def _spread(found: Spread, shown: Any) -> dict[str, Any]:
    return {name: value if name == "n" or value is None else shown(value) for name, value in asdict(found).items()}


def _verdict(measure: str, verdict: fairness.Verdict) -> dict[str, Any]:
    tested = verdict.tested
    return {
        "measure": measure,
        "groups": verdict.groups,
        "n": None if tested is None else tested.n,
        "method": None if tested is None else tested.method,
        "statistic": None if tested is None else round(tested.statistic, 6),
        "statistic_is": None if tested is None else tested.statistic_is,
        "odds_ratio": None if tested is None or tested.odds_ratio is None else round(tested.odds_ratio, 6),
        "p": None if tested is None else tested.p,
        "p_adjusted": verdict.adjusted,
        "effect": None if tested is None else round(tested.effect, 6),
        "verdict": verdict.says,
        "why_not": verdict.why_not,
    }


COLUMNS: Final = ("cause", "category", "issue", "severity", "team", "kind", "product", "period")
_MONEY: Final = ("cost", "committed", "reversed", "reserved", "mean")
_COUNTS: Final = ("remedies", "reversals", "reservations", "complaints")


def costs_as_csv(report: Mapping[str, Any]) -> str:
    """One line per item, with the columns that were told apart."""
    told = [name for name in COLUMNS if name in report["by"]]
    lines = [line([*told, "currency", *_MONEY, *_COUNTS])]
    for item in report["items"]:
        money = [(dump_money(item[name]) or {}).get("amount") for name in _MONEY]
        lines.append(line([*(item[name] for name in told), item["currency"], *money, *(item[n] for n in _COUNTS)]))
    return BOM + "".join(lines)


def recovery_return(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    since, before = report_queries.span(session, given)
    value = _value(given)
    found = report_queries.recovered(session, actor, since, before, value.currency)
    share = given.get("retained_share", "1")
    retained = returns.retained_value(found["customers"] - found["back"], Decimal(share), value)
    cost = Money(found["cost"], value.currency)
    result = returns.recovery_return(retained, cost)
    return {
        "since": since,
        "before": before,
        "customers": found["customers"],
        "complained_again": found["back"],
        "retained_share": share,
        "retained": retained,
        "cost": cost,
        "recovery_return": None if result is None else float(result),
        "assumed": [] if "retained_share" in given else ["retained_share"],
    }


def value_at_risk(given: Mapping[str, Any]) -> dict[str, Any]:
    shares = ("problems", "complain", "satisfied", "lost_complaining", "lost_silent")
    risk = returns.Risk(given["customers"], **{name: Decimal(given[name]) for name in shares})
    lost = returns.customers_at_risk(risk)
    return {"customers_lost": float(lost), "value_at_risk": returns.value_at_risk(risk, _value(given))}


def _value(given: Mapping[str, Any]) -> Money:
    """Raises `ValidationFailed` for more decimals than the currency has."""
    try:
        return Money.parse(given["value_per_customer"], given["currency"])
    except MoneyError as error:
        problem = FieldError(parameter="value_per_customer", code="invalid", detail=f"{error}.")
        raise ValidationFailed(errors=[problem]) from error
