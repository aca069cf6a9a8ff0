from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint, language
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy import code_map_queries, editing, errors, models, queries, schemas, views
from helpdesk.taxonomy.terms import Taxonomy

blp = Blueprint(
    "taxonomy", __name__, description="The words by which complaints are sorted and judged, in every version."
)

_HOLDS = "Holds in every process within a second. What was judged before keeps its version."


@blp.read(
    "/taxonomy",
    operation_id="get_taxonomy",
    summary="All of it, with labels in one language",
    description="Every code by which complaints are sorted, and the rules of severity, as they are in force. Labels that are "
    "not there in the language come in English.",
    answer=schemas.Taxonomy,
    query=schemas.TaxonomyQuery,
    languages=("en", "zh"),
)
def get_taxonomy(session: Session, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return _in_language(queries.version_detail(session, None), given)


def _in_language(row: Any, given: dict[str, Any]) -> dict[str, Any]:
    taxonomy = Taxonomy.of(row.version, row.content)
    wanted = language(taxonomy.languages, given.get("language"))
    validity = {"version": row.version, "valid_from": row.valid_from, "valid_until": row.valid_until}
    return validity | views.shown(taxonomy, wanted, retired=given["retired"])


@blp.read(
    "/taxonomy/versions",
    operation_id="list_taxonomy_versions",
    summary="Every version and when it held, the one in force first",
    description="What was changed with each is in the log of administrative acts.",
    answer=schemas.TaxonomyVersion,
    query=PageQuery,
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_versions(session, page, given)


@blp.read(
    "/taxonomy/versions/<version:version>",
    operation_id="get_taxonomy_version",
    summary="All of it as it was in one version",
    answer=schemas.Taxonomy,
    query=schemas.TaxonomyQuery,
    languages=("en", "zh"),
)
def get_version(session: Session, _actor: Actor, given: dict[str, Any], version: int) -> dict[str, Any]:
    return _in_language(queries.version_detail(session, version), given)


@blp.read(
    "/taxonomy/terms",
    operation_id="list_taxonomy_terms",
    summary="Terms to be edited: every code with all its labels",
    answer=schemas.TermSummary,
    query=schemas.TermQuery,
    paged=True,
)
def list_terms(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_terms(session, page, given)


def _show(session: Session, _actor: Actor, term_id: UUID) -> dict[str, Any]:
    term = queries.term_detail(session, term_id)
    maps = code_map_queries.maps_naming(session, term["kind"], term["code"])
    return {**term, "code_maps": [row.system for row in maps]}


@blp.write(
    "/taxonomy/terms",
    operation_id="create_taxonomy_term",
    summary="Add a category, an issue, a root cause, a channel or the like",
    description=f"{_HOLDS} A code is never deleted: retire it.",
    body=schemas.TermIn,
    answer=schemas.TermDetail,
    status=201,
    permission="taxonomy:manage",
    show=_show,
    location=lambda term: f"/api/v1/taxonomy/terms/{term['id']}",
    errors=(errors.CodeTaken,),
)
def create_term(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return editing.add_term(uow, given)


@blp.read(
    "/taxonomy/terms/<uuid:term_id>",
    operation_id="get_taxonomy_term",
    summary="One term",
    answer=schemas.TermDetail,
)
def get_term(session: Session, actor: Actor, term_id: UUID) -> dict[str, Any]:
    return _show(session, actor, term_id)


@blp.write(
    "/taxonomy/terms/<uuid:term_id>",
    operation_id="change_taxonomy_term",
    summary="Change a term's labels and traits, retire it, or bring it back",
    description=f"{_HOLDS} With a category its issues are retired too, and come back with it. What would go on giving the code "
    "to something new, or waits for it (a form, a routing rule, a trigger), is named in `uses`, and the code stays until that is "
    "changed. Code maps keep their words for it (`code_maps`), which count as words for nothing meanwhile.",
    method="PATCH",
    body=schemas.TermPatch,
    answer=schemas.TermDetail,
    permission="taxonomy:manage",
    load=queries.term_for_update,
    show=_show,
    if_match="required",
    errors=(errors.CodeInUse, errors.LastOfItsKind),
)
def change_term(uow: UnitOfWork, _actor: Actor, term: models.TaxonomyTerm, given: dict[str, Any]) -> UUID:
    return editing.change_term(uow, term, given)


@blp.read(
    "/taxonomy/severity",
    operation_id="get_severity_rules",
    summary="The matrix and the rules by which severities come about",
    answer=schemas.SeverityRules,
)
def get_severity(session: Session, _actor: Actor) -> dict[str, Any]:
    return queries.severity_detail(session)


@blp.write(
    "/taxonomy/severity",
    operation_id="replace_severity_rules",
    summary="Set the matrix and the rules by which severities come about",
    description=f"{_HOLDS} Severities that there are stay until something is judged anew.",
    method="PUT",
    body=schemas.SeverityRulesIn,
    answer=schemas.SeverityRules,
    permission="taxonomy:manage",
    load=queries.severity_for_update,
    show=lambda session, _actor, _row: queries.severity_detail(session),
    if_match="required",
)
def set_severity(
    uow: UnitOfWork, _actor: Actor, severity: models.SeveritySpec, given: dict[str, Any]
) -> models.SeveritySpec:
    editing.set_severity_rules(uow, severity, given)
    return severity
