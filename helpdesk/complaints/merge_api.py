from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import (
    action_schemas,
    detail_queries,
    errors,
    merge_queries,
    merge_schemas,
    merging,
    models,
    pair_queries,
    queries,
    schemas,
    splitting,
    unmerging,
)
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.merge_queries import Merged
from helpdesk.complaints.pair_queries import Pair
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import ActionNotAllowed, Conflict, MovedMeanwhile
from helpdesk.kernel.http import web
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("merges", __name__, description="Duplicates merged, merges undone, complaints split.")


def _both(session: Session, actor: Actor, body: Any, ref: str) -> Pair:
    named = body.get("into") if isinstance(body, dict) else None
    return pair_queries.merging_pair_for_update(session, actor, ref, named)


@blp.write(
    "/complaints/<ref>/merge",
    operation_id="merge_complaint",
    summary="Merge a duplicate into the complaint that goes on",
    description="The complaint in the path is closed as a duplicate; its thread, issues, people, needs and links go to the "
    "one named in `into`, which must be open. The earlier promise wins: the survivor's clocks count from the start of the "
    "older one. What the complainant writes to the old reference reaches the survivor. Refused while an offer on it is not "
    "settled; a remedy that was delivered goes with it. It can be undone for some days (`HELPDESK_MERGE_UNDO_DAYS`).",
    body=action_schemas.MergeIn,
    answer=merge_schemas.Merge,
    status=201,
    permission="complaint:merge",
    load=_both,
    body_names_rows=True,
    check=merging.check_merge,
    if_match="honoured",
    show=merge_queries.merge_detail,
    errors=(
        ActionNotAllowed,
        errors.ConflictOfInterest,
        errors.AlreadyMerged,
        errors.SurvivorClosed,
        errors.ComplaintSurvives,
        errors.OtherComplainant,
        errors.RegulatorSurvives,
        errors.OtherCurrency,
        errors.TooMuchToMerge,
        MovedMeanwhile,
    ),
)
def merge_complaint(uow: UnitOfWork, actor: Actor, pair: Pair, given: dict[str, Any]) -> UUID:
    return merging.merge(uow, actor, pair, given, timedelta(days=web().settings.merge_undo_days))


def _show_parted(session: Session, actor: Actor, done: dict[str, Any]) -> dict[str, Any]:
    return done | {"complaint": detail_queries.detail(session, actor, done["complaint_id"])}


@blp.write(
    "/complaints/<ref>/unmerge",
    operation_id="unmerge_complaint",
    merged=True,
    summary="Undo a merge",
    description="The complaint in the path goes on by itself from where it stood, with everything that was moved and is "
    "still there; the time in which it was merged does not count against promises that can pause. What came to the survivor "
    "since stays there and is listed. Refused when the time is over, and when the survivor was decided or merged on.",
    body=action_schemas.UnmergeIn,
    answer=merge_schemas.Unmerge,
    permission="complaint:merge",
    load=merge_queries.merged_for_update,
    check=unmerging.check_unmerge,
    if_match="honoured",
    show=_show_parted,
    errors=(ActionNotAllowed, errors.SurvivorElsewhere, errors.MergeFinal, errors.NoIssueLeft, MovedMeanwhile),
)
def unmerge_complaint(uow: UnitOfWork, actor: Actor, held: Merged, given: dict[str, Any]) -> dict[str, Any]:
    return unmerging.unmerge(uow, actor, held, given)


@blp.read(
    "/complaints/<ref>/merges",
    operation_id="list_complaint_merges",
    summary="Merges of and into this complaint, undone ones too",
    description="Oldest first. Those of which the caller may not see the other side are not there and not counted.",
    answer=merge_schemas.Merge,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_merges(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return merge_queries.merges_of(session, actor, page, given, ref)


def _open_only(_session: Session, _actor: Actor, complaint: models.Complaint) -> None:
    if complaint.status not in OPEN:
        raise Conflict(f"The complaint is {complaint.status}.", state=complaint.status)


@blp.write(
    "/complaints/<ref>/split",
    operation_id="split_complaint",
    summary="Make some of its issues a complaint of their own",
    description="The new complaint is of the same people, is `received`, and goes on with what was promised: its clocks run "
    "from where the first one's began, less the time in which somebody else was waited for. Amounts and offers stay with the "
    "first one. The two are linked.",
    body=merge_schemas.SplitIn,
    answer=schemas.Complaint,
    status=201,
    permission="complaint:split",
    load=queries.complaint_for_update,
    check=_open_only,
    if_match="honoured",
    show=detail_queries.detail,
    location=lambda shown: f"/api/v1/complaints/{shown['reference']}",
    errors=(Conflict,),
)
def split_complaint(uow: UnitOfWork, actor: Actor, complaint: models.Complaint, given: dict[str, Any]) -> UUID:
    return splitting.split(uow, actor, complaint, given)
