"""Having a remedy issued by a provider, once, whatever crashes or stays away.

1. **Note** that it is about to be asked (one short transaction): from here on it may have been done.
2. **Ask**, with no transaction open: to issue, with the same key and the same words each time; and when an earlier request
   is in doubt, first how that stands.
3. **Settle** what it said (one short transaction): issued, refused, or another duty for the next try.

Nothing is failed while it may have been done. A refusal counts when no earlier request is in doubt; an answer that does not
tell leaves its request in doubt until the provider says how it stands; where it answered as if it had done it (any 2xx), that it
does not know the key is no such word. When the tries are used up and one is still in doubt
the offer waits for a person, with its money reserved (`unknown`), and the provider is asked how it stands from time to time.

An order has one duty at a time that may ask (`turn`); what an older one hears still counts if it is sure.

A provider may take a minute to say nothing. So asking has a queue and a worker of its own: what we issue ourselves, and every
alarm, never waits behind it. And one that has kept a worker waiting in vain is not asked for a while (`paused_until` in its row,
which all workers see): what is due of it is put off without being asked, then one request tries whether it answers, and so on,
less and less often. So other providers' offers wait for it for a small part of the time. What somebody wants asked now is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, outbox
from helpdesk.kernel.unit_of_work import CONCLUDED, UnitOfWork
from helpdesk.recovery import outcomes, provider_queries, queries
from helpdesk.recovery.issuers import Tools
from helpdesk.recovery.kinds import ASK
from helpdesk.recovery.provider_answers import BUSY, CLOSED, FAILED, ISSUED, PENDING, REFUSED, UNHEARD, Answer
from helpdesk.recovery.provider_calls import ClosedProvider, HttpProvider, Provider, RecordingProvider
from helpdesk.recovery.provider_models import RemedyOrder, RemedyProvider
from helpdesk.recovery.providers import keys_of
from helpdesk.recovery.queries import Held

TOPIC: Final = ASK
AFTER_NOTE: Final = "recovery.ask.after_note"
AFTER_STATUS: Final = "recovery.ask.after_status"
AFTER_SECOND_NOTE: Final = "recovery.ask.after_second_note"
AFTER_ANSWER: Final = "recovery.ask.after_answer"
HEARD: Final = "recovery.ask.heard"
DUTY_DONE: Final = "recovery.ask.duty_done"
BEFORE_SETTLED: Final = "recovery.ask.before_settled"
AFTER_SETTLED: Final = "recovery.ask.after_settled"
FAULT_POINTS: Final = (CONCLUDED, AFTER_NOTE, AFTER_ANSWER, HEARD, DUTY_DONE, BEFORE_SETTLED, AFTER_SETTLED)
"""One between every two steps, in their order. The first unit of work to be concluded is the note's."""
IN_DOUBT: Final = (AFTER_STATUS, AFTER_SECOND_NOTE)
"""Those between the two questions where an earlier request is in doubt."""

MOST_ATTEMPTS: Final = 40
"""Tries until a person is asked; with the pauses below about seven hours."""
_LONGEST_PAUSE: Final = 900
"""Seconds."""
_PENDING_PAUSES: Final = (30, 60, 120, 300, 900, 3600)
"""Seconds between two questions about what is pending; the last goes on."""
_SHORTEST_SILENCE: Final = 10
"""Seconds that a silent provider is left alone at least."""
_SILENCE: Final = 5
"""A pause is so many times what a request may take; it doubles each time, up to `_LONGEST_PAUSE`. A trial is two requests at
most, so that a provider which never answers has one worker for a small part of the time.
"""
_PUT_OFF_AS_ASKED: Final = 2
"""So often put off counts as one try: once while another tries whether the provider answers, once for the pause that follows."""
PENDING_FOR: Final = timedelta(days=7)
"""Since it was first asked: how long a provider may work on it until a person is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to ask. `issue`: to issue it; else how it stands. `again`: to issue it, where that says nothing."""

    order_id: UUID
    provider_id: UUID
    silences: int
    timeout: int
    turn: int
    key: str
    body: str
    provider: Provider
    issue: bool
    again: bool

    def ask(self) -> Answer:
        return self.provider.issue(self.key, self.body) if self.issue else self.provider.status(self.key)


@dataclass(frozen=True, slots=True)
class Paused:
    """Its provider is not asked before `until`."""

    order_id: UUID
    turn: int
    until: datetime


