from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.answers import table
from helpdesk.kernel.http import Blueprint
from helpdesk.recovery import report_queries, report_schemas, reports

blp = Blueprint("recovery_reports", __name__, description="What recovery costs and brings, and how evenly it is given.")

_READ = "recovery_report:read"


@blp.read(
    "/reports/recovery-costs",
    operation_id="get_recovery_costs",
    summary="What remedies cost, by cause, category, issue, severity, team, kind, product and period",
    description="Of the complaints that you see, what was committed in a span of time, less what came back until now, by "
    "currency; what is set aside and not spent yet stands apart. A complaint's category and issue are those of its first "
    "issue, its team the one that has it now, a period the one in which the money was committed.",
    answer=report_schemas.Costs,
    query=report_schemas.CostQuery,
    permission=_READ,
    csv=True,
)
def get_costs(session: Session, actor: Actor, given: dict[str, Any]) -> Any:
    report = report_queries.costs(session, actor, given)
    if given["format"] == "json":
        return report
    return table(reports.costs_as_csv(report), "recovery-costs.csv")


@blp.read(
    "/reports/fairness",
    operation_id="get_fairness_report",
    summary="Whether like complaints are remedied alike, by agent, tier, channel and language",
    description="Of the complaints that you see and that were decided in a span of time: within those that are alike, the "
    "share that got a remedy, the amount where money was granted, and its ratio to what was suggested, compared between "
    "groups by rank (Mann-Whitney, Kruskal-Wallis) or by counts (Fisher, chi-square), adjusted for all of an answer's tests "
    "(Holm). The agent is whoever has the complaint now. Nothing is said of a group with fewer complaints than `least`. "
    "`different` is a reason to look, and no proof of unfairness; `no_difference_shown` is no proof of fairness.",
    answer=report_schemas.Fairness,
    query=report_schemas.FairnessQuery,
    permission=_READ,
)
def get_fairness(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return reports.fairness_report(session, actor, given)


@blp.read(
    "/reports/recovery-return",
    operation_id="get_recovery_return",
    summary="What recovery brought for what it cost",
    description="`(retained - cost) / cost`. Customers who got a remedy of this currency in the span (or a letter, where the "
    "complaint is reckoned in it), of complaints that you see, and did not "
    "have to complain again after it, count as retained, by the share that you give. What a customer is worth and who stays "
    "is not known here: it rests on what you say.",
    answer=report_schemas.Return,
    query=report_schemas.ReturnQuery,
    permission=_READ,
)
def get_return(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return reports.recovery_return(session, actor, given)


@blp.read(
    "/reports/value-at-risk",
    operation_id="get_value_at_risk",
    summary="What customers with problems who leave are worth",
    description="`N p [s (1 - rho) Lc + (1 - s) Ln] V`, of the numbers that you give: customers, problems, complain, "
    "satisfied, lost_complaining, lost_silent, value_per_customer.",
    answer=report_schemas.RiskOut,
    query=report_schemas.RiskQuery,
    permission=_READ,
)
def get_risk(_session: Session, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return reports.value_at_risk(given)
