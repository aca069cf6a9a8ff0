"""Regulators' clocks of complaints that come in, hundreds at once, and of parts that are split off."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

from helpdesk.complaints.events import ComplaintReceived
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clock_terms, regime_clocks, regime_queries
from helpdesk.sla.regime_choosing import verdicts
from helpdesk.sla.regime_facts import Birth, brought
from helpdesk.sla.regime_in_force import in_force
from helpdesk.sla.regime_models import RuleDecision
from helpdesk.sla.regime_queries import Known
from helpdesk.sla.regime_rules import Rule

Received = Callable[[ComplaintReceived], list[dict[str, Any]]]


def receiving(uow: UnitOfWork) -> Received:
    """What makes the rows of each complaint of one batch: those that start on one day share what they promise."""

    @cache
    def promised(rule: Rule, start: datetime, jurisdiction: str | None) -> dict[str, Any] | None:
        return regime_clocks.terms(in_force(uow.session), rule, start, uow.now, jurisdiction)

    def rows_of(event: ComplaintReceived) -> list[dict[str, Any]]:
        if event.jurisdiction is None:
            return []
        found = []
        rules = in_force(uow.session).for_complaint(event.jurisdiction, event.sector)
        facts = (*Birth(event.received_at, event.channel).facts(), *brought(event.clock_starts))
        born = SimpleNamespace(**event.payload(), updated_at=event.received_at)
        for verdict in verdicts(rules, born, Known(facts, {}), uow.now):
            if not verdict.applies or verdict.starts_at is None:
                continue
            terms = promised(verdict.rule, verdict.starts_at, event.jurisdiction)
            if terms is not None:
                row = clock_terms.new_clock(event.complaint_id, terms)
                found.append(row if verdict.stops_at is None else regime_clocks.stopped(uow, row, verdict.stops_at))
        return found

    return rows_of


def of_part(uow: UnitOfWork, event: ComplaintReceived) -> list[dict[str, Any]]:
    """A regulator's deadline is for both: rows for what is open of the complaint that the part was split off from. What was
    said of its rules is said of the part's.
    """
    if event.split_from is None:
        return []
    decided = regime_queries.decisions_of(uow.session, event.split_from)
    columns = ("rule_id", "applies", "reason", "decided_at", "decided_by")
    uow.add_rows(
        RuleDecision,
        [
            {"id": new_id(), "complaint_id": event.complaint_id} | {name: getattr(row, name) for name in columns}
            for row in decided
        ],
    )
    return [
        regime_clocks.carried_over(uow.session, clock, event.complaint_id, 1, uow.now)
        for clock in regime_queries.open_rule_clocks_for_update(uow.session, event.split_from)
    ]