def ask(tools: Tools, duty_id: UUID, offer_id: UUID) -> None:
    """The handler, of what a provider issues. Safe to run twice, at once, and on what is settled."""
    noted = _note(tools, duty_id, offer_id)
    if isinstance(noted, Paused):
        _put_off(tools, duty_id, offer_id, noted)
        return
    task = noted
    faults.point(AFTER_NOTE)
    answer = None if task is None else task.ask()
    if task is not None and answer is not None and task.again and answer.says not in _TELLING:
        faults.point(AFTER_STATUS)
        noted = _note(tools, duty_id, offer_id, heard=answer)
        task = None if isinstance(noted, Paused) else noted
        faults.point(AFTER_SECOND_NOTE)
        answer = None if task is None else task.ask()
    if task is not None and answer is not None:
        _mind(tools, task, answer)
    faults.point(AFTER_ANSWER)
    with tools.database.unit_of_work(SYSTEM) as uow:
        if task is not None and answer is not None:
            _hear(uow, offer_id, task, answer)
        faults.point(HEARD)
        outbox.settle(uow.session, duty_id)  # unless another worker has settled it
        faults.point(DUTY_DONE)
        uow.conclude()
        faults.point(BEFORE_SETTLED)
    faults.point(AFTER_SETTLED)


def take_over(uow: UnitOfWork, duty_id: UUID, offer_id: UUID) -> None:
    """Owe by `TOPIC` what is owed by a duty to issue: a release that knew no other wrote it."""
    duty = outbox.peek(uow.session, duty_id)
    if duty is not None:
        uow.duty(TOPIC, offer_id, payload=duty.payload, dedupe_key=duty.dedupe_key)


_TELLING: Final = frozenset({ISSUED, PENDING, FAILED})


def _mind(tools: Tools, task: Task, answer: Answer) -> None:
    """Whether it kept us waiting in vain, for all who would ask it next. Usually nothing is written."""
    if answer.silent:
        shortest = max(_SHORTEST_SILENCE, _SILENCE * task.timeout)
        pause = min(_LONGEST_PAUSE, shortest * 2 ** min(task.silences, 10))
        with tools.database.unit_of_work(SYSTEM) as uow:
            provider_queries.note_silence(uow.session, task.provider_id, task.silences, pause)
    elif task.silences:
        with tools.database.unit_of_work(SYSTEM) as uow:
            provider_queries.note_answer(uow.session, task.provider_id)


def _paused(session: Session, row: RemedyProvider, order: RemedyOrder, now: datetime) -> Paused | None:
    """None where it may be asked: it answers, or nobody else tries whether it does."""
    if row.paused_until is None:
        return None
    if row.paused_until > now:
        return Paused(order.id, order.turn, row.paused_until)
    trial = 2 * row.timeout_seconds + _SHORTEST_SILENCE  # how it stands, and to issue it
    if provider_queries.take_probe(session, row.id, row.silences, trial):
        return None
    return Paused(order.id, order.turn, now + timedelta(seconds=trial))


