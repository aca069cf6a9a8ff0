"""Drafting an offer that somebody else wants: a ladder, when a promise about time comes to its end or was broken.

A draft like any other: a person looks at it, and it goes through the same approval, or is thrown away.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import drafting, override_queries, remaining, suggestions
from helpdesk.recovery.errors import NothingToOffer
from helpdesk.recovery.kinds import PAYING


def draft(uow: UnitOfWork, complaint: Complaint, wanted: Mapping[str, Any]) -> UUID:
    """`wanted`: kind, amount (as in JSON; None: what is left of the goodwill that the playbook suggests), reason, valid_days. Raises
    as `drafting.draft` does, and `NothingToOffer`.
    """
    given = {"kind": wanted["kind"], "reason": wanted["reason"]}
    if wanted["valid_days"] is not None:
        given["valid_days"] = wanted["valid_days"]
    if wanted["kind"] in PAYING:
        given["amount"] = _amount(uow, complaint, wanted["amount"])
    return drafting.draft(uow, SYSTEM, complaint, given)


def _amount(uow: UnitOfWork, complaint: Complaint, wanted: Mapping[str, str] | None) -> Money:
    if wanted is not None:
        return Money.parse(wanted["amount"], wanted["currency"])
    suggested = suggestions.suggestion_for(uow.session, complaint)
    found = suggested.suggestion
    already = override_queries.offered(uow.session, complaint.id, found.owed.currency, shares=suggested.shares)
    goodwill = remaining.left_of(found, already)["goodwill"]
    if goodwill.minor == 0:
        raise NothingToOffer
    return goodwill
