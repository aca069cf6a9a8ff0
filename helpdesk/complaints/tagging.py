"""Tags on a complaint, and their vocabulary.

A name means the tag that it is a name of, whatever its capitals, width and spacing, and after a merge the one that is
left. What a complaint shows (`Complaint.tags`), and is found by, is always made anew from the rows, in the same
transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from helpdesk.complaints import tag_queries
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.search_index import text_changed
from helpdesk.complaints.tag_errors import TagChanging, TagInUse, TagMergedAway, TagTaken
from helpdesk.complaints.tag_events import (
    MERGED,
    RENAMED,
    ComplaintTagged,
    TagChanged,
    TagCreated,
    TagDeleted,
    TagMerged,
)
from helpdesk.complaints.tag_models import TERM, ComplaintTag, Tag
from helpdesk.complaints.tag_queries import KnownTag
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel import jobs
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.events import Stream
from helpdesk.kernel.folding import fold
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "complaints.retag"
DUPLICATE: Final = "duplicate"
"""They are those of a duplicate, which was merged into the complaint or taken apart from it."""
MOST: Final = 50
"""Tags on one complaint."""


def add(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: Mapping[str, Any]) -> UUID:
    """Put tags on a locked complaint; one that it has is no change. A name that nobody has used is a new tag, where the
    actor has `tag:create`. Raises `ValidationFailed` naming each tag that cannot be used.
    """
    has = {tag.id: tag for tag in tag_queries.tags_of(uow.session, complaint.id)}
    wanted = meant(uow, actor, given["tags"], "/tags", has)
    new = [tag for tag in wanted if tag.id not in has]
    if len(has) + len(new) > MOST:
        text = f"A complaint has at most {MOST} tags; this one has {len(has)}."
        raise ValidationFailed(errors=[FieldError.at("/tags", "length", text)])
    if new:
        rows = [link(complaint.id, complaint.received_at, tag.id) for tag in new]
        uow.session.execute(insert(ComplaintTag).on_conflict_do_nothing(), rows)
        _show(uow, complaint, [*has.values(), *new], None)
    return complaint.id


def remove(uow: UnitOfWork, complaint: Complaint, given: Mapping[str, Any]) -> UUID:
    """Take tags off a locked complaint; one that it does not have is no change."""
    has = tag_queries.tags_of(uow.session, complaint.id)
    wanted = set(tag_queries.ids_of(uow.session, given["tags"]).values())
    left = [tag for tag in has if tag.id not in wanted]
    if len(left) < len(has):
        _take_off(uow, complaint.id, [tag.id for tag in has if tag.id in wanted])
        _show(uow, complaint, left, None)
    return complaint.id


def carry(uow: UnitOfWork, complaint: Complaint, tags: Sequence[KnownTag]) -> None:
    """Put on a locked complaint tags that it does not have: those of a duplicate."""
    if tags:
        rows = [link(complaint.id, complaint.received_at, tag.id) for tag in tags]
        uow.session.execute(insert(ComplaintTag).on_conflict_do_nothing(), rows)
        _show(uow, complaint, [*tag_queries.tags_of(uow.session, complaint.id)], DUPLICATE)


def drop(uow: UnitOfWork, complaint: Complaint, tag_ids: Collection[UUID]) -> None:
    """Take them off a locked complaint again; those that it does not have any more are no change."""
    _take_off(uow, complaint.id, list(tag_ids))
    _show(uow, complaint, [*tag_queries.tags_of(uow.session, complaint.id)], DUPLICATE)


def meant(
    uow: UnitOfWork, actor: Actor, names: Sequence[str], pointer: str, has: Mapping[UUID, KnownTag] | None = None
) -> list[KnownTag]:
    """The tags of these names, each once, in order; made where there are none yet and the actor may. `has`: those that the
    complaint carries already, which need not be in use any more.
    """
    known = tag_queries.known(uow.session, names)
    unknown = {fold(name): name for name in reversed(names) if fold(name) not in known}
    if unknown and actor.may("tag:create"):
        known |= _made_by_use(uow, unknown)
    problems, found = [], dict[UUID, KnownTag]()
    for place, name in enumerate(names):
        tag = known.get(fold(name))
        if tag is None:
            text = "There is no such tag; choose one of GET /tags."
            problems.append(FieldError.at(f"{pointer}/{place}", "unknown", text))
        elif not tag.active and tag.id not in (has or {}):
            problems.append(FieldError.at(f"{pointer}/{place}", "inactive", "This tag is not to be used any more."))
        else:
            found[tag.id] = tag
    if problems:
        raise ValidationFailed(errors=problems)
    return list(found.values())


def in_many(uow: UnitOfWork, many: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of payloads of complaints, those with names of tags in them with the tags instead, all in one go. For imports: what
    nobody has used is a new tag, and one that is out of use is put on nevertheless, since it is what the record says.
    """
    names = {fold(name): name for given in reversed(many) for name in reversed(given.get("tags") or ())}
    if not names:
        return list(many)
    known = tag_queries.known(uow.session, names)
    unknown = {key: name for key, name in names.items() if key not in known}
    known |= _made_by_use(uow, unknown) if unknown else {}
    return [{**given, "tags": _each_once(known, given["tags"])} if given.get("tags") else given for given in many]


