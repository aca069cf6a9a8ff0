from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.sla import queries, schemas, specs

blp = Blueprint("sla", __name__, description="Promises about time: regimes and clocks.")


@blp.read(
    "/complaints/<ref>/clocks",
    operation_id="list_complaint_clocks",
    summary="The clocks of a complaint",
    answer=schemas.Clocks,
    permission="complaint:read",
)
def list_clocks(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    return {"items": queries.clocks_of(session, actor, ref)}


@blp.read(
    "/sla/regimes",
    operation_id="list_sla_regimes",
    summary="Regulatory deadlines that are known",
    answer=schemas.Rules,
    permission="sla:read",
)
def list_regimes(_session: Session, _actor: Actor) -> dict[str, Any]:
    items = [
        {
            "id": rule.id,
            "jurisdiction": rule.jurisdiction,
            "sector": rule.sector,
            "instrument": rule.instrument,
            "milestone": rule.milestone,
            "clock_start": rule.clock_start,
            "target_amount": rule.target.amount,
            "target_unit": rule.target.unit,
            "timezone": rule.calendar.timezone,
            "source": rule.source,
            "confidence": rule.confidence,
        }
        for rule in specs.rules()
    ]
    return {"notice": "Information, not legal advice.", "items": items}
