"""Telling agents that a clock came to a rung: who they are, whether they are at work, and what became of it for each.

Nobody is told what they did themselves, nor of a complaint that they may not see, nor of one alarm twice. Who is not at work is told
when they are (`Notice.until`), unless the rung says otherwise. Of several alarms of one clock that are told at one time, after an
outage or a night, each is told the newest only.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import notifications, queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notification_models import Notification
from helpdesk.kernel import bulk
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import clock_terms, escalation_queries, policies_in_force
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.escalation_models import Notice
from helpdesk.sla.ladder import BREACHED, place_of
from helpdesk.sla.models import Clock
from helpdesk.sla.rung_words import told_of
from helpdesk.sla.working_times import Colleague, at_work, calendar_for

TOPIC: Final = "sla.held_notice"
"""Of the duty to tell somebody when they are at work again; its subject is the notice."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody is to be told by one action. `doer`: kind and id of who did what the alarm is about: mostly the system, since
    the time passes by itself.
    """

    escalation_id: UUID
    event_id: UUID
    clock: Clock
    complaint: Complaint
    rung: str
    planned_for: datetime
    late_seconds: int
    at_any_time: bool
    given: Mapping[str, Any]
    doer: tuple[str, UUID | None] = ("system", None)


_OUT_OF_REACH: Final = frozenset({"not_active", "may_not_see", "never_at_work"})
"""Why somebody was not told who does not know otherwise, nor wished not to be told."""
NOBODY: Final[Mapping[str, str]] = {
    "nobody_to_tell": "Nobody has the complaint, and there is none of those who were to be told.",
    "no_assignee": "Nobody has the complaint.",
    "no_team": "The complaint is in no team.",
    "no_lead": "Nobody leads the complaint's team.",
    "empty_team": "Nobody is in the complaint's team.",
    "no_watchers": "Nobody watches the complaint.",
    "nobody_reached": "None of those who were to be told is active, may see the complaint and is ever at work.",
}
"""Why nobody was told -> in words."""


def kind_of(rung: str) -> str:
    """Of notification."""
    if rung == BREACHED:
        return "sla_breached"
    return "sla_warned" if place_of(rung).is_before else "sla_overdue"


class Telling:
    """Everything that is to be told at one time. `later`: of the same clocks, what is told right after this, and goes before it.

    `told`: who was told of the same alarm by an action before (`escalation_queries.told_of`); `newer`: who was told of a later one.
    Look `answer` up for each; then `write`, after the rows of the actions are there.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        asks: Sequence[Ask],
        later: Sequence[Ask] = (),
        *,
        told: Collection[UUID] = (),
        newer: Collection[UUID] = (),
    ) -> None:
        self._uow = uow
        order, asked = [*asks, *later], dict[Any, set[UUID]]()
        self._named = {ask.escalation_id: _named(uow.session, ask, asked) for ask in order}
        self._newer = {name: {*later_told, *newer} for name, later_told in self._told_newer(order).items()}
        self._known = _Known(uow.session, set[UUID]().union(*self._named.values()))
        self._told = {(ask.event_id, agent_id) for ask in asks for agent_id in told}
        self._clocks: set[tuple[UUID, UUID]] = set()
        self._notices: list[dict[str, Any]] = []
        self._notifications: list[dict[str, Any]] = []

    def answer(self, ask: Ask, *, whole: bool = True) -> str | None:
        """Why nobody was told, where nobody was there, or was to be reached; for each who was meant a notice is kept, where nobody was
        reached only if this is the `whole` of it. Owes the mails, and what is held.
        """
        named, newer = self._named[ask.escalation_id], self._newer[ask.escalation_id]
        mine = []
        for agent_id in sorted(named):
            notice_id = new_id()
            row = {
                "id": notice_id,
                "created_at": self._uow.now,
                "escalation_id": ask.escalation_id,
                "agent_id": agent_id,
                "outcome": "dropped",
                "reason": None,
                "until": None,
                "settled_at": self._uow.now,
            }
            mine.append(row | self._one(ask, notice_id, agent_id, newer=agent_id in newer))
        reason = _why_nobody(ask) if not mine else None
        if mine and all(row["reason"] in _OUT_OF_REACH for row in mine):
            reason = "nobody_reached"
        if whole or reason is None:
            self._notices += mine
        return reason

    def write(self) -> None:
        session = self._uow.session
        if self._clocks:
            escalation_queries.supersede_held(session, self._clocks, self._uow.now)
        rows = {Notice.__table__: self._notices, Notification.__table__: self._notifications}
        bulk.write_rows(session, {table: mine for table, mine in rows.items() if mine})

    def _told_newer(self, order: Sequence[Ask]) -> dict[UUID, set[UUID]]:
        """By action, whom a later alarm of the same clock tells."""
        found: dict[UUID, set[UUID]] = {}
        after: dict[UUID, dict[UUID, set[UUID]]] = {}
        for ask in reversed(order):
            of_clock = after.setdefault(ask.clock.id, {})
            others = (named for event_id, named in of_clock.items() if event_id != ask.event_id)
            found[ask.escalation_id] = set[UUID]().union(*others)
            of_clock[ask.event_id] = of_clock.get(ask.event_id, set()) | self._named[ask.escalation_id]
        return found

    def _one(self, ask: Ask, notice_id: UUID, agent_id: UUID, *, newer: bool) -> dict[str, Any]:
        colleague, why = self._known.who(ask, agent_id)
        if colleague is None:
            return {"reason": why}
        if newer:
            return {"outcome": "superseded"}
        this = (ask.event_id, agent_id if colleague.actor.id is None else colleague.actor.id)
        if this in self._told:
            return {"reason": "told_already"}
        opens = self._uow.now if ask.at_any_time else self._known.opens(ask, colleague, self._uow.now)
        if opens is None:
            return {"reason": "never_at_work"}
        self._told.add(this)
        self._clocks.add((ask.clock.id, agent_id))
        if opens > self._uow.now:
            self._uow.duty(TOPIC, notice_id, not_before=opens)
            return {"outcome": "held", "until": opens, "settled_at": None}
        self._notifications.append(notification(self._uow, ask, colleague))
        return {"outcome": "sent", "reason": why}


