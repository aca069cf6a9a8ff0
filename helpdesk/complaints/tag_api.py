from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    detail_queries,
    models,
    queries,
    schemas,
    tag_errors,
    tag_models,
    tag_queries,
    tag_schemas,
    tagging,
)
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("tags", __name__, description="Words of one's own to sort complaints by, and their vocabulary.")


@blp.write(
    "/complaints/<ref>/tags",
    operation_id="add_complaint_tags",
    summary="Put tags on a complaint",
    description="A name that nobody has used makes a new tag for who has `tag:create`, and is refused for others. Names "
    "that differ in capitals, width or spacing only are one tag.",
    body=tag_schemas.TagsIn,
    answer=schemas.Complaint,
    permission="complaint:tag",
    load=queries.complaint_for_update,
    if_match="honoured",
    show=detail_queries.detail,
)
def add_tags(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return tagging.add(uow, actor, complaint, given)


@blp.write(
    "/complaints/<ref>/tags/remove",
    operation_id="remove_complaint_tags",
    summary="Take tags off a complaint",
    body=tag_schemas.TagsIn,
    answer=schemas.Complaint,
    permission="complaint:tag",
    load=queries.complaint_for_update,
    if_match="honoured",
    show=detail_queries.detail,
)
def remove_tags(uow: UnitOfWork, _actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return tagging.remove(uow, complaint, given)


@blp.read(
    "/tags",
    operation_id="list_tags",
    summary="The vocabulary, by name, with how many complaints the caller sees of each",
    answer=tag_schemas.Tag,
    query=tag_schemas.TagQuery,
    permission="complaint:read",
    paged=True,
)
def list_tags(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    return tag_queries.list_tags(session, actor, page, given)


def _show_tag(session: Session, actor: Actor, tag_id: UUID) -> dict[str, Any]:
    return tag_queries.detail(session, actor, tag_id)


@blp.write(
    "/tags",
    operation_id="create_tag",
    summary="Define a tag",
    body=tag_schemas.TagIn,
    answer=tag_schemas.Tag,
    status=201,
    permission="tag:manage",
    show=_show_tag,
    location=lambda tag: f"/api/v1/tags/{tag['id']}",
    errors=(tag_errors.TagTaken,),
)
def create_tag(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return tagging.create(uow, given)


@blp.read(
    "/tags/<uuid:tag_id>",
    operation_id="get_tag",
    summary="One tag",
    answer=tag_schemas.Tag,
    permission="complaint:read",
)
def get_tag(session: Session, actor: Actor, tag_id: UUID) -> dict[str, Any]:
    return tag_queries.detail(session, actor, tag_id)


@blp.write(
    "/tags/<uuid:tag_id>",
    operation_id="change_tag",
    summary="Rename or describe a tag, or put it out of use",
    description="A new name holds at once for whoever writes it, and the old one goes on to mean the tag; a job (`job_id`) "
    "shows the new one on the complaints that carry it.",
    method="PATCH",
    body=tag_schemas.TagPatch,
    answer=tag_schemas.Tag,
    permission="tag:manage",
    load=tag_queries.tag_for_update,
    if_match="required",
    show=_show_tag,
    errors=(tag_errors.TagTaken, tag_errors.TagMergedAway, tag_errors.TagChanging, tag_errors.TagNamed),
)
def change_tag(uow: UnitOfWork, actor: Actor, tag: tag_models.Tag, given: dict[str, Any]) -> UUID:
    return tagging.change(uow, actor, tag, given)


@blp.write(
    "/tags/<uuid:tag_id>",
    operation_id="delete_tag",
    summary="Delete a tag that no complaint carries and nothing names",
    method="DELETE",
    status=204,
    answer=None,
    permission="tag:manage",
    load=tag_queries.tag_for_update,
    if_match="required",
    errors=(tag_errors.TagInUse, tag_errors.TagNamed),
)
def delete_tag(uow: UnitOfWork, _actor: Actor, tag: tag_models.Tag) -> None:
    tagging.remove_from_vocabulary(uow, tag)


def _show_job(session: Session, actor: Actor, job_id: UUID) -> Mapping[str, Any]:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/tags/<uuid:tag_id>/merge",
    operation_id="merge_tag",
    summary="Make two tags one",
    description="From now on the name of this tag means the other one. A job puts that on the complaints that carry this "
    "one; a merge whose job was cancelled goes on when it is asked for once more.",
    body=tag_schemas.TagMergeIn,
    answer=JobOut,
    status=202,
    permission="tag:manage",
    load=tag_queries.tag_to_merge,
    body_names_rows=True,
    if_match="honoured",
    show=_show_job,
    location=lambda job: f"/api/v1/jobs/{job['id']}",
    errors=(tag_errors.TagMergedAway, tag_errors.TagChanging),
)
def merge_tag(uow: UnitOfWork, actor: Actor, tag: tag_models.Tag, given: dict[str, Any]) -> UUID:
    return tagging.merge(uow, actor, tag, given)
