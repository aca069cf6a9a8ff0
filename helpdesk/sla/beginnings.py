"""From when a clock of a survivor counts: its own start, and those that merged complaints brought; the earliest wins, less what that
one waited until the other began. What merges did to a clock stands in their books (`complaints.merge_ledger`; its words: `joining`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.sla.clock_terms import waits_in
from helpdesk.sla.models import Clock

BOOK: Final = "sla_clock"

Carried = list[list[str]]


@dataclass(frozen=True, slots=True)
class Beginning:
    """`carried`: as `Clock.carried`, None for one that goes on from no round before."""

    at: datetime
    carried: Carried | None

    def or_earlier(self, theirs: "Beginning | None") -> "Beginning":
        """What a merged complaint brought goes before one that is later. In what that one waited before the other began nothing was owed
        by either.
        """
        if theirs is None or theirs.at >= self.at:
            return self
        if self.carried is None and theirs.carried is None:
            return theirs
        waited = [
            [rfc3339(since), rfc3339(min(until, self.at))]
            for since, until in waits_in(theirs.carried)
            if since < self.at and until is not None
        ]
        return Beginning(theirs.at, [*waited, *(self.carried or ())])


def of_clock(clock: Clock) -> Beginning:
    return Beginning(clock.started_at, clock.carried)


@dataclass(slots=True)
class Moved:
    """What merges that are not undone noted of a clock: `own`, its start without any of them (None where it would not be there), what
    it carries without them (`carries`, where a merge may have changed that), what each brought, and whose these merges are: `merges`
    with the complaints that were merged.
    """

    own: str | None
    carries: tuple[Carried | None] | None = None
    theirs: list[Beginning] = field(default_factory=list)
    merges: dict[UUID, UUID] = field(default_factory=dict)

    def take(self, noted: dict[str, Any]) -> None:
        if self.carries is None and "carried" in noted:
            self.carries = (noted["carried"],)
        if noted.get("theirs"):
            self.theirs.append(Beginning(parse_rfc3339(noted["theirs"]), noted.get("their_carried")))

    def carried(self, clock: Clock) -> Carried | None:
        """Without any merge."""
        return clock.carried if self.carries is None else self.carries[0]

    def alone(self, clock: Clock) -> Beginning | None:
        """Without any merge; None where it would not be there."""
        return None if self.own is None else Beginning(parse_rfc3339(self.own), self.carried(clock))


def moved(session: Session, survivor_id: UUID, undone: UUID | None = None) -> dict[UUID, Moved]:
    """Clock -> what the merges did to it that were not undone, nor are just now."""
    found: dict[UUID, Moved] = {}
    for merge in merge_queries.merges_into(session, survivor_id):
        if merge.id == undone:
            continue
        for clock_id, noted in merge_queries.ledger_of(session, merge.id, BOOK).items():
            known = found.setdefault(clock_id, Moved(noted["own"]))
            known.take(noted)
            known.merges[merge.id] = merge.source_id
    return found


def earliest(own: Beginning, theirs: Iterable[Beginning]) -> Beginning:
    return reduce(Beginning.or_earlier, theirs, own)
