"""Links between complaints: made and taken away with both of them locked, and told in both of their stories."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import link_queries, queries
from helpdesk.complaints.errors import AlreadyLinked, ParentRing, ParentTaken, SplitStays
from helpdesk.complaints.link_events import ComplaintLinked, ComplaintUnlinked
from helpdesk.complaints.link_models import THERE, TURNED, Link
from helpdesk.complaints.link_queries import LinkedPair
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.pair_queries import Pair
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

UNKNOWN = "There is no such complaint, or not for you."


def link(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> tuple[UUID, UUID]:
    """`given`: kind, as it is called from the pair's complaint; to; note. Its id and that of the link.

    Raises `ValidationFailed` where the other one is not there, or is this one; `ComplaintMerged` where it goes on in
    another; `AlreadyLinked`; `ParentTaken` and `ParentRing`.
    """
    here, far = pair.complaint, pair.other
    if far is None:
        raise ValidationFailed(errors=[FieldError.at("/to", "unknown", UNKNOWN)])
    if far.id == here.id:
        raise ValidationFailed(errors=[FieldError.at("/to", "itself", "A complaint is not linked to itself.")])
    queries.refuse_merged(uow.session, actor, far)
    kind = TURNED.get(given["kind"], given["kind"])
    from_, to = (here, far) if kind == given["kind"] else (far, here)
    if kind == "related" and from_.id > to.id:
        from_, to = to, from_
    link_id = add(uow, kind, from_, to, note=given.get("note"), by=actor.id if actor.kind == "agent" else None)
    return here.id, link_id


def add(
    uow: UnitOfWork, kind: str, from_: Complaint, to: Complaint, *, note: str | None = None, by: UUID | None = None
) -> UUID:
    """Both are locked, or just being born."""
    if link_queries.between(uow.session, from_.id, to.id, kind) is not None:
        raise AlreadyLinked
    if kind == "child_of":
        _check_parent(uow, from_, to)
    link_id = new_id()
    row = {"id": link_id, "kind": kind, "from_id": from_.id, "to_id": to.id, "note": note}
    uow.add_rows(Link, [row | {"created_at": uow.now, "created_by": by}])
    if kind == "child_of":
        to.child_count += 1
    _tell(uow, ComplaintLinked, from_, to, link_id=link_id, kind=kind)
    return link_id


def _check_parent(uow: UnitOfWork, child: Complaint, parent: Complaint) -> None:
    above = link_queries.ancestors(uow.session, parent.id)
    if child.id == parent.id or child.id in above:
        raise ParentRing
    if len(above) >= link_queries.MAX_DEPTH:
        raise ParentRing(f"There are {len(above)} complaints above that one already.")
    if link_queries.parent_of(uow.session, child.id) is not None:
        raise ParentTaken


def check_unlink(_session: Session, _actor: Actor, pair: LinkedPair) -> None:
    if pair.link.kind == "split_from":
        raise SplitStays


def unlink(uow: UnitOfWork, pair: LinkedPair) -> UUID:
    """Take a link away; both complaints and the link are held. Its complaint's id."""
    link, here, far = pair.link, pair.complaint, pair.other
    if far is None:
        raise LookupError("a link has two ends")
    from_, to = (here, far) if link.from_id == here.id else (far, here)
    uow.session.delete(link)
    if link.kind == "child_of":
        to.child_count -= 1
    _tell(uow, ComplaintUnlinked, from_, to, link_id=link.id, kind=link.kind)
    return here.id


def _tell(
    uow: UnitOfWork,
    event: type[ComplaintLinked | ComplaintUnlinked],
    from_: Complaint,
    to: Complaint,
    *,
    link_id: UUID,
    kind: str,
) -> None:
    """In both stories, each in its own words."""
    counted = 1 if event is ComplaintLinked else -1
    parent = {"child_count": [to.child_count - counted, to.child_count]} if kind == "child_of" else {}
    for one, other, label, changes in ((from_, to, kind, {}), (to, from_, THERE[kind], parent)):
        one.changed_at(uow.now)
        uow.record(
            event(
                complaint_id=one.id,
                reference=one.reference,
                link_id=link_id,
                kind=label,
                other_id=other.id,
                changes=changes,
            ),
            stream=one,
        )