def _each_once(known: Mapping[str, KnownTag], names: Sequence[str]) -> list[KnownTag]:
    return list({known[fold(name)].id: known[fold(name)] for name in names}.values())


def _made_by_use(uow: UnitOfWork, names: Mapping[str, str]) -> dict[str, KnownTag]:
    """By folded name. Of two who use one name for the first time at once, one makes the tag and the other waits for it."""
    rows = [
        {"id": new_id(), "name": name, "key": key, "active": True, "version": 1} for key, name in sorted(names.items())
    ]
    made = insert(Tag).on_conflict_do_nothing(index_elements=["key"]).returning(Tag.id, Tag.name)
    for tag_id, name in uow.session.execute(made, rows):
        uow.record(TagCreated(tag_id=tag_id, name=name, colour=None, description=None, by_use=True))
    return tag_queries.known(uow.session, names)


def link(complaint_id: UUID, received_at: Any, tag_id: UUID) -> dict[str, Any]:
    """A row of `complaint_tag`."""
    return {"complaint_id": complaint_id, "tag_id": tag_id, "received_at": received_at}


def names_of(tags: Iterable[KnownTag]) -> list[str]:
    """As a complaint shows them: in the order of their folded names."""
    return sorted((tag.name for tag in tags), key=lambda name: (fold(name), name))


def terms_of(terms: Iterable[str], tags: Iterable[KnownTag]) -> list[str]:
    """`Complaint.terms` with these tags and no others; what it is found by otherwise stays."""
    others = [term for term in terms if not term.startswith(TERM)]
    return sorted([*others, *(f"{TERM}{tag.id}" for tag in tags)])


def born_with(uow: UnitOfWork, row: dict[str, Any], tags: Sequence[KnownTag], stream: Stream) -> None:
    """For intake: tags of a complaint whose row is not written yet, and which `row` becomes."""
    row["tags"] = names_of(tags)
    row["terms"] = terms_of(row["terms"], tags)
    uow.add_rows(ComplaintTag, [link(row["id"], row["received_at"], tag.id) for tag in tags])
    changes = {"tags": [[], row["tags"]]}
    event = ComplaintTagged(complaint_id=row["id"], reference=row["reference"], because=None, changes=changes)
    uow.record(event, stream=stream)


def _take_off(uow: UnitOfWork, complaint_id: UUID, tag_ids: Sequence[UUID]) -> None:
    row = ComplaintTag.__table__.c
    uow.session.execute(delete(ComplaintTag).where(row.complaint_id == complaint_id, row.tag_id.in_(tag_ids)))


def _show(uow: UnitOfWork, complaint: Complaint, tags: Iterable[KnownTag], because: str | None) -> None:
    carried = list(tags)
    before, after = list(complaint.tags), names_of(carried)
    terms = terms_of(complaint.terms, carried)
    if complaint.terms != terms:
        complaint.terms = terms
    if before == after:
        return
    complaint.tags = after
    text_changed(uow, complaint.id)
    complaint.changed_at(uow.now)
    event = ComplaintTagged(
        complaint_id=complaint.id, reference=complaint.reference, because=because, changes={"tags": [before, after]}
    )
    uow.record(event, stream=complaint)


def rename_on(uow: UnitOfWork, complaint: Complaint) -> None:
    """Show the tags of a locked complaint as they are called now."""
    _show(uow, complaint, tag_queries.tags_of(uow.session, complaint.id), RENAMED)


def merge_on(uow: UnitOfWork, complaint: Complaint, tag_id: UUID, into_id: UUID) -> None:
    """A locked complaint that carries `tag_id` carries `into_id` instead."""
    row = link(complaint.id, complaint.received_at, into_id)
    uow.session.execute(insert(ComplaintTag).on_conflict_do_nothing(), [row])
    _take_off(uow, complaint.id, [tag_id])
    _show(uow, complaint, tag_queries.tags_of(uow.session, complaint.id), MERGED)


