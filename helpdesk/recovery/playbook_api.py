from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.facts import described
from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel import jobs
from helpdesk.kernel.facts import CHANGES
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import playbook_diff, playbook_queries, playbook_trying, playbooks, rule_facts
from helpdesk.recovery import playbook_schemas as schemas
from helpdesk.recovery.errors import DefaultPlaybookStays, NotADraft, NotPublished, ValidityOverlaps
from helpdesk.recovery.playbook_models import Playbook, PlaybookVersion
from helpdesk.recovery.playbook_spec import shipped_spec

blp = Blueprint("playbooks", __name__, description="What is suggested to make it right: playbooks, in versions.")

_VERSION = "/playbooks/<uuid:playbook_id>/versions/<version:version>"
Named = tuple[UUID, int]
"""A playbook, and the number of a version."""


@dataclass(frozen=True, slots=True)
class Held:
    """A version and its playbook, both locked. What a writer matches is the version's row."""

    playbook: Playbook
    row: PlaybookVersion

    @property
    def version(self) -> int:
        return self.row.version

    @property
    def etag(self) -> str:
        return self.row.etag


@blp.read(
    "/playbooks",
    operation_id="list_playbooks",
    summary="Playbooks, in the order in which they are asked",
    description="The first counts whose condition holds and of which a version is in force; the default one stands last.",
    answer=schemas.Playbook,
    query=PageQuery,
    permission="playbook:read",
    paged=True,
)
def list_playbooks(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return playbook_queries.list_playbooks(session, page, given)


def _show(session: Session, _actor: Actor, playbook_id: UUID) -> dict[str, Any]:
    return playbook_queries.playbook_detail(session, playbook_id)


@blp.write(
    "/playbooks",
    operation_id="create_playbook",
    summary="Create a playbook; it counts when a version is published",
    body=schemas.PlaybookIn,
    answer=schemas.Playbook,
    status=201,
    permission="playbook:manage",
    show=_show,
    location=lambda shown: f"/api/v1/playbooks/{shown['id']}",
    errors=(NameTaken,),
)
def create_playbook(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return playbooks.create(uow, given)


@blp.read(
    "/playbooks/vocabulary",
    operation_id="get_playbook_vocabulary",
    summary="What conditions of playbooks and their rules can be made of",
    answer=schemas.Vocabulary,
    permission="playbook:read",
)
def get_vocabulary(session: Session, _actor: Actor) -> dict[str, Any]:
    return {"fields": described(rule_facts.vocabulary(session, rule_facts.OF_PLAYBOOKS), without=CHANGES)}


@blp.read(
    "/playbooks/<uuid:playbook_id>",
    operation_id="get_playbook",
    summary="One playbook",
    answer=schemas.Playbook,
    permission="playbook:read",
)
def get_playbook(session: Session, _actor: Actor, playbook_id: UUID) -> dict[str, Any]:
    return playbook_queries.playbook_detail(session, playbook_id)


@blp.write(
    "/playbooks/<uuid:playbook_id>",
    operation_id="change_playbook",
    summary="Rename a playbook, put it elsewhere in the order, or say for which cases it is",
    method="PATCH",
    body=schemas.PlaybookPatch,
    answer=schemas.Playbook,
    permission="playbook:manage",
    load=playbook_queries.playbook_for_update,
    show=_show,
    if_match="required",
    errors=(NameTaken, DefaultPlaybookStays),
)
def change_playbook(uow: UnitOfWork, _actor: Actor, playbook: Playbook, given: dict[str, Any]) -> UUID:
    return playbooks.change(uow, playbook, given)


@blp.read(
    "/playbooks/<uuid:playbook_id>/versions",
    operation_id="list_playbook_versions",
    summary="Every version of a playbook, the newest first",
    answer=schemas.PlaybookVersion,
    query=PageQuery,
    permission="playbook:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any], playbook_id: UUID) -> Any:
    return playbook_queries.list_versions(session, page, given, playbook_id)


def _show_version(session: Session, _actor: Actor, named: Named) -> dict[str, Any]:
    return playbook_queries.version_detail(session, *named)


@blp.write(
    "/playbooks/<uuid:playbook_id>/versions",
    operation_id="draft_playbook_version",
    summary="Draft a version",
    description="From all of its data, or from another version. `warnings` tells what is allowed and can hardly be meant.",
    body=schemas.PlaybookDraftIn,
    answer=schemas.PlaybookVersion,
    status=201,
    permission="playbook:manage",
    load=playbook_queries.playbook_for_update,
    show=_show_version,
    location=lambda shown: f"/api/v1/playbooks/{shown['playbook_id']}/versions/{shown['number']}",
    if_match="honoured",
)
def draft_version(uow: UnitOfWork, actor: Actor, playbook: Playbook, given: dict[str, Any]) -> Named:
    return playbooks.draft(uow, actor, playbook, given)


@blp.read(
    _VERSION,
    operation_id="get_playbook_version",
    summary="One version of a playbook",
    answer=schemas.PlaybookVersion,
    permission="playbook:read",
)
def get_version(session: Session, _actor: Actor, playbook_id: UUID, version: int) -> dict[str, Any]:
    return playbook_queries.version_detail(session, playbook_id, version)


def _hold(session: Session, actor: Actor, playbook_id: UUID, version: int) -> Held:
    row = playbook_queries.version_for_update(session, actor, playbook_id, version)
    return Held(playbook_queries.playbook_for_update(session, actor, playbook_id), row)


def _is_draft(_session: Session, _actor: Actor, held: Held) -> None:
    playbooks.check_draft(held.row)


def _is_published(_session: Session, _actor: Actor, held: Held) -> None:
    playbooks.check_published(held.row)


@blp.write(
    _VERSION,
    operation_id="edit_playbook_version",
    summary="Put other data in the place of a draft's",
    method="PUT",
    body=schemas.PlaybookDraftEdit,
    answer=schemas.PlaybookVersion,
    permission="playbook:manage",
    load=_hold,
    check=_is_draft,
    show=_show_version,
    if_match="required",
    errors=(NotADraft,),
)
def edit_version(uow: UnitOfWork, _actor: Actor, held: Held, given: dict[str, Any]) -> Named:
    return playbooks.edit(uow, held.playbook, held.row, given)


@blp.write(
    _VERSION,
    operation_id="discard_playbook_version",
    summary="Throw a draft away",
    method="DELETE",
    answer=schemas.PlaybookVersion,
    status=204,
    permission="playbook:manage",
    load=_hold,
    check=_is_draft,
    if_match="required",
    or_nothing=True,
    errors=(NotADraft,),
)
def discard_version(uow: UnitOfWork, _actor: Actor, held: Held) -> None:
    playbooks.discard(uow, held.playbook, held.row)


@blp.write(
    f"{_VERSION}/actions/publish",
    operation_id="publish_playbook_version",
    summary="Let a draft hold, from a day on",
    description="Whatever begins after the answer goes by it, in every process, from its first day. It cannot be changed any more. An "
    "open version of the playbook that began before ends the day before; where the days of another one would be cut, it is refused.",
    body=schemas.PlaybookPublishIn,
    answer=schemas.PlaybookVersion,
    permission="playbook:manage",
    load=_hold,
    check=_is_draft,
    show=_show_version,
    if_match="required",
    errors=(NotADraft, ValidityOverlaps),
)
def publish_version(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> Named:
    return playbooks.publish(uow, actor, held.playbook, held.row, given)


@blp.write(
    f"{_VERSION}/actions/retire",
    operation_id="retire_playbook_version",
    summary="Let a version hold no more, at once",
    description="Where no version of any playbook is for a case then, the shipped one counts.",
    body=schemas.PlaybookRetireIn,
    answer=schemas.PlaybookVersion,
    permission="playbook:manage",
    load=_hold,
    check=_is_published,
    show=_show_version,
    if_match="required",
    errors=(NotPublished,),
)
def retire_version(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> Named:
    return playbooks.retire(uow, actor, held.playbook, held.row, given)


@blp.read(
    f"{_VERSION}/diff",
    operation_id="get_playbook_version_diff",
    summary="What differs between two versions, as data and in words",
    answer=schemas.PlaybookDiff,
    query=schemas.PlaybookDiffQuery,
    permission="playbook:read",
)
def compare_versions(
    session: Session, _actor: Actor, given: dict[str, Any], playbook_id: UUID, version: int
) -> dict[str, Any]:
    after = playbook_queries.version_detail(session, playbook_id, version)
    against = given.get("against") or playbook_queries.playbook_detail(session, playbook_id)["in_force"]
    before = (
        shipped_spec() if against is None else playbook_queries.version_detail(session, playbook_id, against)["spec"]
    )
    changes = playbook_diff.changes(before, after["spec"])
    return {"playbook_id": playbook_id, "number": version, "against": against, "changes": changes}


def _show_job(session: Session, actor: Actor, job_id: UUID) -> Any:
    return jobs.detail(session, actor, job_id)


@blp.write(
    f"{_VERSION}/dry-run",
    operation_id="dry_run_playbook_version",
    summary="What a version would have suggested for past complaints, beside what is suggested now",
    description="A job (202). Changes nothing. Its `result`: how many complaints, what it would cost before and after, median and 90th "
    "percentile, by severity and tier, for each currency, and the complaints that change most; a complaint that another playbook is "
    "for is not counted.",
    body=schemas.PlaybookDryRunIn,
    answer=schemas.PlaybookTrialJob,
    status=202,
    permission="playbook:manage",
    load=_hold,
    show=_show_job,
    location=lambda shown: f"/api/v1/jobs/{shown['id']}",
    if_match="honoured",
)
def dry_run_version(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    return playbook_trying.begin(uow, actor, held.row, given)
