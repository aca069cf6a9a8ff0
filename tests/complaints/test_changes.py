"""The timeline tells every change of every field: each act is done, the rows before and after are compared in the
database, and what differs has to stand in the events of that act, with both values.

How it can fail: an act sets a column and does not say so; a column is added and nobody thinks of the timeline; an issue is
changed by an act that tells of the complaint only; two acts in one transaction tell each other's changes; something that
must not outlive an erasure (a need that was ended, a message's text) is told again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import pytest
from sqlalchemy import Table, select

from helpdesk.complaints import (
    attachment_queries,
    attachments,
    issue_queries,
    issues,
    people,
    person_queries,
    queries,
    service,
    steps,
)
from helpdesk.complaints.changes import TOLD, UNTOLD
from helpdesk.complaints.jobs import end_needs
from helpdesk.complaints.lifecycle import LIFECYCLE, PAIRED
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.steps import STEPS
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.db import Base
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.scanning import Finding
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import sent
from tests.complaints.steps import GOOD, brought_to, do, receive
from tests.conftest import Caller, complaint_body
from tests.recovery import helpers

OWN_BOOKS: Final = {
    "complaint_search": "is derived from what is told",
    "complaint_transition": "is written beside the event, and replayed by `verify`",
    "complaint_regulatory_fact": "is told by `sla.fact_recorded` and `sla.fact_withdrawn`",
    "complaint_rule_decision": "is told by `sla.rule_decided`",
    "complaint_extension_notice": "is told by `sla.deadline_extended`",
    "sla_clock": "is derived from the complaint's own facts, with alarms of its own",
    "sla_escalation": "is told by `sla.escalated`, `sla.escalation_failed` and by what it did",
    "category_suggestion": "tells of the model, and of who looked at it; the complaint is not changed",
    "complaint_recovery_fact": "is told by `recovery.facts_recorded`",
    "claim_review": "is told in the log of administrative acts, and not to whoever reads the complaint",
    "offer": "has a lifecycle and events of its own",
    "interest_conflict": "is told by `conflict.declared` and `conflict.ended`",
    "automation_firing": "is told by `automation.fired` and by what it did",
    "automation_occurrence": "is what triggers remember",
    "complaint_custom_value": "is what the complaint's own `custom_fields` shows",
    "complaint_severity_assessment": "is told by `complaint.severity_assessed`",
    "complaint_tag": "is what the complaint's own `tags` shows",
}
"""Tables that hang on a complaint and are told of elsewhere."""

TEXTS: Final = {
    "complaint_message": {"body"},
    "complaint_attachment": {"name", "file_id", "version", "redaction_reason"},
}
"""Columns that stand in their row alone, because an event outlives an erasure; or in a field of their own in the event."""

GIVEN: Final[dict[str, Callable[[Caller], dict[str, Any]]]] = {
    "edit": lambda agent: {
        "subject": "Two parcels late",
        "description": "Both came on Friday.",
        "language": "en-GB",
        "price": helpers.eur("210.00"),
        "loss": helpers.eur("3.00"),
    },
    "write_message": lambda agent: {"kind": "internal_note", "body": "Called the depot."},
    "assign": lambda agent: {"assignee_id": str(agent.id), "team_id": str(agent.actor.team_ids[0])},
    "claim": lambda agent: {},
    "release": lambda agent: {},
    "add_tags": lambda agent: {"tags": ["late", "damaged"]},
    "remove_tags": lambda agent: {"tags": ["damaged"]},
}
"""A body for each step that is no act of the lifecycle; a step without one fails the walk."""


BEFORE: Final = {"release": "claim", "remove_tags": "add_tags"}
"""What must have been done before a step, for it to change anything."""


class Row(NamedTuple):
    table: str
    id: str


Rows = dict[Row, dict[str, Any]]


def hanging() -> Iterator[Table]:
    """The complaint's table, and every table with rows of one complaint."""
    for table in Base.metadata.sorted_tables:
        if table.name == "complaint" or (table.name not in OWN_BOOKS and "complaint_id" in table.c):
            yield table


def rows_of(database: Database, complaint_id: UUID) -> Rows:
    found: Rows = {}
    with database.reader() as session:
        for table in hanging():
            key = table.c.id if table.name == "complaint" else table.c.complaint_id
            for row in session.execute(select(table).where(key == complaint_id)).mappings():
                found[Row(table.name, str(row[next(iter(table.primary_key)).name]))] = dict(row)
    return found


def events_of(database: Database, complaint_id: UUID, after: int) -> list[EventRow]:
    with database.reader() as session:
        found = session.scalars(
            select(EventRow)
            .where(EventRow.stream_id == complaint_id, EventRow.stream_seq > after)
            .order_by(EventRow.stream_seq)
        )
        return list(found)


