"""A trial of a trigger on what has happened already: how often its condition would have held, on what, and why. Nothing is
changed, and nothing is rehearsed either: what the actions would have met with then, nobody can know.

A condition is asked about the complaint as it was at that moment (`past`), as far as the log tells; each part of the answer
says whether it is of then or of today.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.automation import dry_run_queries, facts, happenings, imports, moment_queries, queries, rules, triggers
from helpdesk.automation.guard import Cause
from helpdesk.automation.happenings import Happened
from helpdesk.automation.models import PARTS, DryRun
from helpdesk.automation.past import Past, Then
from helpdesk.automation.rules import Rule
from helpdesk.automation.timing import calendar_of
from helpdesk.complaints.facts import signature_of
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.errors import FieldError, NotFound, ValidationFailed
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla.calendar_spec import Calendar

KIND: Final = "automation.dry_run"
TOPIC: Final = "automation.dry_run"
SAMPLE: Final = 20
MOST: Final = 10_000
"""Events, or moments, looked at in one trial."""
_TOLD_EVERY: Final = 200
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing here is older."""
_STRETCH: Final = timedelta(days=1)
_LONGEST: Final = timedelta(days=366)
"""Looked through in one statement."""


def begin(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> UUID:
    """A job; its id. `given`: `trigger_id` or `trigger`, `since`, `until`, `limit`, as `DryRunIn` loads them. Raises
    `ValidationFailed`.
    """
    triggers.check_sees_all(actor)
    until = min(given.get("until") or uow.now, uow.now)
    since = max(given["since"], _FIRST)
    if since >= until:
        raise ValidationFailed(errors=[FieldError.at("/since", "range", "It is to be before `until`, and past.")])
    if "trigger" in given:
        definition = given["trigger"]
        try:
            spec = triggers.spec_of(uow, actor, definition)
        except ValidationFailed as error:
            raise ValidationFailed(errors=[_below("/trigger", item) for item in error.errors]) from None
        name = definition["name"]
    else:
        try:
            row = queries.trigger_detail(uow.session, given["trigger_id"])
        except NotFound:
            text = "There is no such trigger."
            raise ValidationFailed(errors=[FieldError.at("/trigger_id", "unknown", text)]) from None
        spec, name = {part: row[part] for part in PARTS}, row["name"]
    kept = json_safe({"spec": spec, "name": name, "since": since, "until": until, "limit": given["limit"]})
    return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given=kept)


def _below(pointer: str, item: FieldError) -> FieldError:
    return FieldError.at(f"{pointer}{item['pointer']}", item["code"], item["detail"])


@dataclass(slots=True)
class _Found:
    looked_at: int = 0
    matched: int = 0
    complaints: set[UUID] = field(default_factory=set)
    sample: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, matched: bool, told: dict[str, Any]) -> None:
        self.looked_at += 1
        if matched:
            self.matched += 1
            self.complaints.add(UUID(told["complaint_id"]))
        chosen = self.sample if matched else self.missed
        if len(chosen) < SAMPLE:
            chosen.append(told)

    def counts(self, *, cut_off: bool) -> dict[str, Any]:
        return {
            "looked_at": self.looked_at,
            "matched": self.matched,
            "complaints": len(self.complaints),
            "cut_off": cut_off,
        }


def run(database: Database, job_id: UUID) -> None:
    """Bring the trial to its end; nothing where it has ended. Raises `GiveUp` where it cannot be made any more."""
    with database.unit_of_work(SYSTEM) as uow:
        job = jobs.start(uow.session, job_id)
        given = None if job is None else job.given
    if given is None:
        return
    trial = _Trial(database, job_id, given)
    if not trial.go():
        return  # cancelled
    with database.unit_of_work(SYSTEM) as uow:
        if jobs.start(uow.session, job_id) is None:
            return
        counts = trial.found.counts(cut_off=trial.cut_off)
        sample = [*trial.found.sample, *trial.found.missed][:SAMPLE]
        uow.add_rows(DryRun, [{"job_id": job_id, "result": {**counts, "sample": sample}}])
        jobs.end(uow.session, job_id, "done", result=counts)


