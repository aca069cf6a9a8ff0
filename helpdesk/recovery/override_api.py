from typing import Any

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.recovery import override_queries
from helpdesk.recovery import override_schemas as schemas

blp = Blueprint("overrides", __name__, description="Offers that differ from what was suggested.")


@blp.read(
    "/reports/suggestion-overrides",
    operation_id="get_suggestion_overrides",
    summary="How often offers differ from what was suggested, who decided it and how far",
    description="Of offers on complaints that you see. An apology, and goodwill at or below what some alternative had, is no override. "
    "`by_agent` counts an override for who decided it last, which need not be who drafted the offer.",
    answer=schemas.Overrides,
    query=schemas.OverrideQuery,
    permission="playbook:read",
)
def get_overrides(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return override_queries.report(session, actor, given)


@blp.read(
    "/reports/suggestion-overrides/items",
    operation_id="list_suggestion_overrides",
    summary="Offers that differ from what was suggested, one by one, and why",
    description="Of offers on complaints that you see, the newest first. An offer is listed as often as something was said of it: with its "
    "draft, and whenever it was brought on with less than is laid down by then; the last one `counts`. Amounts are in one currency: "
    "`given` is `suggested` and `by`.",
    answer=schemas.SuggestionOverride,
    query=schemas.OverridesQuery,
    permission="playbook:read",
    paged=True,
)
def list_overrides(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return override_queries.list_overrides(session, actor, page, given)
