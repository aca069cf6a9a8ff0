"""The one door by which complaints come in: the API, public forms, imports and, later, mail.

It takes any number at once, because what is done for one is done for a thousand with the same few statements; a single
complaint is a list of one. Whoever calls has validated the payload (`schemas.ComplaintIn`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from helpdesk.complaints import acts, assessments, custom_fields, person_queries, queries, replaying, tagging
from helpdesk.complaints.errors import AlreadyReceived
from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.models import NOTHING_DUE, Complaint, Issue, Need, Person
from helpdesk.complaints.people import need_row
from helpdesk.complaints.search_index import index_received
from helpdesk.complaints.text_seals import OF_COMPLAINT, new_salt, seal
from helpdesk.complaints.thread import unmailable
from helpdesk.complaints.tracking_secret import Secrets, hash_of
from helpdesk.customers import service as customers
from helpdesk.customers.queries import exists as customer_exists
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id, new_reference
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force

PROVISIONAL_SEVERITY = "S3"
"""Until triage: the middle, so that the clocks run neither on a promise we cannot judge nor on none."""


@dataclass(slots=True)
class NewComplaint:
    """The stream of a complaint that is being born: its row is written when the unit of work ends, with the head that
    the chain has by then.
    """

    row: dict[str, Any] = field(default_factory=dict)
    issues: Sequence[tuple[str | None, str | None]] = ()
    """Category and code of each."""
    to_route: bool = False
    imported: bool = False

    @property
    def reference(self) -> str:
        return cast(str, self.row["reference"])

    @property
    def id(self) -> UUID:
        return cast(UUID, self.row["id"])

    @property
    def next_due_at(self) -> datetime:
        return cast(datetime, self.row["next_due_at"])

    @next_due_at.setter
    def next_due_at(self, value: datetime) -> None:
        self.row["next_due_at"] = value

    @property
    def version(self) -> int:
        return cast(int, self.row["version"])

    @property
    def event_count(self) -> int:
        return cast(int, self.row["event_count"])

    @event_count.setter
    def event_count(self, value: int) -> None:
        self.row["event_count"] = value

    @property
    def event_head(self) -> bytes:
        return cast(bytes, self.row["event_head"])

    @event_head.setter
    def event_head(self, value: bytes) -> None:
        self.row["event_head"] = value


def receive(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any], secrets: Secrets | None = None) -> UUID:
    """Take one complaint in. With `secrets` the complainant gets the first one (`secrets.of(id, 1)`). With `acknowledge` in
    what is given, receipt is acknowledged at once, in the same transaction: in the words of `acknowledgement`, and not by
    mail where `mailed` says so; `shown`: whoever complains reads reference and secret in the answer, which acknowledges
    receipt whether or not there is a mail. `id` and `reference` are those that somebody was told before.

    Raises `AlreadyReceived` when its external id is known, and `ValidationFailed` for what does not fit what there is: a
    team, a customer, a time of receipt in the future.
    """
    problems = list(_misfits(uow, actor, given))
    if problems:
        raise ValidationFailed(errors=problems)
    if given.get("tags"):
        given = {**given, "tags": tagging.meant(uow, actor, given["tags"], "/tags")}
    if given.get("custom_fields"):
        (prepared,) = custom_fields.prepare(uow, [given["custom_fields"]])
        if isinstance(prepared, ValidationFailed):
            raise prepared
        given = {**given, "custom_fields": prepared}
    if given.get("external_id"):
        known = queries.known_external_ids(uow.session, given["source"], [given["external_id"]])
        if known:
            reference = known[given["external_id"]]
            if queries.is_visible(uow.session, actor, reference):
                raise AlreadyReceived(reference=reference)
            raise AlreadyReceived
    complaint_id = receive_many(uow, [given], secrets, route=True)[0]
    if given.get("acknowledge"):
        _acknowledge(uow, complaint_id, given)
    return complaint_id


def _acknowledge(uow: UnitOfWork, complaint_id: UUID, given: Mapping[str, Any]) -> None:
    """Through the ordinary door, by the system, for which the complaint has to be there."""
    uow.write()
    complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
    people = [] if given.get("shown") else person_queries.recipients_of(uow.session, complaint_id)
    problems = [] if given.get("shown") else unmailable(uow, people, "/acknowledge")
    if problems:
        raise ValidationFailed(errors=problems)
    told = {"channel": given["channel"], "text": given.get("acknowledgement")}
    if not given.get("mailed", True) or not uow.mails:
        told["mailed"] = False
    acts.act(uow, SYSTEM, complaint, "acknowledge", {name: value for name, value in told.items() if value is not None})


def _misfits(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> Iterator[FieldError]:
    if given.get("received_at") and given["received_at"] > uow.now:
        yield FieldError.at("/received_at", "future", "A complaint cannot come from the future.")
    for place, need in enumerate(given.get("needs") or ()):
        if need.get("expires_at") and need["expires_at"] <= uow.now:
            yield FieldError.at(f"/needs/{place}/expires_at", "past", "It is over already; leave the need out.")
    team_id = given.get("team_id")
    if team_id is not None:
        if not actor.sees_all and team_id not in actor.team_ids:
            yield FieldError.at("/team_id", "unknown", "You are not in that team; leave it out.")
        elif not identity.active_team(uow.session, team_id):
            yield FieldError.at("/team_id", "unknown", "There is no such active team.")
    customer_id = given.get("customer_id")
    if customer_id is not None and not customer_exists(uow.session, customer_id):
        yield FieldError.at("/customer_id", "unknown", "There is no such customer.")


def receive_many(
    uow: UnitOfWork,
    many: Sequence[Mapping[str, Any]],
    secrets: Secrets | None = None,
    *,
    route: bool = False,
    route_later: bool = False,
    imported: bool = False,
) -> list[UUID]:
    """Take complaints in, in order. The caller has left out those whose `(source, external_id)` is known, and made tags of
    the names of tags (`tagging.meant`) and values of what is in custom fields (`custom_fields.prepare`).
    Without `secrets` nobody is given one: an import has nobody to give it to.

    `route`: find each a team and a handler, in the same transaction. `route_later`: the sweep does, one by one; for many.
    `imported`: said of each, so that what follows from its coming in can be told from what follows from a file.
    """
    complainants = [dict(given.get("complainant") or {}) for given in many]
    unnamed = [{} if given.get("customer_id") else person for given, person in zip(many, complainants, strict=True)]
    customer_ids = customers.known_or_new(uow, unnamed)
    ids = []
    for given, person, customer_id in zip(many, complainants, customer_ids, strict=True):
        born = _born(uow, given, given.get("customer_id") or customer_id)
        born.to_route, born.imported = route, imported
        born.row["awaits_agent"] = route_later
        if secrets is not None:
            born.row |= {"tracking_number": 1, "tracking_hash": hash_of(secrets.of(born.id, 1))}
        ids.append(_receive(uow, given, person, born))
    return ids


def _born(uow: UnitOfWork, given: Mapping[str, Any], customer_id: UUID | None) -> NewComplaint:
    issues = given.get("issues") or [{}]
    codes = [(issue.get("category"), issue.get("issue")) for issue in issues]
    return NewComplaint(_row(uow.now, given, issues, customer_id), codes)


def _receive(uow: UnitOfWork, given: Mapping[str, Any], complainant: dict[str, Any], born: NewComplaint) -> UUID:
    issues = given.get("issues") or [{}]
    customer_id = born.row["customer_id"]
    needs = [need_row(born.id, need) for need in given.get("needs") or ()]
    judged = assessments.at_receipt(born.row, [issue["issue"] for issue in issues if issue.get("issue")], needs)
    born.row["severity"] = judged.severity or PROVISIONAL_SEVERITY
    uow.add_rows(Complaint, [born.row])
    uow.add_rows(Issue, [_issue(born.id, place, issue) for place, issue in enumerate(issues, start=1)])
    people = [_person(born.id, "complainant", {**complainant, "customer_id": customer_id})]
    people += [_person(born.id, role, given[role]) for role in ("affected", "representative") if given.get(role)]
    uow.add_rows(Person, people)
    if needs:
        uow.add_rows(Need, needs)
    row = born.row
    uow.record(
        ComplaintReceived(
            complaint_id=row["id"],
            reference=row["reference"],
            record_type=row["record_type"],
            channel=row["channel"],
            severity=row["severity"],
            received_at=row["received_at"],
            source=row["source"],
            jurisdiction=row["jurisdiction"],
            sector=row["sector"],
            team_id=row["team_id"],
            customer_id=customer_id,
            clock_starts={"complaint_received": row["received_at"], **(given.get("clock_starts") or {})},
            imported=born.imported,
            born=replaying.born(row),
            texts=seal(row["text_salt"], {name: row[name] for name in OF_COMPLAINT}),
        ),
        stream=born,
    )
    assessments.receive(uow, row, born, judged)
    if given.get("tags"):
        tagging.born_with(uow, row, given["tags"], born)
    if given.get("custom_fields"):
        custom_fields.born_with(uow, row, given["custom_fields"], born)
    index_received(uow, row, people, [issue.get("detail") for issue in issues])  # when the row shows its tags
    return born.id


def _row(
    now: datetime, given: Mapping[str, Any], issues: Sequence[Mapping[str, Any]], customer_id: UUID | None
) -> dict[str, Any]:
    price, loss = given.get("price"), given.get("loss")
    money = price or loss
    return {
        "id": given.get("id") or new_id(),
        "reference": given.get("reference") or new_reference(),
        "record_type": given.get("record_type", "complaint"),
        "status": "received",
        "channel": given["channel"],
        "subject": given["subject"],
        "description": given["description"],
        "text_salt": new_salt(),
        "language": given.get("language") or (given.get("complainant") or {}).get("language"),
        "received_at": given.get("received_at") or now,
        "created_at": now,
        "updated_at": now,
        "source": given.get("source"),
        "external_id": given.get("external_id"),
        "customer_id": customer_id,
        "team_id": given.get("team_id"),
        "assignee_id": None,
        "assigned_at": None,
        "awaits_agent": False,
        "required_skills": None,
        "next_due_at": NOTHING_DUE,
        "impact": given.get("impact"),
        "urgency": given.get("urgency"),
        "severity": PROVISIONAL_SEVERITY,
        "waiting_on": "us",
        "escalation_level": 0,
        "stage": "1",
        "double_deviation": False,
        "offers_live": 0,
        "offers_drafted": 0,
        "offers_approved": 0,
        "offers_minor": 0,
        "remedies_undelivered": 0,
        "issue_count": len(issues),
        "transition_count": 0,
        "vulnerable": bool(given.get("needs")),
        "safety": any(issue.get("issue") in in_force().safety_issues for issue in issues),
        "price_minor": price.minor if price else None,
        "loss_minor": loss.minor if loss else None,
        "currency": money.currency if money else None,
        "jurisdiction": given.get("jurisdiction"),
        "sector": given.get("sector"),
        "source_data": given.get("source_data"),
        "tags": [],
        "custom_fields": {},
        "terms": [],
        "tracking_number": 0,
        "tracking_hash": None,
        "event_count": 0,
        "event_head": b"",
        "version": 1,
    }


def _issue(complaint_id: UUID, position: int, given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "complaint_id": complaint_id,
        "position": position,
        "category": given.get("category"),
        "issue": given.get("issue"),
        "detail": given.get("detail"),
    }


_PERSON = ("name", "email", "phone", "language", "region", "postcode", "authority", "customer_id", "agent_id")


def _person(complaint_id: UUID, role: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": new_id(), "complaint_id": complaint_id, "role": role} | {name: given.get(name) for name in _PERSON}
