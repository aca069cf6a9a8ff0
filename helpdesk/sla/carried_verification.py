"""Clocks that go on from a round before, against the clocks of that: their own complaint's, those of the complaint that theirs was split
off from, and what merges noted that they brought (`beginnings`).
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.sla import beginnings, clock_terms, queries
from helpdesk.sla.beginnings import Beginning
from helpdesk.sla.models import Clock


def against_the_rounds_before(session: Session, clock: Clock) -> Iterator[str]:
    """Of an open one that carries waits. What merges brought is as they noted it."""
    noted = beginnings.moved(session, clock.complaint_id).get(clock.id)
    alone = beginnings.of_clock(clock)
    if noted is not None:
        if noted.own is None:
            return  # it waits for what was asked in a duplicate
        carried = noted.carried(clock)
        alone = Beginning(parse_rfc3339(noted.own), carried)
        should = beginnings.earliest(alone, noted.theirs).carried
        if noted.theirs and clock.carried != should:
            yield f"carries the waits {clock.carried}, should carry {should}"
            return
    if alone.carried:
        yield from _against_those_before(session, clock, alone)


def _against_those_before(session: Session, clock: Clock, alone: Beginning) -> Iterator[str]:
    before: Sequence[Clock] = queries.clocks_before(session, clock)[:1]
    if not before and clock.round == 1:
        found = _of_the_whole(session, clock.complaint_id, clock.kind)
        if found is None:
            return
        before = found
    if not before:
        yield "goes on from a round before, in which nothing of the kind was promised"
        return
    carried = alone.carried or []
    until = clock_terms.waits_in(carried)[-1][1] or alone.at
    fits = [each for each in before if clock_terms.carried_on(each, until) == carried]
    if not fits:
        yield f"carries the waits {carried}, should carry {clock_terms.carried_on(before[0], until)}"
    elif alone.at > max(each.started_at for each in fits):
        yield f"began at {alone.at.isoformat()}, should have at {fits[0].started_at.isoformat()}"


def _of_the_whole(session: Session, part_id: UUID, kind: str) -> list[Clock] | None:
    """The clocks of the kind of the complaint that a part comes from, and of the one that that comes from. None where merges into one
    of them had brought what the part carries, be they undone by now.
    """
    found, whole = list[Clock](), queries.split_from(session, part_id)
    while whole is not None:
        if queries.was_merged_into(session, whole):
            return None
        found += queries.clocks_of_kind(session, whole, kind)
        whole = queries.split_from(session, whole)
    return found
