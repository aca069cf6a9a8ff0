"""Offers that wait for approval: since when, until when, and telling once that it takes too long.

When something is due is told by whoever knows calendars (`DueTime`); this domain knows none.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import allowance_queries
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.allowances import GIVING, Allowances
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.kernel.pagination import Count, Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import approval_queries, approvals, waiting_queries
from helpdesk.recovery.approval_models import ApprovalRequest
from helpdesk.recovery.approvals import Asked, Judgement
from helpdesk.recovery.authority import Sums, Verdict, excesses
from helpdesk.recovery.authority_events import ApprovalOverdue
from helpdesk.recovery.events import of_offer
from helpdesk.recovery.models import Offer
from helpdesk.recovery.queries import Held

_CHUNK: Final = 100
"""Offers judged with one round of statements."""


class DueTime(Protocol):
    """When so many hours have passed, by the calendar of a team (None: of none) where `business`, else on the wall."""

    def __call__(
        self, session: Session, team_id: UUID | None, start: datetime, hours: int, *, business: bool
    ) -> datetime: ...


def begin(
    uow: UnitOfWork, offer_id: UUID, team_id: UUID | None, due_time: DueTime, together: int | None = None
) -> None:
    """For an offer that was just submitted, whose lock is held. One that was granted at once does not wait. `together`: minor
    units of it and of what it belongs together with, where that was noticed.
    """
    offer = uow.session.get_one(Offer, offer_id)
    if offer.status != "pending_approval":
        return
    allowances, _ = allowance_queries.standing(uow.session)
    hours, business = allowances.approval_hours, allowances.business_hours
    row = {
        "id": new_id(),
        "offer_id": offer.id,
        "number": offer.steps,
        "asked_at": uow.now,
        "due_at": max(uow.now, due_time(uow.session, team_id, uow.now, hours, business=business)),
        "level": _level(uow, offer, team_id, allowances, together),
    }
    uow.add_rows(ApprovalRequest, [row])


def _level(uow: UnitOfWork, offer: Offer, team_id: UUID | None, allowances: Allowances, together: int | None) -> str:
    """The least authority whose limits are enough for the case and the customer, and the one for a case for what belongs
    together; the highest where none is.
    """
    if offer.amount_minor is None or offer.currency is None:
        return GIVING[0]
    amount = Money(offer.amount_minor, offer.currency)
    before = approval_queries.granted_before(uow.session, [offer.id], [], uow.now).get((offer.id, None), Sums())
    for name in GIVING:
        limits = allowances.limits(name, offer.currency, team_id)
        covers = together is None or together <= limits.minor("case", offer.currency)
        counts = approvals.counting(allowances, name, offer.currency, team_id)
        if covers and not excesses(limits, amount, before.granted(offer.currency, counts)):
            return name
    return allowances.two_persons or GIVING[-1]


def end(uow: UnitOfWork, offer_ids: Sequence[UUID]) -> None:
    """They were approved, given back or taken back."""
    waiting_queries.close_requests(uow.session, offer_ids, uow.now)


def escalate(uow: UnitOfWork, held: Held) -> bool:
    """Tell the next authority, once. Re-checks under the lock: False when it was decided meanwhile, or told."""
    request = waiting_queries.open_request(uow.session, held.offer.id)
    if request is None or request.overdue_at is not None or request.due_at > held.now:
        return False
    request.overdue_at = held.now
    request.escalated_to = _next_with_anybody(uow, request.level)
    uow.record(
        ApprovalOverdue(
            **of_offer(held.complaint, held.offer),
            due_at=rfc3339(request.due_at),
            level=request.level,
            escalated_to=request.escalated_to,
        ),
        stream=held.complaint,
        actor=SYSTEM,
    )
    return True


def _next_with_anybody(uow: UnitOfWork, level: str) -> str:
    """The level itself where there is nobody above."""
    above = GIVING[GIVING.index(level) + 1 :]
    return next((name for name in above if waiting_queries.approvers(uow.session, name)), level)


def list_waiting(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    """What this person could approve now, alone or as one of two, by their own authority or by one that was lent to them."""
    found: list[dict[str, Any]] = []
    for item in _could(session, actor, page.position(waiting_queries.BY_DUE), given.get("overdue")):
        found.append(item)
        if len(found) > page.limit:
            break
    shown, cursor = page.cut(found, lambda item: [item["due_at"], item["offer_id"]])
    total = sum(1 for _ in _could(session, actor, None, given.get("overdue"))) if given.get("count") else None
    return shown, cursor, None if total is None else Count(total)


def counts(session: Session, actor: Actor) -> dict[str, Any]:
    """Of what `list_waiting` lists."""
    found = list(_could(session, actor, None, None))
    return {
        "waiting": len(found),
        "overdue": sum(item["overdue"] for item in found),
        "second_needed": sum(item["second_needed"] for item in found),
        "flagged": sum(item["flagged"] for item in found),
        "next_due_at": min((item["due_at"] for item in found if not item["overdue"]), default=None),
    }


def _could(session: Session, actor: Actor, after: Sequence[Any] | None, overdue: bool | None) -> Any:
    """Chunk by chunk, judged as an approval is."""
    while True:
        rows = waiting_queries.waiting(session, actor, after, _CHUNK, overdue=overdue)
        if rows:
            yield from _judged(session, actor, rows)
        if len(rows) < _CHUNK:
            return
        after = [rows[-1]["due_at"], rows[-1]["offer_id"]]


def _judged(session: Session, actor: Actor, rows: Sequence[Any]) -> Any:
    offers = [_asked(row) for row in rows]
    now = rows[0]["now"]
    standing = allowance_queries.standing(session)
    seen = approvals.circumstances(session, actor, offers, now=now, standing=standing)
    for row, asked in zip(rows, offers, strict=True):
        found = approvals.best(seen, asked)
        if isinstance(found, Judgement):
            yield _shown(row, asked, found)


def _asked(row: Any) -> Asked:
    return Asked(
        offer_id=row["offer_id"],
        complaint_id=row["complaint_id"],
        customer_id=row["customer_id"],
        team_id=row["team_id"],
        drafted_by=row["drafted_by"],
        approvals=row["approvals"],
        amount=None if row["amount_minor"] is None else Money(row["amount_minor"], row["currency"]),
    )


def _shown(row: Any, asked: Asked, found: Judgement) -> dict[str, Any]:
    basis = found.basis
    return {
        **row,
        "amount": asked.amount,
        "second_needed": found.verdict is Verdict.SECOND_NEEDED,
        "in_name_of": None if basis.delegation_id is None else basis.person_id,
    }
