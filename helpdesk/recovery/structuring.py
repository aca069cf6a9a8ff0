"""Offers that belong together: several small ones in place of one that somebody might not have granted. Pure.

Looked at together are offers on one complaint, on complaints of one customer, and on complaints that are linked or merged,
granted within some days by the same person, or by two who grant for each other. Each alone is within the limit for one
complaint; all of them are not. That is a reason to have the next authority look, and no proof of anything: the rule counts
nothing that was beyond the limit by itself, and nothing that came to nothing.

Whoever looks then is to be allowed as much as all of them together: a peer of the one who split them is not, though they granted
none of the earlier ones (`Flagged`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk.kernel.money import Money, nominal

PATTERNS: Final = ("one_person", "pair")
RELATIONS: Final = ("same_complaint", "same_customer", "linked", "merged")


@dataclass(frozen=True, slots=True)
class Earlier:
    """A granted offer near another one. `signed_by`: who approved it, and in whose names."""

    offer_id: UUID
    complaint_id: UUID
    relation: str
    amount: Money
    drafted_by: UUID | None
    signed_by: frozenset[UUID]
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Flagged:
    """An offer belonged together with others when it was submitted. `person_id`: whose they are. `limit`: theirs, then."""

    person_id: UUID | None
    limit: Money


@dataclass(frozen=True, slots=True)
class Near:
    """What an offer is looked at with."""

    offers: Sequence[Earlier] = ()
    flagged: Flagged | None = None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`offers`: the earlier ones. `total`: of all, the present one with them. `known`: flagged at its submission."""

    pattern: str
    total: Money
    limit: Money
    offers: tuple[Earlier, ...]
    known: bool = False


def suspicion(
    amount: Money, limit: Money, signers: Collection[UUID], drafter: UUID | None, earlier: Sequence[Earlier]
) -> Suspicion | None:
    """`limit`: of the signer's authority, for one complaint. `signers`: who would grant it, and in whose name. `earlier`: in
    currencies that count with the amount's, in units.
    """
    if limit < amount:
        return None
    small = [item for item in earlier if nominal([item.amount], limit.currency) <= limit]
    own = [item for item in small if item.signed_by.intersection(signers)]
    back = [item for item in small if item.drafted_by in signers and drafter in item.signed_by]
    paired = bool(back) and drafter not in signers
    found = {item.offer_id: item for item in (*own, *back)} if paired else {item.offer_id: item for item in own}
    total = amount + nominal((item.amount for item in found.values()), amount.currency)
    if not found or total <= limit:
        return None
    return Suspicion("pair" if paired else "one_person", total, limit, tuple(found.values()))


def together(
    amount: Money, limit: Money, signers: Collection[UUID], drafter: UUID | None, near: Near
) -> Suspicion | None:
    """`suspicion` of who would grant it, or of whose submission of it was flagged: all of that passes this limit too. Of both the
    one that is more.
    """
    found = [suspicion(amount, limit, signers, drafter, near.offers)]
    if near.flagged is not None and near.flagged.person_id is not None:
        then = nominal([near.flagged.limit], amount.currency)
        theirs = suspicion(amount, then, {near.flagged.person_id}, drafter, near.offers)
        found.append(replace(theirs, limit=limit, known=True) if theirs is not None and limit < theirs.total else None)
    return max((item for item in found if item is not None), key=lambda item: item.total.minor, default=None)
