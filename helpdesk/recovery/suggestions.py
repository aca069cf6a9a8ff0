"""The playbook's suggestion for a complaint as it stands, with what is not known yet said openly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.money import Money
from helpdesk.recovery import queries
from helpdesk.recovery.playbook import Facts, Playbook, Suggestion, as_data, default_playbook, suggest

DEFAULT_CURRENCY: Final = "EUR"
"""Where neither the complaint nor the caller names one; only the unit of the bands depends on it."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """`assumed` names the facts that nobody has stated: read the suggestion as "if so, then"."""

    suggestion: Suggestion
    facts: Facts
    assumed: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """JSON-safe, to be kept with an offer."""
        return as_data(self.suggestion) | {"assumed": list(self.assumed)}


def suggestion_for(
    session: Session,
    complaint: Complaint,
    overrides: Mapping[str, Any] | None = None,
    playbook: Playbook | None = None,
) -> Suggested:
    """`overrides`: any of fault, weeks_overdue, repeat, vulnerable, and the amounts loss, statutory, refunded, price
    (`Money` of `currency_of(complaint)`). What neither they nor the complaint say is assumed: fault the firm's, nothing
    overdue, nothing lost; lateness is kept by another domain, so a caller who knows it passes it.
    """
    given = dict(overrides or {})
    book = playbook or default_playbook()
    nothing = Money(0, currency_of(complaint, given.get("currency")))
    known: dict[str, Any] = {
        "fault": complaint.fault,
        "weeks_overdue": None,
        "loss": _of(complaint.loss_minor, nothing.currency),
        "statutory": None,
        "refunded": None,
    }
    assumptions: dict[str, Any] = {
        "fault": "firm",
        "weeks_overdue": 0,
        "loss": nothing,
        "statutory": nothing,
        "refunded": nothing,
    }
    stated = known | {name: given[name] for name in known if name in given}
    assumed = tuple(name for name, value in stated.items() if value is None)
    settled = {name: assumptions[name] if value is None else value for name, value in stated.items()}
    repeated = given.get("repeat")
    if repeated is None:
        repeated = queries.failed_before(session, complaint, book.repeat_within_days)
    facts = Facts(
        severity=complaint.severity,
        tier=queries.tier_of(session, complaint.customer_id) or "ordinary",
        repeated=repeated,
        vulnerable=given.get("vulnerable", complaint.vulnerable),
        price=given.get("price", _of(complaint.price_minor, nothing.currency)),
        **settled,
    )
    return Suggested(suggest(facts, book), facts, assumed)


def currency_of(complaint: Complaint, given: str | None = None) -> str:
    """The complaint's own currency counts before any other: its amounts are in it."""
    return complaint.currency or given or DEFAULT_CURRENCY


def _of(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)
