from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.sla import report_queries, report_schemas

blp = Blueprint("promises", __name__, description="How promises are kept, and which come due.")


@blp.read(
    "/sla/forecast",
    operation_id="get_sla_forecast",
    summary="Promises that come due in the next hours, by team and hour",
    description="Of the complaints that you see, those that run and are not broken: what will be if nothing is done. A clock "
    "that is paused has no deadline and is not among them.",
    answer=report_schemas.Forecast,
    query=report_schemas.ForecastQuery,
    permission="sla:read",
)
def forecast(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return report_queries.forecast(session, actor, given)


@blp.read(
    "/sla/attainment",
    operation_id="get_sla_attainment",
    summary="How promises were kept",
    description="Of the complaints that you see, the promises that came due in a span of time, or that were stopped in it: met, "
    "broken, cancelled and open, by kind, team, severity and period, and the business time that they took. The team is the "
    "one that has the complaint now; the severity the one that the promise was made for, which a regulator's has not.",
    answer=report_schemas.Attainment,
    query=report_schemas.AttainmentQuery,
    permission="sla:read",
)
def attainment(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return report_queries.attainment(session, actor, given)
