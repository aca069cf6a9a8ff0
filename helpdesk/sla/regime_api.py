from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import models as complaint_models
from helpdesk.complaints import queries as complaints
from helpdesk.complaints.complaint_api import Blueprint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import MovedMeanwhile
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import (
    models,
    recomputing,
    regime_acts,
    regime_choosing,
    regime_errors,
    regime_fact_schemas,
    regime_marks,
    regime_models,
    regime_notices,
    regime_queries,
    regime_schemas,
    regime_settings,
)
from helpdesk.sla.regime_facts import AT_RECEIPT, BY_ACTS, KINDS
from helpdesk.sla.regime_rules import NOTICE

blp = Blueprint(
    "regimes", __name__, description="Regulatory deadlines: rules, facts, extensions. Information, not legal advice."
)


def _today(actor: Actor) -> Any:
    return cast(datetime, actor.seen_at).date()  # every request has its moment


@blp.read(
    "/sla/regimes",
    operation_id="list_sla_regimes",
    summary="Regulatory deadlines that are known",
    description="All of them, by their names; they are few.",
    answer=regime_schemas.Rules,
    query=regime_schemas.RuleQuery,
    permission="sla:read",
)
def list_regimes(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return {"notice": NOTICE, "items": regime_marks.list_rules(session, given, _today(actor))}


def _show_rule(session: Session, actor: Actor, rule_code: str) -> dict[str, Any]:
    row = regime_queries.current_rule(session, rule_code)
    return regime_marks.shown_row(session, row._mapping, rule_code, _today(actor))  # noqa: SLF001  # its public name


@blp.read(
    "/sla/regimes/<string:rule_code>",
    operation_id="get_sla_regime",
    summary="One regulatory deadline",
    answer=regime_schemas.Rule,
    permission="sla:read",
)
def get_regime(session: Session, actor: Actor, rule_code: str) -> dict[str, Any]:
    return _show_rule(session, actor, rule_code)


@blp.write(
    "/sla/regimes/<string:rule_code>",
    operation_id="change_sla_regime",
    summary="Set what can be set of a rule, as a new version",
    description="Amount and unit only where they are a default. Clocks that run go on by the version that made them.",
    method="PATCH",
    body=regime_schemas.RulePatch,
    answer=regime_schemas.Rule,
    permission="sla:manage",
    load=regime_queries.rule_for_update,
    show=_show_rule,
    if_match="required",
    errors=(regime_errors.AmountOfTheLaw,),
)
def change_regime(uow: UnitOfWork, _actor: Actor, rule: regime_models.SlaRule, given: dict[str, Any]) -> str:
    return regime_settings.change(uow, rule, given)


def _show_switched_off(session: Session, actor: Actor, rule_code: str) -> dict[str, Any]:
    open_clocks = regime_queries.count_open_clocks(session, rule_code)
    return {**_show_rule(session, actor, rule_code), "open_clocks": open_clocks}


@blp.write(
    "/sla/regimes/<string:rule_code>/switch-off",
    operation_id="switch_sla_regime_off",
    summary="Let a rule start no clocks",
    description="Those that are open go on by the version that made them, and count in reports; `open_clocks` says how many there are. "
    "Nothing chooses them anew: the one of a complaint ends when somebody decides that the rule does not apply to it "
    "(`POST /complaints/{ref}/regime/decisions`).",
    body=regime_schemas.Reason,
    answer=regime_schemas.RuleSwitchedOff,
    permission="sla:manage",
    load=regime_queries.rule_for_update,
    show=_show_switched_off,
    if_match="honoured",
    errors=(regime_errors.AlreadySwitched,),
)
def switch_off(uow: UnitOfWork, _actor: Actor, rule: regime_models.SlaRule, given: dict[str, Any]) -> str:
    return regime_settings.switch(uow, rule, on=False, reason=given["reason"])


def _show_switched_on(session: Session, actor: Actor, switched: tuple[str, UUID | None]) -> dict[str, Any]:
    rule_code, job_id = switched
    return {**_show_rule(session, actor, rule_code), "recompute_job_id": job_id}


@blp.write(
    "/sla/regimes/<string:rule_code>/switch-on",
    operation_id="switch_sla_regime_on",
    summary="Let a rule start clocks again",
    description="For complaints that come in from now on; a job reaches those that are open (`recompute_job_id`), unless that is not "
    "wanted (`recompute: false`): then those whose regime is chosen anew.",
    body=regime_schemas.SwitchOn,
    answer=regime_schemas.RuleSwitchedOn,
    permission="sla:manage",
    load=regime_queries.rule_for_update,
    show=_show_switched_on,
    if_match="honoured",
    errors=(regime_errors.AlreadySwitched,),
)
def switch_on(
    uow: UnitOfWork, actor: Actor, rule: regime_models.SlaRule, given: dict[str, Any]
) -> tuple[str, UUID | None]:
    rule_code = regime_settings.switch(uow, rule, on=True, reason=given["reason"])
    return rule_code, recomputing.begin(uow, actor, wanted=given["recompute"])


@blp.read(
    "/sla/regimes/<string:rule_code>/versions",
    operation_id="list_sla_regime_versions",
    summary="A rule as it was, the newest first",
    answer=regime_schemas.RuleVersion,
    query=PageQuery,
    permission="sla:read",
    paged=True,
)
def list_versions(session: Session, actor: Actor, page: Page, given: dict[str, Any], rule_code: str) -> Any:
    rows, cursor, total = regime_queries.list_versions(session, page, given, rule_code)
    return [regime_marks.shown_row(session, row, rule_code, _today(actor)) for row in rows], cursor, total


@blp.read(
    "/sla/sectors",
    operation_id="list_regulated_sectors",
    summary="What a complaint's sector can say for a regulator's rules to be for it",
    description="By name, with the jurisdictions that have rules for it. Spellings are folded: `Social-Housing` is `social_housing`. A "
    "sector that is not here has the rules that are for any.",
    answer=regime_schemas.Sectors,
    permission="sla:read",
)
def list_sectors(session: Session, _actor: Actor) -> dict[str, Any]:
    return {"items": regime_marks.list_sectors(session)}


@blp.read(
    "/sla/regulatory-facts",
    operation_id="list_regulatory_fact_kinds",
    summary="Facts that start and stop regulators' clocks",
    answer=regime_fact_schemas.FactKinds,
    permission="sla:read",
)
def list_fact_kinds(_session: Session, _actor: Actor) -> dict[str, Any]:
    known = {**dict.fromkeys(AT_RECEIPT, "receipt"), **dict.fromkeys(BY_ACTS, "acts")}
    return {
        "items": [
            {"kind": kind, "summary": summary, "known_by": known.get(kind, "people")} for kind, summary in KINDS.items()
        ]
    }


def _regime(session: Session, actor: Actor, complaint: complaint_models.Complaint) -> dict[str, Any]:
    reasons = {row.rule_id: row.reason for row in regime_queries.decisions_of(session, complaint.id)}
    now = cast(datetime, actor.seen_at)
    return {
        "notice": NOTICE,
        "jurisdiction": complaint.jurisdiction,
        "sector": complaint.sector,
        "items": [
            {
                "rule": regime_marks.shown(session, item.rule, now.date()),
                "applies": item.applies,
                "because": item.because,
                "reason": reasons.get(item.rule.id) if item.because == "decided" else None,
                "starts_at": item.starts_at,
                "stops_at": item.stops_at,
            }
            for item in regime_choosing.seen(session, complaint, now)
        ],
    }


@blp.read(
    "/complaints/<ref>/regime",
    operation_id="get_complaint_regime",
    summary="Which regulators' rules are for a complaint, which of them apply, and why",
    description="Of the rules in force now; a clock that runs goes by the version that made it.",
    answer=regime_schemas.Regime,
    permission="complaint:read",
)
def get_complaint_regime(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    return _regime(session, actor, complaints.get_visible(session, actor, ref))


def _show_regime(session: Session, actor: Actor, complaint_id: UUID) -> dict[str, Any]:
    return _regime(session, actor, complaints.get_visible(session, actor, str(complaint_id)))


@blp.write(
    "/complaints/<ref>/regime/decisions",
    operation_id="decide_complaint_rule",
    summary="Say whether a rule applies to a complaint",
    description="Goes before what the record tells and what is presumed; the last word counts.",
    body=regime_fact_schemas.RuleDecisionIn,
    answer=regime_schemas.Regime,
    permission="complaint:regime",
    load=complaints.complaint_for_update,
    show=_show_regime,
    if_match="honoured",
    errors=(regime_errors.NotRegulated,),
)
def decide_rule(uow: UnitOfWork, actor: Actor, complaint: complaint_models.Complaint, given: dict[str, Any]) -> UUID:
    return regime_acts.decide(uow, actor, complaint, given)


@blp.read(
    "/complaints/<ref>/regulatory-facts",
    operation_id="list_complaint_regulatory_facts",
    summary="Regulatory facts that were recorded of a complaint, the withdrawn ones too",
    answer=regime_fact_schemas.RegulatoryFact,
    query=PageQuery,
    permission="complaint:read",
    paged=True,
)
def list_facts(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return regime_queries.list_facts(session, actor, page, given, ref)


@blp.write(
    "/complaints/<ref>/regulatory-facts",
    operation_id="record_complaint_regulatory_fact",
    summary="Record a fact that starts or stops regulators' clocks",
    description="What is done here (acknowledged, decided, asked, refunded) is known by itself. Clocks count from, and stop at, "
    "`at`, also where that was long ago.",
    body=regime_fact_schemas.RegulatoryFactIn,
    answer=regime_fact_schemas.RegulatoryFact,
    status=201,
    permission="complaint:regime",
    load=complaints.complaint_for_update,
    show=regime_queries.fact_detail,
    if_match="honoured",
    errors=(regime_errors.FactKnown,),
)
def record_fact(
    uow: UnitOfWork, actor: Actor, complaint: complaint_models.Complaint, given: dict[str, Any]
) -> tuple[UUID, UUID]:
    return regime_acts.record_fact(uow, actor, complaint, given)


@blp.write(
    "/complaints/<ref>/regulatory-facts/<uuid:fact_id>/withdraw",
    operation_id="withdraw_complaint_regulatory_fact",
    summary="Take back a fact that was recorded by mistake",
    description="Its clocks stand as if it had not been recorded; what was said of them stays in the timeline. One that was recorded of a "
    "duplicate is withdrawn in the complaint in which that goes on, for both.",
    body=regime_schemas.Reason,
    answer=regime_fact_schemas.RegulatoryFact,
    permission="complaint:regime",
    load=regime_queries.fact_for_update,
    show=regime_queries.fact_detail,
    if_match="honoured",
    errors=(regime_errors.FactWithdrawn, regime_errors.FactElsewhere, MovedMeanwhile),
)
def withdraw_fact(
    uow: UnitOfWork, _actor: Actor, held: regime_queries.HeldFact, given: dict[str, Any]
) -> tuple[UUID, UUID]:
    return regime_acts.withdraw_fact(uow, held, given)


@blp.read(
    "/complaints/<ref>/clocks/<uuid:clock_id>/extensions",
    operation_id="list_clock_extensions",
    summary="Notices that moved a deadline",
    answer=regime_fact_schemas.ExtensionNotices,
    permission="complaint:read",
)
def list_extensions(session: Session, actor: Actor, ref: str, clock_id: UUID) -> dict[str, Any]:
    return {"items": regime_queries.notices_of(session, actor, ref, clock_id)}


@blp.write(
    "/complaints/<ref>/clocks/<uuid:clock_id>/extensions",
    operation_id="extend_clock",
    summary="Move a regulator's deadline by a notice",
    description="By what the rule allows, as often as it allows, and only before the deadline that it moves. The letter stands "
    "in the thread and is mailed, unless `send` is false; that it was sent in time is a clock of its own.",
    body=regime_fact_schemas.ExtensionNoticeIn,
    answer=regime_fact_schemas.ExtensionNotice,
    status=201,
    permission="complaint:reply",
    load=regime_queries.clock_for_update,
    check=regime_notices.check,
    show=regime_queries.notice_detail,
    if_match="honoured",
    errors=(
        regime_errors.NotExtensible,
        regime_errors.ExtensionUsed,
        regime_errors.DeadlinePassed,
    ),
)
def extend_clock(
    uow: UnitOfWork, actor: Actor, part: complaints.Part[models.Clock], given: dict[str, Any]
) -> tuple[UUID, UUID]:
    return regime_notices.extend(uow, actor, part, given)
