"""Every periodic job, with its period. Any number of scheduler processes may run; an advisory lock makes one active.

A sweep that is due is rung for (or, without Redis, done here). What it sweeps is in tables, so a tick that is missed
costs a second and loses nothing.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import redis
import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from helpdesk.automation import jobs as automation
from helpdesk.complaints import closed_team_jobs, notification_queries
from helpdesk.complaints.attachment_jobs import delete_infected, scan_unscanned
from helpdesk.complaints.evidence_jobs import expire_packs
from helpdesk.complaints.jobs import end_needs, forget_challenges
from helpdesk.complaints.reassignment_jobs import collect_left_behind
from helpdesk.complaints.routing_jobs import route_waiting
from helpdesk.complaints.search_jobs import index_unsearched
from helpdesk.identity.door_jobs import forget_what_is_over
from helpdesk.integrations.jobs import remove_leftovers
from helpdesk.kernel import advisory, files, idempotency, jobs, outbox
from helpdesk.recovery.jobs import (
    escalate_overdue,
    expire_offers,
    expire_points,
    expire_vouchers,
    fail_abandoned,
    remind_offers,
)
from helpdesk.recovery.offers import Links
from helpdesk.sla.sweep import ring_due
from helpdesk.suggestions import training_jobs
from helpdesk.wiring import Program

log = structlog.get_logger()

DONE_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Periodic:
    """`work(program)` every `period` seconds. `due` is SQL that tells cheaply whether there is anything to do."""

    name: str
    period: float
    work: Callable[[Program], int]
    due: str | None = None


def _remind_offers(program: Program) -> int:
    lead = timedelta(hours=program.settings.offer_reminder_hours)
    return remind_offers(program.database, lead, Links(program.tools.signing_key, program.settings.offer_page))


SCHEDULE: Final = (
    Periodic(
        "sla.ring_due",
        1,
        lambda program: ring_due(program.database),
        "SELECT EXISTS (SELECT FROM sla_clock WHERE next_alarm_at <= now())",
    ),
    Periodic(
        "complaints.route_waiting",
        5,
        lambda program: route_waiting(program.database),
        "SELECT EXISTS (SELECT FROM complaint WHERE awaits_agent)",
    ),
    Periodic(
        "complaints.end_needs",
        300,
        lambda program: end_needs(program.database),
        "SELECT EXISTS (SELECT FROM complaint_need WHERE expires_at <= now())",
    ),
    Periodic(
        "complaints.scan_unscanned",
        300,
        lambda program: scan_unscanned(program.database) if program.tools.scanner.configured else 0,
        "SELECT EXISTS (SELECT FROM complaint_attachment WHERE scan = 'unscanned')",
    ),
    Periodic(
        "complaints.expire_evidence",
        600,
        lambda program: expire_packs(program.database),
        "SELECT EXISTS (SELECT FROM complaint_evidence WHERE state = 'ready' AND expires_at <= now())",
    ),
    Periodic(
        "complaints.delete_infected",
        3600,
        lambda program: delete_infected(program.database, program.settings.infected_days),
        "SELECT EXISTS (SELECT FROM complaint_attachment WHERE scan = 'infected' AND redacted_at IS NULL)",
    ),
    Periodic(
        "files.remove_abandoned",
        3600,
        lambda program: files.remove_abandoned(program.database),
        "SELECT EXISTS (SELECT FROM stored_file WHERE state = 'receiving')",
    ),
    Periodic(
        "complaints.collect_left_behind",
        300,
        lambda program: collect_left_behind(program.database),
        "SELECT EXISTS (SELECT FROM agent JOIN complaint ON assignee_id = agent.id WHERE NOT active AND "
        "status IN ('received', 'investigated'))",
    ),
    Periodic(
        "complaints.collect_of_closed_teams",
        300,
        lambda program: closed_team_jobs.collect_left_behind(program.database),
        "SELECT EXISTS (SELECT FROM team JOIN complaint ON team_id = team.id WHERE NOT active AND "
        "status IN ('received', 'investigated'))",
    ),
    Periodic(
        "complaints.index_unsearched",
        2,
        lambda program: index_unsearched(program.database),
        "SELECT EXISTS (SELECT FROM complaint_unsearched)",
    ),
    Periodic(
        "complaints.forget_challenges",
        300,
        lambda program: forget_challenges(program.database),
        "SELECT EXISTS (SELECT FROM intake_used_challenge WHERE expires_at < now())",
    ),
    Periodic(
        "recovery.expire_offers",
        15,
        lambda program: expire_offers(program.database),
        "SELECT EXISTS (SELECT FROM offer WHERE status IN ('countered', 'offered') AND valid_until <= now())",
    ),
    Periodic("recovery.remind_offers", 60, _remind_offers),
    Periodic(
        "recovery.expire_vouchers",
        60,
        lambda program: expire_vouchers(program.database),
        "SELECT EXISTS (SELECT FROM voucher JOIN offer ON offer.id = offer_id WHERE balance_minor > 0 AND "
        "expires_at <= now() AND status = 'issued')",
    ),
    Periodic(
        "recovery.escalate_overdue",
        60,
        lambda program: escalate_overdue(program.database),
        "SELECT EXISTS (SELECT FROM approval_request WHERE closed_at IS NULL AND overdue_at IS NULL AND due_at <= now())",
    ),
    Periodic(
        "recovery.expire_points",
        60,
        lambda program: expire_points(program.database),
        "SELECT EXISTS (SELECT FROM points_lot WHERE balance_minor > 0 AND expires_at <= now())",
    ),
    Periodic("recovery.fail_abandoned", 60, lambda program: fail_abandoned(program.database)),
    Periodic(
        "suggestions.train",
        600,
        lambda program: training_jobs.begin_due(program.database),
        training_jobs.DUE,
    ),
    Periodic(
        "automation.run_timed",
        20,
        lambda program: automation.run_timed(program.database),
        "SELECT EXISTS (SELECT FROM automation_trigger WHERE timed AND active AND removed_at IS NULL)",
    ),
    Periodic(
        "automation.forget_firings",
        3600,
        lambda program: automation.forget_firings(program.engine, program.settings.automation_log_days),
    ),
    Periodic(
        "integrations.remove_leftovers",
        3600,
        lambda program: remove_leftovers(program.database, program.settings.data_dir),
    ),
    Periodic("identity.forget_what_is_over", 3600, lambda program: forget_what_is_over(program.database)),
    # Entries of their own: one that fails keeps none of the others from its work.
    Periodic("duties.bury_silent", 300, lambda program: program.performer.bury_silent()),
    Periodic("duties.forget_done", 300, lambda program: outbox.forget_done(program.engine, DONE_KEPT)),
    Periodic("idempotency.forget_old", 300, lambda program: idempotency.forget_old(program.engine)),
    Periodic("complaints.forget_notifications", 3600, lambda program: notification_queries.forget_old(program.engine)),
    Periodic("jobs.forget_ended", 3600, lambda program: jobs.forget_ended(program.engine)),
)

SWEEPS: Final = {entry.name: entry for entry in SCHEDULE}


class Scheduler:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._next: dict[str, float] = {entry.name: 0.0 for entry in SCHEDULE}
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Until `stop`: wait for the lock, tick while it is held, begin anew when the database goes away."""
        while not self._stop.is_set():
            try:
                self._hold_and_tick(self._program.engine)
            except DBAPIError as error:
                log.warning("scheduler waits", reason=type(error).__name__)
            self._stop.wait(0.5)

    def _hold_and_tick(self, engine: Engine) -> None:
        # The lock belongs to this one session and goes with it: a scheduler that dies is followed by the next at once.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.execute(
                text(f"SELECT pg_try_advisory_lock({advisory.Alone.SCHEDULING.value})")
            ).scalar_one():
                return
            try:
                while not self._stop.is_set():
                    self.tick(connection)
                    self._stop.wait(0.2)
            finally:
                connection.invalidate()

    def tick(self, connection: Connection) -> None:
        """Ring for every sweep whose time has come and that has anything to do."""
        now = time.monotonic()
        for entry in SCHEDULE:
            if now < self._next[entry.name]:
                continue
            self._next[entry.name] = now + entry.period
            if entry.due is None or connection.execute(text(entry.due)).scalar_one():
                self._ring(entry)

    def _ring(self, entry: Periodic) -> None:
        doorbell = self._program.doorbell
        if doorbell is None:
            try:
                entry.work(self._program)
            except Exception:
                log.exception("a sweep failed; it is tried again", sweep=entry.name)
            return
        try:
            doorbell.sweep(entry.name, entry.period)
        except redis.RedisError as error:
            log.warning("sweep not rung for", sweep=entry.name, reason=type(error).__name__)