class Told:
    """All that some events say: of the complaint, and of each row that hangs on it."""

    def __init__(self, events: list[EventRow]) -> None:
        self.complaint: dict[str, list[Any]] = {}
        self.parts: dict[str, dict[str, list[Any]]] = {}
        self.text = str([event.payload for event in events])
        for event in events:
            payload = event.payload or {}
            part = next(
                (payload[name] for name in ("issue_id", "person_id", "need_id", "attachment_id") if name in payload),
                None,
            )
            changes = payload.get("changes") or {}
            if part is None:
                self._add(self.complaint, changes)
            else:
                self._add(self.parts.setdefault(part, {}), changes)
            self._add(self.complaint, payload.get("complaint_changes") or {})
            for issue_id, of_issue in (payload.get("issues") or {}).items():
                self._add(self.parts.setdefault(issue_id, {}), of_issue)

    @staticmethod
    def _add(into: dict[str, list[Any]], changes: dict[str, list[Any]]) -> None:
        """One after the other: from the first before to the last after, and each begins where the one before ended."""
        for name, (before, after) in changes.items():
            if name in into:
                assert into[name][1] == before, (name, into[name], before)
                before = into[name][0]  # noqa: PLW2901
            into[name] = [before, after]

    def untold(self, before: Rows, after: Rows) -> list[str]:
        """Every change of a column that no event tells, and everything told that is not so."""
        missing = []
        for row in sorted(before.keys() | after.keys()):
            old, new = before.get(row), after.get(row)
            told = self.complaint if row.table == "complaint" else self.parts.get(row.id, {})
            for name, change in _differing(row, old, new).items():
                if told.get(name) != change and not self._may_be_short(row, old, new):
                    missing.append(f"{row.table}.{name}: {change}, told {told.get(name)}")
            for name, change in told.items():
                if old is not None and new is not None and name in new and [old[name], new[name]] != change:
                    plain = json_safe([old[name], new[name]])
                    if plain != change:
                        missing.append(f"{row.table}.{name} is {plain}, but told as {change}")
        return missing

    def _may_be_short(self, row: Row, old: Any, new: Any) -> bool:
        """A row of the thread is named, and an ended need; what they say is not said again."""
        if row.table == "complaint_need":
            return new is None and row.id in self.parts
        return (
            old is None
            and row.table not in {"complaint", "complaint_issue", "complaint_person"}
            and (row.id in self.text)
        )


def _differing(row: Row, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, list[Any]]:
    # Of a person the role is a field of each event.
    columns = set((old or {}).keys() | (new or {}).keys())
    untold = (
        UNTOLD
        if row.table == "complaint"
        else {"id", "complaint_id", "created_at", "role"} | TEXTS.get(row.table, set())
    )
    return {
        name: json_safe([(old or {}).get(name), (new or {}).get(name)])
        for name in columns - untold
        if (old or {}).get(name) != (new or {}).get(name)
    }


class Audit:
    """Watches one complaint through one act."""

    def __init__(self, database: Database, complaint_id: UUID) -> None:
        self._database = database
        self._id = complaint_id

    def __enter__(self) -> Self:
        self._before = rows_of(self._database, self._id)
        self._seen = len(events_of(self._database, self._id, 0))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        self.events = events_of(self._database, self._id, self._seen)
        self.changed = _differing(
            Row("complaint", str(self._id)),
            self._before[Row("complaint", str(self._id))],
            (after := rows_of(self._database, self._id))[Row("complaint", str(self._id))],
        )
        assert Told(self.events).untold(self._before, after) == []


def test_every_column_is_told_or_has_its_reason() -> None:
    assert {column.key for column in Complaint.__table__.columns} == {*TOLD, *UNTOLD}
    assert not set(TOLD) & UNTOLD


@pytest.mark.parametrize("action", [action for action in LIFECYCLE.actions if action not in PAIRED])
def test_acts_of_the_lifecycle(database: Database, agent: Caller, action: str) -> None:
    for state in sorted(LIFECYCLE.by_action(action).sources):
        complaint_id = brought_to(database, state, action)
        with Audit(database, complaint_id) as audit:
            do(database, complaint_id, action, SYSTEM)
        assert audit.events, action


@pytest.mark.parametrize("name", [name for name in STEPS if name not in LIFECYCLE.actions])
def test_steps(database: Database, senior: Caller, name: str) -> None:
    complaint_id = receive(database)
    if name in BEFORE:
        _step(database, senior.actor, complaint_id, BEFORE[name], GIVEN[BEFORE[name]](senior))
    with Audit(database, complaint_id) as audit:
        _step(database, senior.actor, complaint_id, name, GIVEN[name](senior))
    assert audit.events, name


