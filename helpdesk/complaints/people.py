"""Who is on a complaint, and what they need: added when it becomes known, corrected, and taken off again.

The log says that it happened and names the row; what is personal in it stands in the part of the payload that can be
erased.
"""

from typing import Any
from uuid import UUID

from helpdesk.complaints import changes, person_queries, reassessment
from helpdesk.complaints.errors import ComplainantStays, ConflictOfInterest
from helpdesk.complaints.models import Complaint, Need, Person
from helpdesk.complaints.person_events import NeedEnded, NeedRecorded, PersonAdded, PersonChanged, PersonRemoved
from helpdesk.complaints.queries import Part
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import Conflict, FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

MAX_NEEDS = 20
PERSON_FIELDS = ("name", "email", "phone", "language", "region", "postcode", "authority", "customer_id", "agent_id")


def add(uow: UnitOfWork, complaint: Complaint, role: str, given: dict[str, Any]) -> UUID:
    """An affected person, a representative, or the agent whom it is about."""
    if role == "subject" and identity.active_agent(uow.session, given["agent_id"]) is None:
        raise ValidationFailed(errors=[FieldError.at("/agent_id", "unknown", "There is no such active agent.")])
    person = Person(id=new_id(), complaint_id=complaint.id, role=role, **given)
    uow.session.add(person)
    complaint.changed_at(uow.now)
    uow.record(
        PersonAdded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            person_id=person.id,
            role=role,
            changes=changes.born(given, *given),
        ),
        stream=complaint,
    )
    return complaint.id


def change(uow: UnitOfWork, part: Part[Person], given: dict[str, Any]) -> UUID:
    """Correct what is known of a person; None forgets it. Raises `ValidationFailed` for what their role has not, or must
    have.
    """
    complaint, person = part.complaint, part.row
    if person.role == "subject":
        raise ValidationFailed("An agent is changed as an agent (PATCH /agents/{agent_id}).")
    if "authority" in given and (person.role == "representative") != (given["authority"] is not None):
        text = "A representative must have it." if person.role == "representative" else "Only a representative has it."
        raise ValidationFailed(errors=[FieldError.at("/authority", "authority", text)])
    changed = differences({name: getattr(person, name) for name in given}, given)
    for name, value in given.items():
        setattr(person, name, value)
    if changed:
        complaint.changed_at(uow.now)
        uow.record(
            PersonChanged(
                complaint_id=complaint.id,
                reference=complaint.reference,
                person_id=person.id,
                role=person.role,
                changes=changed,
            ),
            stream=complaint,
        )
    return complaint.id


def check_removal(_session: Any, actor: Actor, part: Part[Person]) -> None:
    """Nobody frees themselves of a complaint about them."""
    if part.row.role == "subject" and part.row.agent_id == actor.person_id:
        raise ConflictOfInterest
    if part.row.role == "complainant":
        raise ComplainantStays


def remove(uow: UnitOfWork, part: Part[Person]) -> UUID:
    """Take somebody off the complaint; `check_removal` comes first."""
    complaint, person = part.complaint, part.row
    uow.session.delete(person)
    complaint.changed_at(uow.now)
    known = {name: value for name in PERSON_FIELDS if (value := getattr(person, name)) is not None}
    uow.record(
        PersonRemoved(
            complaint_id=complaint.id,
            reference=complaint.reference,
            person_id=person.id,
            role=person.role,
            changes=differences(known, dict.fromkeys(known)),
        ),
        stream=complaint,
    )
    return complaint.id


def need_row(complaint_id: UUID, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "complaint_id": complaint_id,
        "flag": given["flag"],
        "adjustment": given.get("adjustment"),
        "consent": given.get("consent", False),
        "ground": given.get("ground"),
        "expires_at": given.get("expires_at"),
    }


def record_need(uow: UnitOfWork, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """A vulnerability that has become known."""
    if len(person_queries.needs_of(uow.session, complaint.id)) >= MAX_NEEDS:
        raise Conflict(f"A complaint has at most {MAX_NEEDS} needs; end one that no longer holds.")
    if given.get("expires_at") and given["expires_at"] <= uow.now:
        text = "It is over already; there is nothing to record."
        raise ValidationFailed(errors=[FieldError.at("/expires_at", "past", text)])
    before = changes.values_of(complaint)
    row = need_row(complaint.id, given)
    uow.add_rows(Need, [row])
    complaint.vulnerable = True
    complaint.changed_at(uow.now)
    uow.record(
        NeedRecorded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            need_id=row["id"],
            flag=row["flag"],
            changes=changes.born(row, "flag", "adjustment", "consent", "ground", "expires_at"),
            complaint_changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    reassessment.reassess(uow, complaint, need=(row["flag"], row["id"]))
    return complaint.id


def end_need(uow: UnitOfWork, part: Part[Need]) -> UUID:
    """It holds no more, or consent was taken back: nothing of it is kept but that it was there."""
    complaint, need = part.complaint, part.row
    before = changes.values_of(complaint)
    uow.session.delete(need)
    complaint.vulnerable = any(other.id != need.id for other in person_queries.needs_of(uow.session, complaint.id))
    complaint.changed_at(uow.now)
    plain = {name: value for name in ("consent", "expires_at") if (value := getattr(need, name)) is not None}
    uow.record(
        NeedEnded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            need_id=need.id,
            changes=differences(plain, dict.fromkeys(plain)),
            complaint_changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    return complaint.id
