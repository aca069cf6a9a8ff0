"""Complaints whose clocks are watched."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    intake,
    merge_queries,
    merging,
    pair_queries,
    queries,
    service,
    splitting,
    tagging,
    unmerging,
)
from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.permissions import PERMISSIONS
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import policies, policy_queries, verification
from helpdesk.sla.models import Alarm, Clock, SlaPolicy
from tests.conftest import Caller

LETTER = {"finding": "It was late.", "reasons": "A scan was missed.", "remedy": "None.", "next_stage": "Write to us."}


def clocks_of(caller: Caller, ref: str) -> dict[str, dict[str, Any]]:
    """Kind -> the newest clock of that kind."""
    answer = caller.get(f"/complaints/{ref}/clocks")
    assert answer.status_code == 200, answer.text
    return {clock["kind"]: clock for clock in answer.json["items"]}


def act(caller: Caller, ref: str, action: str, **body: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{ref}/actions/{action}", body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def resolve(caller: Caller, ref: str) -> None:
    finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
    act(caller, ref, "investigate", findings=[finding], root_cause="RC.HAND", fault="firm")
    outcome = {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {"none_because": "They wanted none."}}
    act(caller, ref, "resolve", **outcome)


def move_clocks(database: Database, ref: str, **by: Any) -> None:
    """Let time pass for one complaint: everything its clocks stand on moves into the past together."""
    delta = timedelta(**by)
    with database.engine.begin() as connection:
        complaint_id = select(Complaint.id).where(Complaint.reference == ref).scalar_subquery()
        connection.execute(
            update(Clock)
            .where(Clock.complaint_id == complaint_id)
            .values(
                started_at=Clock.started_at - delta,
                due_at=Clock.due_at - delta,
                next_alarm_at=Clock.next_alarm_at - delta,
            )
        )
        moved = {"next_due_at": Complaint.next_due_at - delta}
        due = Complaint.next_due_at < NOTHING_DUE
        connection.execute(update(Complaint).where(Complaint.reference == ref, due).values(moved))


def violations(database: Database) -> list[str]:
    with database.snapshot() as session:
        return [
            f"{item.check} {item.subject} {item.detail}" for check in verification.CHECKS for item in check(session)
        ]


def wrong(database: Database) -> list[str]:
    """But for alarms that nobody has rung: most stories are of last spring."""
    return [item for item in violations(database) if not item.startswith("alarm_overdue")]


MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""Opening time. The shipped policy gives S3 240 minutes to acknowledge, 3 business days to investigate, 5 to resolve."""


AGENT: Final = Actor(
    kind="agent",
    id=UUID("0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a11"),
    permissions=frozenset(PERMISSIONS),
    scope="everything",
)
"""Somebody who may do everything, in stories."""


