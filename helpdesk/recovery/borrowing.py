"""Why authority that was lent to somebody does not carry an approval, in words that say what to do about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.kernel.errors import Forbidden
from helpdesk.recovery import texts
from helpdesk.recovery.delegation_queries import Loan

_NAMED: Final = 3
"""How many loans a text speaks of; the rest stand beside it."""


@dataclass(frozen=True, slots=True)
class Idle:
    """A loan that does not count, and why: `code`, and `why` as a half sentence. `more`: members of its refusal."""

    delegation_id: UUID
    lender_id: UUID
    lender: str
    code: str
    why: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def detail(self) -> str:
        return f"What {self.lender} lent you does not count: {self.why}."

    @property
    def shown(self) -> dict[str, Any]:
        return {
            "delegation_id": str(self.delegation_id),
            "in_name_of": str(self.lender_id),
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }


def lapsed(loan: Loan, at: datetime) -> Idle | None:
    """Whatever the offer: it does not hold at this time. None: it holds."""
    if loan.revoked_at is not None:
        code, why = "revoked", f"it was taken back at {texts.moment(loan.revoked_at)}"
    elif loan.ends_at <= at:
        code, why = "ended", f"it ended at {texts.moment(loan.ends_at)}"
    elif not loan.active:
        code, why = "void", "they are not active any more"
    elif not loan.may_approve:
        code, why = "cannot_approve", "their role may not approve offers any more"
    elif loan.starts_at > at:
        code, why = "scheduled", f"it begins at {texts.moment(loan.starts_at)}"
    else:
        return None
    return Idle(loan.delegation_id, loan.lender_id, loan.lender, code, why)


def not_enough(loan: Loan, refusal: Forbidden) -> Idle:
    """It holds, and does not carry this offer."""
    limits = refusal.extra.get("limits", ())
    lent = next((item for item in limits if item["limit"] == "lent"), None)
    if lent is not None:
        allowed = lent["allowed"]
        why = f"it is for offers up to {allowed['amount']} {allowed['currency']}"
        code = "lent_less"
    elif limits:
        code, why = (
            refusal.code,
            f"the offer is beyond their authority too ({', '.join(each['limit'] for each in limits)})",
        )
    else:
        code, why = refusal.code, refusal.detail[:1].lower() + refusal.detail[1:].rstrip(".")
    more = {"limits": limits} if limits else {}
    return Idle(loan.delegation_id, loan.lender_id, loan.lender, code, why, more)


def said(detail: str, loans: Sequence[Idle]) -> str:
    """A refusal's words, and after them those of the first loans."""
    parts = [detail if detail.endswith(".") else f"{detail}.", *(loan.detail for loan in loans[:_NAMED])]
    rest = len(loans) - _NAMED
    return " ".join([*parts, f"`lent` names {rest} more."] if rest > 0 else parts)