def create(uow: UnitOfWork, given: Mapping[str, Any]) -> UUID:
    """`given`: name, and colour and description where there are any. Raises `TagTaken`."""
    row = {"id": new_id(), "name": given["name"], "key": fold(given["name"]), "active": True, "version": 1}
    row |= {name: given.get(name) for name in ("colour", "description")}
    made = insert(Tag).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(Tag.id)
    tag_id = uow.session.execute(made).scalar_one_or_none()
    if tag_id is None:
        raise TagTaken
    record_administration(
        uow,
        TagCreated(tag_id=tag_id, name=row["name"], colour=row["colour"], description=row["description"], by_use=False),
    )
    return tag_id


def change(uow: UnitOfWork, actor: Actor, tag: Tag, given: Mapping[str, Any]) -> UUID:
    """`given`: any of name, colour, description, active. A new name holds at once for whoever writes it, the old one goes
    on to mean the tag, and a job shows the new one on the complaints that carry it. Raises `TagTaken`, `TagMergedAway`, and
    `TagChanging` while another job is at it.
    """
    if tag.merged_into_id is not None:
        raise TagMergedAway(merged_into_id=str(tag.merged_into_id))
    changes = {name: [getattr(tag, name), value] for name, value in given.items() if getattr(tag, name) != value}
    if "name" in given and fold(given["name"]) != tag.key:
        _call(uow, tag, fold(given["name"]))
    for name, (_, value) in changes.items():
        setattr(tag, name, value)
    uow.session.flush()  # which complaints show another name is asked of the database
    misnamed = "name" in given and tag_queries.misnamed(uow.session, tag.id, None, 1)
    if misnamed:  # also by a renaming that was cancelled
        _free(uow, tag)
        tag.job_id = _job(uow, actor, "tags.rename", {"tag_id": str(tag.id)})
    if changes or misnamed:
        tag.touch()
    if changes:
        record_administration(uow, TagChanged(tag_id=tag.id, changes=changes))
    return tag.id


def _call(uow: UnitOfWork, tag: Tag, key: str) -> None:
    """By another key. The old name goes on meaning the tag: macros, rules and views may have it written in them."""
    taken = tag_queries.by_key(uow.session, key)
    if taken is not None:
        if taken.merged_into_id != tag.id or tag_queries.is_used(uow.session, taken.id):
            raise TagTaken
        uow.session.delete(taken)  # it was called so before
        uow.session.flush()  # else the key would be there twice for a moment
    old = Tag(id=new_id(), name=tag.name, key=tag.key, active=False, merged_into_id=tag.id, version=1)
    tag.key = key
    uow.session.flush()
    uow.session.add(old)


def merge(uow: UnitOfWork, actor: Actor, tag: Tag, given: Mapping[str, Any]) -> UUID:
    """Into `given["into_id"]`: the tag's name means that one from now on, and a job puts it on the complaints; the job's id.
    Once more is to go on with a merge that was cancelled.

    Both are locked. Raises `ValidationFailed` for one that cannot be merged into, `TagMergedAway`, `TagChanging`.
    """
    both = tag_queries.tags_for_update(uow.session, [tag.id, given["into_id"]])
    into = both.get(given["into_id"])
    if into is None or into.id == tag.id or into.merged_into_id is not None or not into.active:
        text = "Name another tag that is in use."
        raise ValidationFailed(errors=[FieldError.at("/into_id", "unknown", text)])
    if tag.merged_into_id not in {None, into.id}:
        raise TagMergedAway(merged_into_id=str(tag.merged_into_id))
    for one in (tag, into):
        _free(uow, one)
    tag.merged_into_id, tag.active = into.id, False
    for earlier in tag_queries.merged_into(uow.session, tag.id):
        earlier.merged_into_id = into.id
    tag.job_id = into.job_id = _job(uow, actor, "tags.merge", {"tag_id": str(tag.id), "into_id": str(into.id)})
    for one in (tag, into):
        one.touch()
    record_administration(uow, TagMerged(tag_id=tag.id, name=tag.name, into_id=into.id, into=into.name))
    return tag.job_id


def _free(uow: UnitOfWork, tag: Tag) -> None:
    if tag.job_id is not None and jobs.is_under_way(uow.session, tag.job_id):
        raise TagChanging(job_id=str(tag.job_id))


def _job(uow: UnitOfWork, actor: Actor, kind: str, given: Mapping[str, str]) -> UUID:
    return jobs.begin(uow, actor, kind=kind, topic=TOPIC, given=given)


def remove_from_vocabulary(uow: UnitOfWork, tag: Tag) -> UUID:
    """A tag that no complaint carries, and that nothing names. Raises `TagInUse`; `TagNamed`, whoever names it."""
    if tag_queries.is_used(uow.session, tag.id):
        raise TagInUse
    also = [earlier.name for earlier in tag_queries.merged_into(uow.session, tag.id)]
    uow.session.delete(tag)
    record_administration(uow, TagDeleted(tag_id=tag.id, name=tag.name, also=also))
    return tag.id
