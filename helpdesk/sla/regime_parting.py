"""Regulators' clocks of a survivor when a merge is undone, beside what is chosen anew by its jurisdiction (`regime_choosing`).

What became no complaint meanwhile is owed nothing, and keeps what it had done by then. What it had done before it came under another
jurisdiction stays done, as that of one that was never merged does, from its own start: no rule is for it any more, so the version of the
rule that made the clock says.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clocks, queries, regime_choosing, regime_clocks, regime_letters, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_facts import earliest


def part(uow: UnitOfWork, survivor: Complaint, merged_at: datetime, brought: Collection[UUID]) -> None:
    """Of a locked complaint, after its clocks were chosen anew. `brought`: those that are there by the merge."""
    found = regime_queries.rule_clocks_for_update(uow.session, survivor.id)
    latest = {clock.kind: clock for clock in found if clock.kind == clock.rule_id and clock.stopped_at is not None}
    if not latest:
        return
    sources = regime_choosing.sources_of(uow.session, survivor)
    judged = regime_choosing.judged_now(uow, survivor, latest, sources)
    if survivor.record_type != "complaint":
        since = queries.converted_at(uow.session, survivor.id) or uow.now
        given = regime_letters.given_of(uow.session, survivor.id, sources, [each.rule for each in judged], parted=True)
        ends = {**regime_queries.ends_of_rounds(uow.session, survivor.id, regime_choosing.GONE), survivor.round: since}
        regime_choosing.settle_those_ended(uow, latest.values(), ends, judged, given=given, brought=brought)
    known = regime_choosing.known_now(uow, survivor, sources)
    rules = {kind: regime_clocks.rule_of(uow.session, clock) for kind, clock in latest.items()}
    for kind in sorted(latest.keys() - {verdict.rule.id for verdict in judged}):
        clock = latest[kind]
        start = regime_choosing.start_of(rules[kind], rules, known.facts)
        stop = None if start is None else earliest(known.facts, rules[kind].stops_on, start)
        if clock.id not in brought and start is not None and stop is not None:
            _keep(uow, clock, start.replace(microsecond=0), stop, merged_at)


def _keep(uow: UnitOfWork, clock: Clock, start: datetime, stop: datetime, merged_at: datetime) -> None:
    """What was done in time before it was found to have no reason any more was done; what was late was taken back then."""
    ended_at = clock.stopped_at
    if ended_at is None or (clock.started_at, clock.stopped_at, clock.state) == (start, stop, "met"):
        return
    if clock.state == "cancelled" and (ended_at < merged_at or stop > ended_at):
        return
    regime_clocks.restart(uow, clock, start)
    clocks.stop(uow, clock, stop)
    if clock.state != "met":
        clocks.annul(uow, clock, max(ended_at, start))