class Story:
    """One complaint whose every act happens when the test says: what is due when does not depend on today."""

    def __init__(self, database: Database, received_at: datetime = MONDAY, **more: Any) -> None:
        self.database = database
        given = {"channel": "EMAIL", "subject": "Late", "description": "It came late."} | more
        with database.unit_of_work(SYSTEM, now=received_at) as uow:
            self.id = intake.receive(uow, SYSTEM, given)

    @classmethod
    def of(cls, database: Database, complaint_id: UUID) -> Self:
        """One that is there already."""
        found = cls.__new__(cls)
        found.database, found.id = database, complaint_id
        return found

    def split(self, at: datetime, **messages: list[UUID]) -> Self:
        """Its second issue, by itself from then on. `messages`: those to move and to copy."""
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, self.id)
            named = [queries.issues_of(uow.session, self.id)[1].id]
            given = {"issues": named, "reason": "Two matters.", "silent": True, **messages}
            new_id = splitting.split(uow, SYSTEM, complaint, given)
        return self.of(self.database, new_id)

    def act(self, action: str, at: datetime, **given: Any) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = uow.session.get_one(Complaint, self.id, with_for_update=True)
            acts.act(uow, SYSTEM, complaint, action, given)

    def write(self, kind: str, at: datetime, actor: Actor = AGENT) -> UUID:
        """The message's id. What the complainant writes is put in by an agent."""
        with self.database.unit_of_work(actor, now=at) as uow:
            complaint = uow.session.get_one(Complaint, self.id, with_for_update=True)
            return service.write_message(uow, actor, complaint, {"kind": kind, "body": "Well?"})

    def clocks(self, kind: str) -> list[Clock]:
        """All of that kind, the oldest first."""
        with Session(self.database.engine) as session:
            found = select(Clock).where(Clock.complaint_id == self.id, Clock.kind == kind)
            return list(session.scalars(found.order_by(Clock.started_at, Clock.id)))

    def triage(self, at: datetime, severity: str = "S1") -> None:
        impact, urgency = {"S1": (5, 4), "S3": (3, 2), "S5": (1, 1)}[severity]
        given = {"category": "DEL", "issue": "DEL.LATE", "track": "investigate"}
        self.act("triage", at, impact=impact, urgency=urgency, **given)

    def clock(self, kind: str, round_: int = 1) -> Clock:
        with Session(self.database.engine) as session:
            return session.scalars(
                select(Clock).where(Clock.complaint_id == self.id, Clock.kind == kind, Clock.round == round_)
            ).one()

    def kinds(self, state: str) -> set[str]:
        with Session(self.database.engine) as session:
            found = select(Clock.kind).where(Clock.complaint_id == self.id, Clock.state == state)
            return set(session.scalars(found))

    def rang(self, kind: str) -> list[int]:
        with Session(self.database.engine) as session:
            found = select(Alarm.threshold).join(Clock, Clock.id == Alarm.clock_id).where(Clock.complaint_id == self.id)
            return list(session.scalars(found.where(Clock.kind == kind).order_by(Alarm.generation, Alarm.threshold)))


def promise(database: Database, **targets: dict[str, Any]) -> None:
    """Put the targets of these severities in the place of those that the default policy has for them."""
    with database.unit_of_work(SYSTEM) as uow:
        policy = uow.session.scalars(select(SlaPolicy).where(SlaPolicy.is_default).with_for_update()).one()
        present = policy_queries.policy_detail(uow.session, policy.id)
        changed = {
            severity: {kind: _as_json(target) for kind, target in kinds.items()} for severity, kinds in targets.items()
        }
        policies.change(uow, policy, {"targets": present["targets"] | changed})


def _as_json(target: Any) -> Any:
    return list(target) if isinstance(target, tuple) else target


def make_policy(database: Database, name: str, **given: Any) -> UUID:
    """On the calendar of the default policy, warning as it does."""
    with database.unit_of_work(SYSTEM) as uow:
        default = uow.session.scalars(select(SlaPolicy).where(SlaPolicy.is_default)).one()
        present = policy_queries.policy_detail(uow.session, default.id)
        terms = {"calendar_id": present["calendar_id"], "thresholds": present["thresholds"], "targets": {}}
        return policies.create(uow, {"name": name, "active": True, **terms, **given})


def change_policy(database: Database, policy_id: UUID, **given: Any) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        policies.change(uow, policy_queries.policy_for_update(uow.session, SYSTEM, policy_id), given)


def join(source: Story, survivor: Story, at: datetime, *, silent: bool = True) -> None:
    """By an agent; silently, their complainant hears nothing of it."""
    with source.database.unit_of_work(AGENT, now=at) as uow:
        pair = pair_queries.merging_pair_for_update(uow.session, AGENT, str(source.id), str(survivor.id))
        given = {"reason": "The same.", "silent": silent, "other_complainant": True}
        merging.merge(uow, AGENT, pair, given, timedelta(days=7))


def part(source: Story, at: datetime, *, silent: bool = True) -> dict[str, Any]:
    """What undoing the merge answers."""
    with source.database.unit_of_work(AGENT, now=at) as uow:
        held = merge_queries.merged_for_update(uow.session, AGENT, str(source.id))
        return unmerging.unmerge(uow, AGENT, held, {"reason": "Two.", "silent": silent})


def tagged(story: Story, at: datetime, *names: str, off: bool = False) -> None:
    with story.database.unit_of_work(AGENT, now=at) as uow:
        complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
        if off:
            tagging.remove(uow, complaint, {"tags": list(names)})
        else:
            tagging.add(uow, AGENT, complaint, {"tags": list(names)})


def when(field: str, value: Any, operator: str = "is") -> dict[str, Any]:
    """A condition of a policy."""
    return {"field": field, "operator": operator, "value": value}
