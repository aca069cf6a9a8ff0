from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import get_visible, thread_for_update
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import MovedMeanwhile, NotFound
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import case_fact_queries, fact_recording, tariff_queries, tariffs, tariffs_in_force
from helpdesk.recovery import case_fact_schemas as fact_schemas
from helpdesk.recovery import tariff_schemas as schemas
from helpdesk.recovery.case_facts import as_kept, read_kept
from helpdesk.recovery.errors import TariffExists
from helpdesk.recovery.tariff_models import Tariff
from helpdesk.recovery.tariffs import Made

blp = Blueprint(
    "tariffs", __name__, description="What laws and schemes lay down: tariffs by date, and the facts that they go by."
)


@blp.read(
    "/tariffs",
    operation_id="list_tariffs",
    summary="Tariffs, each with the version in force on a day",
    description="Information, not legal advice: each version names its source.",
    answer=schemas.Tariff,
    query=schemas.TariffQuery,
    permission="offer:read",
    paged=True,
)
def list_tariffs(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return tariff_queries.list_tariffs(session, page, given)


def _show(session: Session, _actor: Actor, made: Made) -> dict[str, Any]:
    return tariff_queries.tariff_detail(session, made.tariff) | {"warnings": made.warnings}


@blp.write(
    "/tariffs",
    operation_id="create_tariff",
    summary="Create a tariff with its first version",
    description="`warnings` tells what is allowed and perhaps not meant: it changes what held on days that are over, or another tariff "
    "pays for the same in the same cases, so that both are owed.",
    body=schemas.TariffIn,
    answer=schemas.TariffMade,
    status=201,
    permission="playbook:manage",
    show=_show,
    location=lambda shown: f"/api/v1/tariffs/{shown['id']}",
    errors=(TariffExists,),
)
def create_tariff(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> Made:
    return tariffs.create(uow, actor, given)


@blp.read(
    "/tariffs/<string:tariff_code>",
    operation_id="get_tariff",
    summary="One tariff, with the version in force on a day",
    answer=schemas.Tariff,
    query=schemas.TariffOn,
    permission="offer:read",
)
def get_tariff(session: Session, _actor: Actor, given: dict[str, Any], tariff_code: str) -> dict[str, Any]:
    return tariff_queries.tariff_detail(session, tariff_code, given.get("on"))


@blp.read(
    "/tariffs/<string:tariff_code>/versions",
    operation_id="list_tariff_versions",
    summary="Every version of a tariff, the newest first",
    answer=schemas.TariffVersion,
    query=PageQuery,
    permission="offer:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any], tariff_code: str) -> Any:
    return tariff_queries.list_versions(session, page, given, tariff_code)


@blp.write(
    "/tariffs/<string:tariff_code>/versions",
    operation_id="add_tariff_version",
    summary="Let other numbers hold from a day on",
    description="Versions are never changed. On a day the one that begins last counts, and of two that begin on the same day the "
    "newer: that is how a mistake is put right, also for the past. Suggestions and offers that were made keep what made them. "
    "`warnings` tells what is perhaps not meant.",
    body=schemas.TariffVersionIn,
    answer=schemas.TariffMade,
    status=201,
    permission="playbook:manage",
    load=tariff_queries.tariff_for_update,
    show=_show,
    location=lambda shown: f"/api/v1/tariffs/{shown['id']}/versions",
    if_match="required",
)
def add_version(uow: UnitOfWork, actor: Actor, tariff: Tariff, given: dict[str, Any]) -> Made:
    return tariffs.add_version(uow, actor, tariff, given)


def _tariff(session: Session, _actor: Actor, tariff_code: str) -> str:
    if not tariff_queries.known(session, tariff_code):
        raise NotFound
    return tariff_code


@blp.write(
    "/tariffs/<string:tariff_code>/compute",
    operation_id="compute_tariff",
    summary="What a tariff lays down for given facts",
    description="Nothing is kept. Where it does not apply, or cannot be told, the answer says why, and which facts are missing.",
    body=schemas.TariffFacts,
    answer=schemas.TariffOutcome,
    permission="offer:read",
    load=_tariff,
    idempotency_key="none",
)
def compute_tariff(uow: UnitOfWork, _actor: Actor, tariff_code: str, given: dict[str, Any]) -> dict[str, Any]:
    facts = read_kept(as_kept(schemas.facts_of(given)))
    day = given.get("on") or facts.get("happened_on") or uow.now.date()
    return tariffs_in_force.in_force(uow.session).lay_down(tariff_code, day, facts).as_data()


def _show_facts(session: Session, complaint: Complaint) -> dict[str, Any]:
    row = case_fact_queries.own_row(session, complaint.id)
    own = {} if row is None else dict(row.facts)
    known = as_kept(case_fact_queries.recorded(session, complaint).facts)
    return {
        "complaint_id": complaint.id,
        "facts": own,
        "inherited": {name: value for name, value in known.items() if name not in own},
        "recorded_at": None if row is None else row.recorded_at,
        "version": complaint.version,
    }


@blp.read(
    "/complaints/<ref>/recovery-facts",
    operation_id="get_recovery_facts",
    summary="What was recorded of a case for suggestions and tariffs",
    answer=fact_schemas.CaseFactsOut,
    permission="offer:read",
)
def get_facts(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    return _show_facts(session, get_visible(session, actor, ref))


def _show_recorded(session: Session, actor: Actor, complaint_id: Any) -> dict[str, Any]:
    return _show_facts(session, get_visible(session, actor, str(complaint_id)))


@blp.write(
    "/complaints/<ref>/recovery-facts",
    operation_id="record_recovery_facts",
    summary="Record facts of a case, by which later suggestions and offers go",
    description="Also of a complaint that was merged into another one: what it lays down counts there.",
    method="PATCH",
    body=fact_schemas.CaseFactsIn,
    answer=fact_schemas.CaseFactsOut,
    permission="offer:draft",
    merged=True,
    load=thread_for_update,
    show=_show_recorded,
    if_match="required",
    errors=(MovedMeanwhile,),
)
def record_facts(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> Any:
    read = read_kept(as_kept({name: value for name, value in given.items() if value is not None}))
    return fact_recording.record(uow, actor, complaint, {**given, **read})
