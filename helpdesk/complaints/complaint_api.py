"""How a change of one complaint is declared, whatever domain declares it.

A complaint that was merged into another one takes no changes: they would be overlooked, since everybody looks at the other
one. So every route below `/complaints/<ref>` refuses it, after If-Match and before its own checks, unless it says that it
does not mind (`merged`). Steps of macros, bulk changes and triggers say it in `steps`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints.errors import ComplaintMerged
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import refuse_merged
from helpdesk.identity.actors import Actor
from helpdesk.kernel import http
from helpdesk.kernel.errors import DomainError

Check = Callable[[Session, Any, Any], None]


def _checked(check: Check | None) -> Check:
    def run(session: Session, actor: Actor, row: Any) -> None:
        refuse_merged(session, actor, row if isinstance(row, Complaint) else row.complaint)
        if check is not None:
            check(session, actor, row)

    return run


class Blueprint(http.Blueprint):
    def write(
        self,
        rule: str,
        *,
        merged: bool = False,
        check: Check | None = None,
        errors: Sequence[type[DomainError]] = (),
        **declared: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """As of every blueprint. `load` gives the complaint, or something that has it as `complaint`. `merged`: also on one
        that was merged into another.
        """
        if merged or not rule.startswith("/complaints/<ref>"):
            return super().write(rule, check=check, errors=errors, **declared)
        return super().write(rule, check=_checked(check), errors=(*errors, ComplaintMerged), **declared)

    def upload(
        self, rule: str, *, check: Check | None = None, errors: Sequence[type[DomainError]] = (), **declared: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        if not rule.startswith("/complaints/<ref>"):
            return super().upload(rule, check=check, errors=errors, **declared)
        return super().upload(rule, check=_checked(check), errors=(*errors, ComplaintMerged), **declared)