class _Trial:
    def __init__(self, database: Database, job_id: UUID, given: Mapping[str, Any]) -> None:
        self._database = database
        self._job_id = job_id
        self._given = given
        self._since, self._until = parse_rfc3339(given["since"]), parse_rfc3339(given["until"])
        self._limit: int = given["limit"]
        self._calendar: Calendar | None = None
        self._told = 0
        self.found = _Found()
        self.cut_off = False

    def go(self) -> bool:
        """False when nobody wants it any more."""
        with self._database.reader() as session:
            rule = self._rule(session)
            self._calendar = calendar_of(session)
            work = self._events(session, rule) if rule.timer is None else self._moments(session, rule)
            by_complaint: dict[UUID, list[Any]] = {}
            for complaint_id, item in work:
                by_complaint.setdefault(complaint_id, []).append(item)
            for complaint_id, items in by_complaint.items():
                if not self._wanted():
                    return False
                self._one(session, rule, complaint_id, items)
        return True

    def _rule(self, session: Session) -> Rule:
        row = SimpleNamespace(
            id=new_id(), version=1, name=self._given["name"], created_at=self._since, spec=self._given["spec"]
        )
        words = signature_of(session, [row]).vocabulary(session, facts.SHIPPED, facts.vocabulary)
        rule = rules.rule_of(row, words)
        if rule is None:
            raise GiveUp("its condition asks for a field that is not there any more")
        return rule

    def _events(self, session: Session, rule: Rule) -> Iterator[tuple[UUID, Happened]]:
        def find(after: datetime, until: datetime, most: int) -> Sequence[Happened]:
            return dry_run_queries.events(session, rule.events, after, until, most)

        for event in self._gathered(find, self._since, self._until):
            if not happenings.is_bookkeeping(event):
                yield event.complaint_id, event

    def _moments(self, session: Session, rule: Rule) -> Iterator[tuple[UUID, datetime]]:
        """What the time is counted from, of moments that came in the period."""
        timer = rule.timer
        if timer is None:
            return

        def find(after: datetime, until: datetime, most: int) -> Sequence[Any]:
            return moment_queries.starts(session, timer.anchor, after, until, most)

        first, last = (timer.last_start(at, self._calendar) for at in (self._since, self._until))
        for row in self._gathered(find, first, last):
            yield row.complaint_id, row.at

    def _gathered(
        self, find: Callable[[datetime, datetime, int], Sequence[Any]], since: datetime, until: datetime
    ) -> Any:
        """Stretch by stretch, so that no statement takes long; longer ones while there is nothing."""
        found: list[Any] = []
        stretch = _STRETCH
        while since < until and len(found) <= self._limit:
            end = min(since + stretch, until)
            came = find(since, end, self._limit + 1 - len(found))
            found += came
            stretch = _STRETCH if came else min(2 * stretch, _LONGEST)
            since = end
        self.cut_off = len(found) > self._limit
        return found[: self._limit]

    def _wanted(self) -> bool:
        """Asked now and then, and told how far it is."""
        if self.found.looked_at - self._told < _TOLD_EVERY:
            return True
        self._told = self.found.looked_at
        with self._database.unit_of_work(SYSTEM) as uow:
            if not jobs.is_wanted(uow.session, self._job_id):
                return False
            jobs.progress(uow.session, self._job_id, done=self._told)
        return True

    def _one(self, session: Session, rule: Rule, complaint_id: UUID, items: list[Any]) -> None:
        row = queries.complaint_now(session, complaint_id)
        if row is None:
            return
        complaint, now = row
        past = Past(complaint, queries.story(session, complaint_id))
        imported_at = None if rule.imports else queries.imported_at(session, complaint_id)
        today: dict[str, Any] | None = None
        for item in items:
            event = item if isinstance(item, Happened) else None
            if imports.brought(imported_at, Cause(event=event, occurrence_at=item if event is None else None)):
                continue
            if event is not None:
                then = past.after(event)
            elif rule.timer is not None:
                then = past.at(rule.timer.due(item, self._calendar))
                if not _still(rule, then, item):
                    continue
            else:
                continue
            if today is None:
                today = dict(facts.facts_of(session, complaint, rule.condition.fields, now).values)
            known = _facts(session, rule, today, then, event)
            self._note(rule, complaint, then, known, event=event)

    def _note(self, rule: Rule, complaint: Any, then: Then, known: Facts, *, event: Happened | None) -> None:
        names = then.names | facts.AGES_OF_MOMENT | (frozenset() if event is None else happenings.VOCABULARY.keys())
        matched = rule.condition.holds(known)
        self.found.add(
            matched,
            json_safe(
                {
                    "complaint_id": complaint.id,
                    "reference": complaint.reference,
                    "at": then.moment,
                    "event_id": None if event is None else event.id,
                    "event_type": None if event is None else event.type,
                    "matched": matched,
                    "why": facts.explained(rule.condition.explain(known), rule.told, names),
                    "actions": [{"step": item["step"], "given": item["given"]} for item in rule.actions]
                    if matched
                    else [],
                }
            ),
        )


def _still(rule: Rule, then: Then, start: datetime) -> bool:
    """Whether the time counted from still was that one when its moment came; where the past does not tell, it is taken for
    so.
    """
    since = rule.timer.since if rule.timer is not None else ""
    return since not in then.names or then.values.get(since) == start


def _facts(session: Session, rule: Rule, today: Mapping[str, Any], then: Then, event: Happened | None) -> Facts:
    """Of then where that is known; else of today."""
    values = {**today, **then.values}
    ages = {name: values.get(of) for name, of in facts.AGES.items() if name in rule.condition.fields}
    if ages:
        values |= facts.business_ages(session, ages, then.moment)
    if event is None:
        return Facts(values)
    return Facts(values | happenings.facts_of_event(event), happenings.changes_of(event, then.row.currency))


def shown(session: Session, actor: Actor, job_id: UUID) -> dict[str, Any]:
    """What a trial found, of complaints that the actor sees. Raises `NotFound` for one that has not ended."""
    result = queries.dry_run_result(session, job_id)
    seen = queries.visible_among(session, actor, {UUID(item["complaint_id"]) for item in result["sample"]})
    return {
        **result,
        "id": job_id,
        "sample": [item for item in result["sample"] if UUID(item["complaint_id"]) in seen],
    }
