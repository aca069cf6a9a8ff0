"""What a merge does with each kind of row that hangs on a complaint, and the book of what it did.

A table that hangs on a complaint stands in exactly one of the two lists below; a test walks the metadata. Whoever adds a
table decides here what becomes of its rows when their complaint is merged.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Delete, Table, Update, and_, delete, update

from helpdesk.complaints import merge_queries
from helpdesk.complaints.attachment_models import Attachment
from helpdesk.complaints.draft_models import Draft
from helpdesk.complaints.merge_models import MergedRow
from helpdesk.complaints.models import Message
from helpdesk.kernel.unit_of_work import UnitOfWork

WHOLE: Final[tuple[Any, ...]] = (Message, Attachment, Draft)
"""Mapped classes whose rows, by `id` and `complaint_id`, all go to the survivor."""

APART: Final[Mapping[str, str]] = {
    "complaint_issue": "moved by `merging`, unless the survivor has the same one",
    "complaint_person": "moved by `merging`, unless the survivor has them",
    "complaint_need": "moved by `merging`, unless the survivor has it",
    "complaint_tag": "shared by `merge_sharing`: both carry them",
    "complaint_custom_value": "shared by `merge_sharing`, where the survivor has nothing in that field",
    "interest_conflict": "stays: it is followed to where the complaint goes on",
    "complaint_redaction": "stays: it tells what was done, and where",
    "complaint_search": "made anew from the text",
    "complaint_unsearched": "made anew from the text",
    "complaint_watcher": "shared by `merge_sharing`: they hear of both",
    "notification": "stays: it tells what happened then, and where",
    "complaint_link": "moved by `merging`, where that closes no ring and doubles none",
    "complaint_evidence": "stays: a pack is of the complaint that it was made of",
    "complaint_severity_assessment": "is the source's own history",
    "category_suggestion": "stays: it tells what was shown of it, and what was chosen then",
    "complaint_merge": "is the book itself",
    "complaint": "`merged_into_id` of what was merged into the source earlier is moved by `merging`",
    "complaint_transition": "is the source's own history",
    "complaint_regulatory_fact": "stays: the SLA domain counts it for the survivor too",
    "complaint_rule_decision": "stays: the SLA domain counts it for the survivor too, unless it has its own",
    "complaint_extension_notice": "stays with its clock",
    "sla_escalation": "stays with its clock: it tells what was done, and what is owed is dropped",
    "sla_clock": "stays with its complaint; the SLA domain follows the events",
    "automation_firing": "stays: it tells what was done, and where",
    "automation_occurrence": "stays: what was done about a moment of it is done",
    "complaint_recovery_fact": "stays: the recovery domain counts it for the survivor too, and it goes on being recorded of the source",
    "playbook_trial": "stays: what a trial found then goes with its job",
    "claim_review": "stays: it tells what was looked at then; the survivor is looked at by itself",
    "offer": "moved by the recovery domain, which follows the events",
}
"""Every other table, with what becomes of its rows."""


_BOOK: Final = MergedRow.__table__.c


def note(uow: UnitOfWork, merge_id: UUID, kind: str, before: Mapping[UUID, Mapping[str, Any] | None]) -> None:
    """Rows that the merge moved, made or changed, with what undo needs to know of each."""
    uow.add_rows(
        MergedRow,
        [
            {"row_id": row_id, "merge_id": merge_id, "kind": kind, "before": None if known is None else dict(known)}
            for row_id, known in before.items()
        ],
    )


def note_anew(uow: UnitOfWork, merge_ids: Collection[UUID], row_id: UUID, known: Mapping[str, Any]) -> None:
    """What these merges noted of a row is otherwise by now in the parts that are named."""
    for row in merge_queries.rows_noted(uow.session, merge_ids, row_id):
        row.before = {**(row.before or {}), **known}


def note_at_once(uow: UnitOfWork, merge_id: UUID, kind: str, row_id: UUID, known: Mapping[str, Any]) -> None:
    """What a merge knows of a row in the parts that are named, beside what it noted of it; `kind` where it noted nothing."""
    rows = merge_queries.rows_noted(uow.session, [merge_id], row_id)
    if rows:
        rows[0].before = {**(rows[0].before or {}), **known}
    else:
        uow.session.add(MergedRow(row_id=row_id, merge_id=merge_id, kind=kind, before=dict(known)))
    uow.session.flush()


def move_whole(uow: UnitOfWork, merge_id: UUID, source_id: UUID, survivor_id: UUID) -> dict[str, int]:
    """Table -> how many rows were moved."""
    found = {}
    for model in WHOLE:
        table: Table = model.__table__
        moved = update(table).where(table.c.complaint_id == source_id).values(complaint_id=survivor_id)
        ids: Sequence[UUID] = uow.session.scalars(moved.returning(table.c.id)).all()
        note(uow, merge_id, model.__tablename__, dict.fromkeys(ids))
        found[model.__tablename__] = len(ids)
    return found


def move_back(uow: UnitOfWork, merge_id: UUID, source_id: UUID, survivor_id: UUID) -> dict[str, int]:
    """Table -> how many rows went back: of those that are still the survivor's. What the merge made is taken away."""
    found = {}
    for model in WHOLE:
        table: Table = model.__table__
        of_merge = and_(_BOOK.merge_id == merge_id, _BOOK.kind == model.__tablename__, _BOOK.row_id == table.c.id)
        here = table.c.complaint_id == survivor_id
        if model is Message:
            _forget_made(uow, merge_id)
        back = update(table).where(of_merge, here).values(complaint_id=source_id)
        found[model.__tablename__] = len(uow.session.scalars(back.returning(table.c.id)).all())
    follow_messages(uow, survivor_id, source_id)
    return found


def _forget_made(uow: UnitOfWork, merge_id: UUID) -> None:
    """The message that repeats what the duplicate said. A file that somebody has put on it since is the survivor's."""
    made = and_(_BOOK.merge_id == merge_id, _BOOK.before["made"].as_boolean(), _BOOK.kind == Message.__tablename__)
    _run(uow, update(Attachment).where(made, Attachment.message_id == _BOOK.row_id).values(message_id=None))
    _run(uow, delete(Message).where(made, Message.id == _BOOK.row_id))


def follow_messages(uow: UnitOfWork, complaint_id: UUID, other_id: UUID) -> None:
    """Files of `complaint_id` whose message is the other one's by now go after it."""
    gone = and_(
        Attachment.complaint_id == complaint_id, Attachment.message_id == Message.id, Message.complaint_id == other_id
    )
    _run(uow, update(Attachment).where(gone).values(complaint_id=other_id))


def _run(uow: UnitOfWork, statement: Update | Delete) -> None:
    uow.session.execute(statement.execution_options(synchronize_session=False))