def _step(database: Database, actor: Actor, complaint_id: UUID, name: str, given: dict[str, Any]) -> None:
    read = steps.read_steps([{"step": name, "given": given}])[0]
    with database.unit_of_work(actor) as uow:
        steps.perform(uow, actor, queries.complaint_by_id_for_update(uow.session, complaint_id), read)


def test_two_acts_in_one_transaction_tell_each_their_own(database: Database) -> None:
    complaint_id = receive(database)
    read = steps.read_steps(
        [
            {"step": "triage", "given": GOOD["triage"] | {"issue": "DEL.LOST"}},
            {"step": "investigate", "given": GOOD["investigate"]},
            {"step": "resolve", "given": GOOD["resolve"]},
        ]
    )
    with Audit(database, complaint_id) as audit, database.unit_of_work(SYSTEM) as uow:
        complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
        for step in read:
            steps.perform(uow, SYSTEM, complaint, step)
    triaged, investigated, resolved = (
        next(event.payload for event in audit.events if event.type == f"complaint.{name}")
        for name in ("triaged", "investigated", "resolved")
    )
    (of_triage,) = triaged["issues"].values()  # type: ignore[index]
    (of_investigation,) = investigated["issues"].values()  # type: ignore[index]
    (of_resolution,) = resolved["issues"].values()  # type: ignore[index]
    assert of_triage == {"issue": ["DEL.LATE", "DEL.LOST"]}
    assert of_investigation.keys() == {"finding", "cause", "evidence"}
    assert of_resolution == {"outcome": [None, "upheld"]}
    assert "impact" not in investigated["changes"]  # type: ignore[index]


@contextmanager
def _locked(database: Database, complaint_id: UUID) -> Iterator[tuple[UnitOfWork, Complaint]]:
    with database.unit_of_work(SYSTEM) as uow:
        yield uow, queries.complaint_by_id_for_update(uow.session, complaint_id)


class TestPeopleAndNeeds:
    def test_a_person_comes_is_corrected_and_goes(self, database: Database, senior: Caller) -> None:
        complaint_id = receive(database)
        given = {"name": "Li Na", "phone": "+86 10 5555 0101", "authority": "Letter on file."}
        with Audit(database, complaint_id), _locked(database, complaint_id) as (uow, complaint):
            people.add(uow, complaint, "representative", given)
        person_id = self._person(database, complaint_id, "representative")
        with Audit(database, complaint_id), database.unit_of_work(SYSTEM) as uow:
            part = person_queries.person_for_update(uow.session, SYSTEM, str(complaint_id), person_id)
            people.change(uow, part, {"phone": None, "name": "Li Na Wang"})
        with Audit(database, complaint_id) as audit, database.unit_of_work(SYSTEM) as uow:
            people.remove(uow, person_queries.person_for_update(uow.session, SYSTEM, str(complaint_id), person_id))
        assert audit.events[-1].payload["changes"]["authority"] == ["Letter on file.", None]  # type: ignore[index]

    def test_a_subject(self, database: Database, agent: Caller) -> None:
        complaint_id = receive(database)
        with Audit(database, complaint_id), _locked(database, complaint_id) as (uow, complaint):
            people.add(uow, complaint, "subject", {"agent_id": agent.id})

    @staticmethod
    def _person(database: Database, complaint_id: UUID, role: str) -> UUID:
        rows = rows_of(database, complaint_id).items()
        found = (row["id"] for key, row in rows if key.table == "complaint_person" and row["role"] == role)
        return UUID(str(next(found)))

    def test_a_need_comes_and_ends_by_itself(self, database: Database) -> None:
        complaint_id = receive(database)
        with Audit(database, complaint_id) as audit, _locked(database, complaint_id) as (uow, complaint):
            given = {"flag": "hearing", "adjustment": "Write, do not call.", "consent": True}
            people.record_need(uow, complaint, given | {"expires_at": uow.now + timedelta(days=1)})
        assert audit.changed == {"vulnerable": [False, True]}
        helpers.execute(database, "UPDATE complaint_need SET expires_at = now()")
        with Audit(database, complaint_id) as audit:
            assert end_needs(database) == 1
        (event,) = audit.events
        assert event.type == "complaint.need_ended"
        assert event.payload is not None
        assert event.payload["complaint_changes"] == {"vulnerable": [True, False]}
        assert event.payload["changes"].keys() == {"consent", "expires_at"}
        assert "hearing" not in str(event.payload)

    def test_a_need_is_recorded_and_ended(self, database: Database) -> None:
        complaint_id = receive(database)
        with Audit(database, complaint_id) as audit, _locked(database, complaint_id) as (uow, complaint):
            people.record_need(uow, complaint, {"flag": "hearing", "ground": "Duty of care."})
        assert audit.changed == {"vulnerable": [False, True]}
        need_id = next(row["id"] for key, row in rows_of(database, complaint_id).items() if "need" in key.table)
        with Audit(database, complaint_id), database.unit_of_work(SYSTEM) as uow:
            people.end_need(uow, person_queries.need_for_update(uow.session, SYSTEM, str(complaint_id), need_id))

    def test_an_issue_is_added(self, database: Database) -> None:
        complaint_id = receive(database)
        with Audit(database, complaint_id) as audit, _locked(database, complaint_id) as (uow, complaint):
            issues.add(uow, complaint, {"category": "COM", "issue": "COM.WAIT", "detail": "An hour."})
        assert audit.changed == {"issue_count": [1, 2]}

    def test_an_issue_is_corrected_and_taken_off(self, database: Database) -> None:
        """What is wrong with it now was about safety; then it is gone."""
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "COM", "issue": "COM.WAIT"}])
        ref = str(complaint_id)
        with database.reader() as session:
            issue_id = queries.issues_of(session, complaint_id)[1].id
        with Audit(database, complaint_id) as audit, database.unit_of_work(SYSTEM) as uow:
            part = issue_queries.issue_for_update(uow.session, SYSTEM, ref, issue_id)
            issues.change(uow, part, {"category": "PRD", "issue": "PRD.SAFETY", "detail": "It burns."})
        assert audit.changed == {"safety": [False, True], "severity": ["S3", "S1"]}
        with Audit(database, complaint_id) as audit, database.unit_of_work(SYSTEM) as uow:
            issues.remove(uow, issue_queries.issue_for_update(uow.session, SYSTEM, ref, issue_id))
        assert audit.changed == {"safety": [True, False], "issue_count": [2, 1]}

    def test_an_answer_ends_the_waiting(self, database: Database) -> None:
        complaint_id = receive(database)
        do(database, complaint_id, "ask_customer")
        with Audit(database, complaint_id) as audit, _locked(database, complaint_id) as (uow, complaint):
            service.write_message(uow, SYSTEM, complaint, {"kind": "inbound", "body": "Friday."})
        assert audit.changed == {"waiting_on": ["customer", "us"]}


