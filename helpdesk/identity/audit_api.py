from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.identity import administration_queries, audit_schemas
from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page

blp = Blueprint("administration", __name__, description="Who changed what the system does, and what it was before.")

AT_ONCE: Final = 50_000
"""Acts verified by one call; a second or so."""


@blp.read(
    "/audit-log",
    operation_id="list_audit_log",
    summary="Every administrative act, newest first",
    description="Agents, teams, roles, tokens, keys, sign-ins, calendars, policies, budgets and whatever else decides what "
    "the system does, with before and after. Nothing ever deletes from it.",
    answer=audit_schemas.AuditEntry,
    query=audit_schemas.AuditQuery,
    permission="audit:read",
    paged=True,
)
def list_audit_log(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return administration_queries.list_acts(session, page, given)


@blp.read(
    "/audit-log/verification",
    operation_id="verify_audit_log",
    summary="Recompute the hash chain of the audit log",
    description="Every act is chained to the one before, so one that was changed, removed or put elsewhere is found and "
    "named. A long log is verified in several calls.",
    answer=audit_schemas.AuditVerification,
    query=audit_schemas.AuditVerificationQuery,
    permission="audit:read",
)
def verify_audit_log(session: Session, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return administration_queries.verification(session, given.get("after", 0), AT_ONCE)