class _Known:
    """The agents who may be told, those who stand in for them, and by whose hours they work."""

    def __init__(self, session: Session, named: Collection[UUID]) -> None:
        self._session = session
        self._all = escalation_queries.colleagues(session, named)
        away = {one.substitute_id for one in self._all.values() if one.absent_until is not None}
        self._all |= escalation_queries.colleagues(session, {each for each in away if each} - self._all.keys())
        teams = {team_id for one in self._all.values() if one.hours is None for team_id in one.actor.team_ids}
        self._teams = escalation_queries.team_calendars(session, teams)

    def who(self, ask: Ask, agent_id: UUID) -> tuple[Colleague | None, str | None]:
        """Who is told in fact, and `substitute` where it is another; or nobody, and why."""
        colleague = self._all.get(agent_id)
        why = _why_not(ask, colleague)
        if colleague is None or why is not None:
            return None, why
        if colleague.absent_until is not None and colleague.substitute_id is not None:
            other = self._all.get(colleague.substitute_id)
            if _why_not(ask, other) is None:
                return other, "substitute"
        return colleague, None

    def opens(self, ask: Ask, colleague: Colleague, now: datetime) -> datetime | None:
        own = _calendar_of(self._session, ask.clock)
        return at_work(colleague, calendar_for(colleague, ask.complaint.team_id, self._teams, own), now)


def notification(uow: UnitOfWork, ask: Ask, colleague: Colleague) -> dict[str, Any]:
    """The row; owes the mail too, where it is wanted."""
    kind, notification_id = kind_of(ask.rung), new_id()
    if kind in colleague.mail or ask.given.get("mail"):
        uow.duty(notifications.TOPIC, notification_id)
    clock = ask.clock
    return {
        "id": notification_id,
        "agent_id": colleague.actor.id,
        "complaint_id": ask.complaint.id,
        "event_id": ask.event_id,
        "kind": kind,
        "message_id": None,
        "actor_kind": ask.doer[0],
        "actor_id": ask.doer[1],
        "detail": {
            "promise": clock.kind,
            "clock_id": str(clock.id),
            "rung": ask.rung,
            "due_at": None if clock.due_at is None else rfc3339(clock.due_at),
            "planned_for": rfc3339(ask.planned_for),
            "late_seconds": ask.late_seconds,
            **({"mail": True} if ask.given.get("mail") and kind not in colleague.mail else {}),
            "text": told_of(clock.kind, ask.rung, clock.due_at, ask.late_seconds, ask.given.get("text")),
        },
        "created_at": uow.now,
    }


