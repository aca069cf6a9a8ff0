"""Merging a duplicate into the complaint that goes on. `unmerging` undoes it.

The source is closed as a duplicate, through the one door (`acts`). Whatever hangs on it goes to the survivor, and stands in
the book of the merge (`merge_ledger`); what both have is not moved and not doubled. What one complaint knows and the other
lacks is combined (`combining`). Clocks follow in the SLA domain: the earlier promise wins. Delivered remedies follow in the
recovery domain, so that nothing is paid twice; unsettled ones keep a complaint from being merged.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    acts,
    assessments,
    changes,
    combining,
    merge_queries,
    person_queries,
)
from helpdesk.complaints.changes import Watch
from helpdesk.complaints.combining import COMBINED
from helpdesk.complaints.errors import (
    AlreadyMerged,
    ComplaintSurvives,
    OtherComplainant,
    OtherCurrency,
    RegulatorSurvives,
    SurvivorClosed,
)
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.link_events import ComplaintRedirected, DuplicateMerged
from helpdesk.complaints.linking import UNKNOWN
from helpdesk.complaints.merge_ledger import note
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.merge_moving import move
from helpdesk.complaints.merge_sharing import share, share_fields
from helpdesk.complaints.models import Complaint, Message
from helpdesk.complaints.pair_queries import Pair
from helpdesk.complaints.phrases import said
from helpdesk.complaints.search_index import text_changed
from helpdesk.complaints.severity import Judgement
from helpdesk.complaints.taxonomy import worst
from helpdesk.complaints.text_seals import OF_MESSAGE, message_facts, new_salt, seal_row
from helpdesk.complaints.thread import add_message
from helpdesk.identity.actors import Actor
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import id_at, new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork


def check_merge(session: Session, actor: Actor, pair: Pair) -> None:
    acts.check(session, actor, pair.complaint, "merge")


def merge(uow: UnitOfWork, actor: Actor, pair: Pair, given: Mapping[str, Any], undo: timedelta) -> UUID:
    """Merge the pair's complaint into the other one; `check_merge` comes first. `undo`: how long it can be undone. The
    merge's id.

    Raises `ValidationFailed` for a survivor that is not there or is the source itself, `AlreadyMerged` for one that was
    merged into the source, and what `_check_together` does.
    """
    source, survivor = pair.complaint, pair.other
    if survivor is None:
        raise ValidationFailed(errors=[FieldError.at("/into", "unknown", UNKNOWN)])
    if survivor.id == source.id and pair.by_detour:
        raise AlreadyMerged
    if survivor.id == source.id:
        raise ValidationFailed(errors=[FieldError.at("/into", "itself", "A complaint is not merged into itself.")])
    _check_together(source, survivor, given)
    for complaint in (source, survivor, *pair.beside):
        uow.know_stream(complaint)
    one_customer = _of_one_customer(uow.session, source, survivor)  # as it is before one makes the other known
    row = _opened(uow, actor, source, survivor, reason=given["reason"], undo=undo)
    if not given.get("silent"):
        tell(uow, actor, source, survivor, "merged", of_one_person=not _of_different_people(source, survivor))
    share(uow, row.id, source, survivor)
    watch, before = Watch(uow.session, source), changes.values_of(survivor)
    _combine(row, source, survivor, one_customer=one_customer)
    share_fields(uow, row.id, source, survivor)
    moved = move(uow, row.id, source, survivor)
    opening = _repeat_opening(uow, row.id, source, survivor)
    redirect(uow, row.id, pair.beside, survivor.id)
    supplied = {"into": survivor.reference, "reason": given["reason"], "merged_into_id": survivor.id}
    acts.carry_out(uow, actor, source, "merge", supplied, watch=watch)
    judged = _judge_together(uow, row, source, survivor)
    find_anew(uow, source, survivor)
    survivor.changed_at(uow.now)
    uow.record(
        DuplicateMerged(
            complaint_id=survivor.id,
            reference=survivor.reference,
            merge_id=row.id,
            source_id=source.id,
            source_reference=source.reference,
            changes=changes.since(before, survivor),
            moved=moved,
            one_customer=one_customer,
            source_record_type=source.record_type,
            message_texts={str(opening.id): seal_row(opening.salt or b"", opening, OF_MESSAGE)},
            message_facts={str(opening.id): message_facts(opening)},
        ),
        stream=survivor,
    )
    assessments.note_merged(uow, survivor, before["severity"], judged)
    return row.id


def _judge_together(uow: UnitOfWork, row: Merge, source: Complaint, survivor: Complaint) -> Judgement:
    """What the rules find in both together counts as what the source brought, so that undoing takes it back."""
    uow.session.flush()  # it is judged by what it has now; the source is a duplicate by now, and no repeat
    judged, level = assessments.merge(uow, survivor, source)
    if level is not None:
        brought = worst(level, source.severity) if row.source_facts["judged"] else level
        survivor.severity = worst(survivor.severity, level)
        row.source_facts = {**row.source_facts, "severity": brought, "judged": True}
        row.facts_after = {**row.facts_after, "severity": survivor.severity}
    return judged


def find_anew(uow: UnitOfWork, *complaints: Complaint) -> None:
    """Texts, issues and people went from one to another: what they are found by is another."""
    for complaint in complaints:
        text_changed(uow, complaint.id)


def _of_different_people(source: Complaint, survivor: Complaint) -> bool:
    """Where nobody knows, it is to be said: who holds the secret of the one follows the other."""
    return source.customer_id is None or source.customer_id != survivor.customer_id


def _check_together(source: Complaint, survivor: Complaint, given: Mapping[str, Any]) -> None:
    """Raises `SurvivorClosed`, `ComplaintSurvives`, `OtherComplainant`, `RegulatorSurvives`, `OtherCurrency`."""
    if survivor.status not in OPEN:
        raise SurvivorClosed(f"{survivor.reference} is {survivor.status}.", state=survivor.status)
    if survivor.record_type not in {source.record_type, "complaint"}:
        raise ComplaintSurvives
    if _of_different_people(source, survivor) and not given.get("other_complainant"):
        raise OtherComplainant
    if source.regulator and not survivor.regulator:
        raise RegulatorSurvives
    if source.offers_live and survivor.currency not in {None, source.currency}:
        raise OtherCurrency


def _opened(
    uow: UnitOfWork, actor: Actor, source: Complaint, survivor: Complaint, *, reason: str, undo: timedelta
) -> Merge:
    row = Merge(
        id=new_id(),
        source_id=source.id,
        survivor_id=survivor.id,
        merged_at=uow.now,
        merged_by=actor.id if actor.kind == "agent" else None,
        reason=reason,
        undo_until=uow.now + undo,
        source_status=source.status,
        source_waiting_on=source.waiting_on,
        survivor_sequence=survivor.event_count,
    )
    uow.session.add(row)
    return row


def tell(
    uow: UnitOfWork, actor: Actor, source: Complaint, survivor: Complaint, what: str, *, of_one_person: bool
) -> None:
    """In the source's own thread, to its own complainant. `what`: merged or unmerged. Another person's complaint is not
    named to them.
    """
    phrase = what if of_one_person else f"{what}_beside"
    person = person_queries.complainant_of(uow.session, source.id)
    language = (person and person.language) or source.language
    body = said(phrase, language, source=source.reference, survivor=survivor.reference)
    add_message(uow, actor, source, kind="public_reply", body=body, purpose=what)


def _repeat_opening(uow: UnitOfWork, merge_id: UUID, source: Complaint, survivor: Complaint) -> Message:
    """What the duplicate said is no message of its thread, and must not be missing in the survivor's: it stands there at
    its time, before the messages that followed it.
    """
    opening = Message(
        id=id_at(source.created_at),
        complaint_id=survivor.id,
        kind="inbound",
        purpose="merged_complaint",
        channel=source.channel,
        author_kind="complainant",
        author_id=None,
        body=f"{source.subject}\n\n{source.description}",
        mentions=[],
        salt=new_salt(),
        created_at=source.created_at,
    )
    uow.session.add(opening)
    note(uow, merge_id, "complaint_message", {opening.id: {"made": True}})
    return opening


def _of_one_customer(session: Session, source: Complaint, survivor: Complaint) -> bool:
    into_them = merge_queries.merges_into_any(session, [source.id, survivor.id])
    whose = merge_queries.whose([source, survivor], into_them)
    return whose[source.id] == whose[survivor.id]


def _combine(row: Merge, source: Complaint, survivor: Complaint, *, one_customer: bool) -> None:
    """What another complainant lost stays theirs, and is owed beside what the survivor's own one lost; and so does what they bought. Its
    currency comes only where something of theirs is reckoned in it.
    """
    brought = facts_of(source) | {"judged": source.triaged_at is not None}
    if not one_customer:
        known = source.currency if source.loss_minor is not None or source.offers_live else None
        brought |= {"price_minor": None, "loss_minor": None, "currency": known}
    done = combining.combine(facts_of(survivor), brought)
    row.source_facts, row.facts_before, row.facts_after = dict(done.source), dict(done.before), dict(done.after)
    set_facts(survivor, done.after)


def facts_of(complaint: Complaint) -> dict[str, Any]:
    """Those that are combined (`combining.COMBINED`), JSON-safe."""
    return {name: json_safe(getattr(complaint, name)) for name in COMBINED}


def set_facts(complaint: Complaint, facts: Mapping[str, Any]) -> None:
    """The reverse of `facts_of`."""
    for name in COMBINED:
        if json_safe(getattr(complaint, name)) != facts[name]:
            setattr(complaint, name, _READ.get(name, _as_it_is)(facts[name]))


def _as_it_is(value: Any) -> Any:
    return value


def _time(value: str | None) -> datetime | None:
    return None if value is None else parse_rfc3339(value)


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


_READ: Final[Mapping[str, Any]] = {"acknowledged_at": _time, "customer_id": _id}


def redirect(uow: UnitOfWork, merge_id: UUID | None, duplicates: Iterable[Complaint], survivor_id: UUID) -> None:
    """What was merged into the source earlier goes on in the survivor too; the way there stays one step."""
    for duplicate in duplicates:
        before = changes.values_of(duplicate)
        duplicate.merged_into_id = survivor_id
        duplicate.changed_at(uow.now)
        if merge_id is not None:
            note(uow, merge_id, "complaint", {duplicate.id: None})
        uow.record(
            ComplaintRedirected(
                complaint_id=duplicate.id, reference=duplicate.reference, changes=changes.since(before, duplicate)
            ),
            stream=duplicate,
        )
