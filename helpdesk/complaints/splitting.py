"""Splitting: some of a complaint's issues become a complaint of their own, with a reference of its own, and the messages
that belong to them.

The new one begins its life anew (`received`), for the same people, and goes on with what was promised: its clocks run from
where the first one's began. Amounts stay with the first one, so that no loss is made good twice; so do its offers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update

from helpdesk.complaints import (
    assessments,
    changes,
    custom_field_queries,
    linking,
    merge_queries,
    person_queries,
    queries,
    replaying,
    split_queries,
    tag_queries,
    tagging,
)
from helpdesk.complaints.custom_field_models import CustomValue
from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.link_events import ComplaintSplit
from helpdesk.complaints.merge_ledger import follow_messages
from helpdesk.complaints.models import Complaint, Issue, Message, Need, Person
from helpdesk.complaints.phrases import said
from helpdesk.complaints.search_index import text_changed
from helpdesk.complaints.tag_models import ComplaintTag
from helpdesk.complaints.text_seals import OF_COMPLAINT, OF_MESSAGE, message_facts, new_salt, seal_fields, seal_row
from helpdesk.complaints.thread import add_message
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import id_at, new_id, new_reference
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force

ANEW: Final[Mapping[str, Any]] = {
    "status": LIFECYCLE.initial,
    "external_id": None,
    "waiting_on": "us",
    "assignee_id": None,
    "assigned_at": None,
    "awaits_agent": False,
    "required_skills": None,
    "tracking_number": 0,
    "tracking_hash": None,
    "investigated_at": None,
    "resolved_at": None,
    "followed_up_at": None,
    "double_deviation": False,
    "reopened_count": 0,
    "dismissal": None,
    "merged_into_id": None,
    "child_count": 0,
    "outcome": None,
    "fault": None,
    "root_cause": None,
    "contributing_causes": None,
    "no_remedy_reason": None,
    "offers_live": 0,
    "offers_drafted": 0,
    "offers_approved": 0,
    "offers_minor": 0,
    "remedies_undelivered": 0,
    "transition_count": 0,
    "price_minor": None,
    "loss_minor": None,
    "currency": None,
    "text_salt": None,
    "event_count": 0,
    "event_head": b"",
    "version": 1,
}
"""What the new complaint does not have of the first one; all other columns it has."""


def split(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: Mapping[str, Any]) -> UUID:
    """Split a locked, open complaint. `given`: issues, move_messages, copy_messages (ids), subject, description, reason,
    silent. The new one's id. Raises `ValidationFailed` for what is not the complaint's, and for leaving it no issue.
    """
    uow.know_stream(complaint)
    issues, moved, copied = _chosen(uow, complaint, given)
    before = changes.values_of(complaint)
    new = _bear(uow, complaint, given, issues)
    _move_issues(uow, complaint, new, issues)
    if moved:
        named = Message.id.in_([row.id for row in moved])
        uow.session.execute(update(Message).where(named).values(complaint_id=new.id))
        follow_messages(uow, complaint.id, new.id)
    copies = [_copied(row, new.id, id=id_at(row.created_at), salt=new_salt()) for row in copied]
    uow.session.add_all(copies)
    for table in (Person, Need):
        for row in split_queries.rows_of(uow.session, table, complaint.id):
            uow.session.add(_copied(row, new.id, id=new_id()))
    tags = tag_queries.tags_of(uow.session, complaint.id)  # the columns that show them are copied with the rest
    uow.add_rows(ComplaintTag, [tagging.link(new.id, new.received_at, tag.id) for tag in tags])
    values = custom_field_queries.value_rows(uow.session, complaint.id)
    uow.add_rows(CustomValue, [row | {"complaint_id": new.id} for row in values])
    for watching in merge_queries.watchers_of(uow.session, complaint.id):
        uow.session.add(_copied(watching, new.id))
    uow.session.flush()  # its people are to be found by their complaint, and it is judged by what it has
    judged = assessments.split(uow, new, complaint)
    _record_birth(uow, complaint, new, copies)
    assessments.note_split(uow, new, complaint, judged)
    complaint.changed_at(uow.now)
    uow.record(
        ComplaintSplit(
            complaint_id=complaint.id,
            reference=complaint.reference,
            new_id=new.id,
            new_reference=new.reference,
            issue_ids=[str(issue.id) for issue in issues],
            moved_messages=[str(row.id) for row in moved],
            copied_messages=[str(row.id) for row in copied],
            reason=given["reason"],
            changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    linking.add(uow, "split_from", new, complaint, note=given["reason"], by=actor.id if actor.kind == "agent" else None)
    text_changed(uow, complaint.id)
    text_changed(uow, new.id)
    if not given.get("silent"):
        _tell(uow, actor, complaint, new)
    return new.id


def _chosen(
    uow: UnitOfWork, complaint: Complaint, given: Mapping[str, Any]
) -> tuple[list[Issue], Sequence[Message], Sequence[Message]]:
    """The rows that the body names. Raises `ValidationFailed` naming every one that does not fit."""
    here = {issue.id: issue for issue in queries.issues_of(uow.session, complaint.id)}
    named = [*given.get("move_messages", ()), *given.get("copy_messages", ())]
    thread = {row.id: row for row in split_queries.messages_of(uow.session, complaint.id, named)}
    problems = [
        FieldError.at(f"/issues/{place}", "unknown", "There is no such issue on this complaint.")
        for place, issue_id in enumerate(given["issues"])
        if issue_id not in here
    ]
    for name in ("move_messages", "copy_messages"):
        for place, message_id in enumerate(given.get(name, ())):
            if message_id not in thread:
                text = "There is no such message in this thread."
                problems.append(FieldError.at(f"/{name}/{place}", "unknown", text))
    if not problems and len(given["issues"]) == len(here):
        problems.append(FieldError.at("/issues", "one_stays", "At least one issue stays where it is."))
    if problems:
        raise ValidationFailed(errors=problems)
    moved, copied = ([thread[each] for each in given.get(name, ())] for name in ("move_messages", "copy_messages"))
    return [here[issue_id] for issue_id in given["issues"]], moved, copied


def _bear(uow: UnitOfWork, complaint: Complaint, given: Mapping[str, Any], issues: Sequence[Issue]) -> Complaint:
    """The new complaint, already a row: others are about to refer to it."""
    values = {column.key: getattr(complaint, column.key) for column in Complaint.__table__.columns}
    values |= dict(ANEW) | {
        "id": new_id(),
        "reference": new_reference(),
        "subject": given.get("subject") or complaint.subject,
        "description": given.get("description") or complaint.description,
        "text_salt": new_salt(),
        "created_at": uow.now,
        "updated_at": uow.now,
        "issue_count": len(issues),
        "safety": _is_safety(issues),
    }
    new = Complaint(**values)
    uow.session.add(new)
    uow.session.flush()  # issues, messages and people are about to refer to it
    uow.know_stream(new)
    return new


def _is_safety(issues: Sequence[Issue]) -> bool:
    return any(issue.issue in in_force().safety_issues for issue in issues)


def _move_issues(uow: UnitOfWork, complaint: Complaint, new: Complaint, issues: Sequence[Issue]) -> None:
    for position, issue in enumerate(issues, start=1):
        issue.complaint_id, issue.position = new.id, position
    complaint.issue_count -= len(issues)
    uow.session.flush()  # what stays is looked at
    complaint.safety = _is_safety(queries.issues_of(uow.session, complaint.id))


def _copied(row: Any, complaint_id: UUID, **other: Any) -> Any:
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return type(row)(**(values | {"complaint_id": complaint_id} | other))


def _record_birth(uow: UnitOfWork, complaint: Complaint, new: Complaint, copies: Sequence[Message]) -> None:
    salt = new.text_salt or b""
    uow.record(
        ComplaintReceived(
            complaint_id=new.id,
            reference=new.reference,
            record_type=new.record_type,
            channel=new.channel,
            severity=new.severity,
            received_at=new.received_at,
            source=new.source,
            jurisdiction=new.jurisdiction,
            sector=new.sector,
            team_id=new.team_id,
            customer_id=new.customer_id,
            clock_starts={"complaint_received": new.received_at},
            split_from=complaint.id,
            acknowledged=new.acknowledged_at is not None,
            born=replaying.born({name: getattr(new, name) for name in replaying.REPLAYED}),
            texts=seal_row(salt, new, OF_COMPLAINT) | seal_fields(salt, new.custom_fields),
            message_texts={str(copy.id): seal_row(copy.salt or b"", copy, OF_MESSAGE) for copy in copies},
            message_facts={str(copy.id): message_facts(copy) for copy in copies},
        ),
        stream=new,
    )


def _tell(uow: UnitOfWork, actor: Actor, complaint: Complaint, new: Complaint) -> None:
    person = person_queries.complainant_of(uow.session, new.id)
    language = (person and person.language) or new.language
    body = said("split", language, old=complaint.reference, new=new.reference)
    add_message(uow, actor, new, kind="public_reply", body=body, purpose="split")