def _named(session: Session, ask: Ask, asked: dict[Any, set[UUID]]) -> set[UUID]:
    """`asked`: what was looked up before of the same complaints."""
    complaint, to, roles = ask.complaint, set(ask.given.get("to", ())), ask.given.get("roles", ())
    found = {UUID(str(agent_id)) for agent_id in ask.given.get("agent_ids", ())}
    if not to.isdisjoint({"assignee", "responsible"}) and complaint.assignee_id is not None:
        found.add(complaint.assignee_id)
    elif "responsible" in to:
        found |= _leading(session, complaint.team_id, asked)
    others = frozenset(to - {"assignee", "responsible"})
    if others or roles:
        key = complaint.id, others, tuple(roles)
        if key not in asked:
            asked[key] = escalation_queries.named(session, complaint, others, roles)
        found |= asked[key]
    return found


def _leading(session: Session, team_id: UUID | None, asked: dict[Any, set[UUID]]) -> set[UUID]:
    """Who answers for what nobody has: who leads its team, else who leads and sees every team."""
    if team_id not in asked:
        asked[team_id] = set() if team_id is None else set(escalation_queries.leads_of(session, team_id))
    if asked[team_id]:
        return asked[team_id]
    if None not in asked or not asked[None]:
        asked[None] = set(escalation_queries.leads_of_all(session))
    return asked[None]


def _why_nobody(ask: Ask) -> str:
    """The one thing that is lacking, where it is one."""
    to = ask.given.get("to", ())
    if len(to) != 1 or ask.given.get("roles"):
        return "nobody_to_tell"
    if to[0] in {"team", "team_leads"} and ask.complaint.team_id is None:
        return "no_team"
    if to[0] == "responsible":
        return "nobody_to_tell"
    return {"assignee": "no_assignee", "team_leads": "no_lead", "team": "empty_team", "watchers": "no_watchers"}[to[0]]


def _why_not(ask: Ask, colleague: Colleague | None) -> str | None:
    if colleague is None:
        return "not_active"
    if ask.doer == ("agent", colleague.actor.id):
        return "own_act"
    if not queries.sees(colleague.actor, ask.complaint):
        return "may_not_see"
    return "muted" if kind_of(ask.rung) in colleague.muted else None


def _calendar_of(session: Session, clock: Clock) -> Calendar:
    """A regulator's clock that counts every day has no working hours: those of the default policy then."""
    if clock.calendar_id is None or clock.rule_id is not None:
        return policies_in_force.default_policy(session).calendar
    return clock_terms.calendar_of(session, clock)


def tell_held(uow: UnitOfWork, ask: Ask, row: Notice) -> None:
    """One that was held, and whose time has come: told now, held on where they are not at work after all, or dropped."""
    known = _Known(uow.session, [row.agent_id])
    colleague, why = known.who(ask, row.agent_id)
    if row.agent_id not in _named(uow.session, ask, {}):
        colleague, why = None, "not_meant_any_more"  # another has it by now
    elif colleague is not None and escalation_queries.was_told(uow.session, ask.event_id, colleague.actor.id):
        colleague, why = None, "told_already"  # as the one who stands in for another
    opens = None if colleague is None else known.opens(ask, colleague, uow.now)
    row.settled_at = uow.now
    if colleague is None or opens is None:
        row.outcome, row.reason = "dropped", why or "never_at_work"
    elif opens > uow.now:
        row.until, row.settled_at = opens, None
        uow.duty(TOPIC, row.id, not_before=opens)
    else:
        row.outcome, row.reason = "sent", why
        uow.add_rows(Notification, [notification(uow, ask, colleague)])