def _put_off(tools: Tools, duty_id: UUID, offer_id: UUID, paused: Paused) -> None:
    """Its turn has come, and its provider is not asked: it comes again after the pause, and not for ever."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        held = queries.hold_any(uow.session, offer_id)
        order = provider_queries.order_for_update(uow.session, paused.order_id)
        if outcomes.is_open(held, order) and order.turn == paused.turn:
            order.put_off += 1
            if order.attempts == 0:
                order.last_error = "not asked yet: the provider does not answer in time"
            if not _is_over(uow, order):
                outbox.put_off(uow.session, duty_id, paused.until)
                return
            _end(uow, held, order)
        outbox.settle(uow.session, duty_id)


def _is_over(uow: UnitOfWork, order: RemedyOrder) -> bool:
    """Whether it was waited for long enough."""
    since = uow.now - (order.first_asked_at or uow.now)
    if order.state == "unknown":
        return since >= outcomes.UNKNOWN_FOR
    if order.state == PENDING:
        return since > PENDING_FOR
    return order.attempts + order.put_off // _PUT_OFF_AS_ASKED >= MOST_ATTEMPTS


def _end(uow: UnitOfWork, held: Held, order: RemedyOrder) -> None:
    detail = order.last_error or "the provider does not answer in time"
    if order.state == "unknown":
        return
    if outcomes.may_be_done(order):
        outcomes.lose_sight(uow, held, order, detail)
    else:
        outcomes.refused(uow, held, order, detail)


def _note(tools: Tools, duty_id: UUID, offer_id: UUID, *, heard: Answer | None = None) -> Task | Paused | None:
    """Write down that it is asked now; None when it is not to be. `heard`: what was said just now of how it stands, which was
    not enough. Locks the order alone.
    """
    with tools.database.unit_of_work(SYSTEM) as uow:
        duty = outbox.peek(uow.session, duty_id)
        order = provider_queries.open_order_for_update(uow.session, offer_id)
        if duty is None or order is None or order.turn != duty.payload.get("turn", 0):
            return None
        row, now = provider_queries.provider_of(uow.session, order.provider_id)
        if heard is not None and heard.says == UNHEARD:
            outcomes.unheard(order)
        issue = order.state == "open" and (not outcomes.may_be_done(order) or (heard is not None and row.enabled))
        provider = _provider(tools, row, now, issue=issue)
        paused = _paused(uow.session, row, order, now) if heard is None and isinstance(provider, HttpProvider) else None
        if paused is not None:
            return paused
        if order.state == "open" and heard is None and not isinstance(provider, ClosedProvider):
            order.attempts += 1
        if issue and row.enabled:
            order.in_doubt += 1
            order.first_asked_at = order.first_asked_at or now
        return Task(
            order_id=order.id,
            provider_id=row.id,
            silences=row.silences,
            timeout=row.timeout_seconds,
            turn=order.turn,
            key=order.key,
            body=order.body,
            provider=provider,
            issue=issue,
            again=not issue and order.state == "open",
        )


def _provider(tools: Tools, row: RemedyProvider, now: datetime, *, issue: bool) -> Provider:
    """One that is switched off issues nothing more, and is still asked how it stands with what it was asked before."""
    if issue and not row.enabled:
        return ClosedProvider()
    if row.mode == "recording" or row.url is None:
        return RecordingProvider(tools.database, row.id)
    return HttpProvider(row.url, keys_of(tools.signing_key, row, now), row.timeout_seconds, tools.private_addresses)


def _hear(uow: UnitOfWork, offer_id: UUID, task: Task, answer: Answer) -> None:
    held = queries.hold_any(uow.session, offer_id)
    order = provider_queries.order_for_update(uow.session, task.order_id)
    if not outcomes.is_open(held, order):
        outcomes.late(uow, held, order, answer)
    elif answer.says == ISSUED:
        outcomes.issued(uow, held, order, answer)
    elif answer.says == FAILED:
        outcomes.refused(uow, held, order, answer.detail)
    elif order.turn == task.turn:  # else a newer one asks: what is not sure is for that to find out
        _not_yet(uow, held, order, task, answer)


def _not_yet(uow: UnitOfWork, held: Held, order: RemedyOrder, task: Task, answer: Answer) -> None:
    if answer.says == CLOSED:
        outcomes.hand_over(uow, held, order, "The provider is switched off.")
        return
    if task.issue and answer.says in {BUSY, REFUSED}:
        order.in_doubt = max(order.in_doubt - 1, 0)  # of this request it is sure that nothing was done
    if answer.says == UNHEARD and order.state == "unknown":
        outcomes.unheard(order)
    outcomes.claimed(order, answer)
    outcomes.note_error(order, answer.detail)
    if answer.says == PENDING:
        outcomes.pending(order, answer)
    sure = not outcomes.may_be_done(order)
    if sure and (answer.says in {REFUSED, UNHEARD} or order.attempts >= MOST_ATTEMPTS):
        outcomes.refused(uow, held, order, answer.detail)
    else:
        _next(uow, held, order, answer)


def _next(uow: UnitOfWork, held: Held, order: RemedyOrder, answer: Answer) -> None:
    """When it is asked the next time, or who is to find out."""
    since = uow.now - (order.first_asked_at or uow.now)
    if order.state == "unknown":
        if since < outcomes.UNKNOWN_FOR:
            outcomes.owe(uow, held, order, outcomes.UNKNOWN_PAUSE)
    elif since > PENDING_FOR or (order.state == "open" and order.attempts >= MOST_ATTEMPTS):
        outcomes.lose_sight(uow, held, order, answer.detail or "it is pending for too long")
    elif order.state == PENDING:
        pause = _PENDING_PAUSES[min(order.turn, len(_PENDING_PAUSES) - 1)]
        outcomes.owe(uow, held, order, timedelta(seconds=pause))
    else:
        pause = max(min(_LONGEST_PAUSE, 2 ** min(order.attempts - 1, 10)), answer.wait)
        outcomes.owe(uow, held, order, timedelta(seconds=pause))


def give_up(uow: UnitOfWork, held: Held, reason: str) -> bool:
    """Nobody asks any more, and it may have been done: whether that is so, and a person is to find out."""
    order = provider_queries.open_order_for_update(uow.session, held.offer.id)
    if order is None:
        return False
    if outcomes.may_be_done(order):
        outcomes.lose_sight(uow, held, order, reason)
        return True
    order.state = "settled"
    order.closed_at = uow.now
    order.last_error = reason[: outcomes.MOST_REASON]
    return False