def test_a_file_comes_is_shown_scanned_and_goes(program: Program, senior: Caller, complaint: dict[str, Any]) -> None:
    complaint_id, database = UUID(complaint["id"]), program.database
    with Audit(database, complaint_id):
        row = sent(senior, complaint)
    path = f"/complaints/{complaint['reference']}/attachments/{row['id']}"
    with Audit(database, complaint_id):
        assert senior.patch(path, {"internal": False}, if_match="*").status_code == 200
    for scan, finding in (
        ("scanning", None),
        ("infected", Finding("Eicar")),
        ("scanning", None),
        ("clean", Finding(None)),
    ):
        with Audit(database, complaint_id), database.unit_of_work(SYSTEM) as uow:
            held = attachment_queries.attachment_by_id_for_update(uow.session, UUID(row["id"]))
            assert held is not None
            attachments.note_scan(uow, held, scan, finding)
    with Audit(database, complaint_id):
        assert senior.post(f"{path}/redact", {"reason": "A mistake."}).status_code == 200


class TestOffers:
    """The complaint's counters of remedies are the recovery domain's to move."""

    def test_from_draft_to_delivery(self, program: Program, manager: Caller, agent: Caller) -> None:
        database = program.database
        helpers.open_budget(manager)
        body = complaint_body()
        del body["price"]  # so that the offer brings the currency
        complaint = agent.post("/complaints", body).json
        complaint_id = UUID(complaint["id"])
        with Audit(database, complaint_id) as audit:
            offer = helpers.draft(agent, complaint, helpers.voucher("40.00"))
        assert audit.changed.keys() == {
            "currency",
            "offers_live",
            "offers_drafted",
            "offers_minor",
            "remedies_undelivered",
        }
        for action in ("submit", "offer"):
            with Audit(database, complaint_id):
                helpers.act(agent, offer, action)
        with Audit(database, complaint_id):
            helpers.act(agent, offer, "accept", said_by="phone")
        with Audit(database, complaint_id) as audit:
            helpers.perform(program)
        assert audit.changed == {}
        with Audit(database, complaint_id) as audit:
            helpers.act(agent, offer, "post_letter")
        assert audit.changed == {"remedies_undelivered": [1, 0]}

    def test_given_back(self, program: Program, manager: Caller, agent: Caller) -> None:
        helpers.open_budget(manager)
        complaint_id = receive(program.database)
        offer = helpers.draft(agent, {"reference": str(complaint_id)}, helpers.voucher("90.00"))
        with Audit(program.database, complaint_id):
            helpers.act(agent, offer, "submit")
        with Audit(program.database, complaint_id):
            helpers.act(manager, offer, "refuse", reason="Too much.")
        with Audit(program.database, complaint_id):
            helpers.act(agent, offer, "withdraw")
