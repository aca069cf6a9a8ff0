"""The severity of a complaint, assessed and kept: at receipt, at triage, when a fact becomes known, when a person says so.

What is found by itself raises a severity and never lowers it; only triage, people and the undoing of a merge lower one.
Nothing is silent: each assessment is a row and an event. What a person has passed over stays passed over: a later fact
raises the severity only by a rule that did not hold when they looked.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import person_queries, queries, severity, severity_queries
from helpdesk.complaints.events import SeverityAssessed
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.severity import Facts, Judgement, Reason, burst_window
from helpdesk.complaints.severity_models import SeverityAssessment
from helpdesk.complaints.taxonomy import worst
from helpdesk.identity.actors import Actor
from helpdesk.kernel.events import Principal, Stream
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force

_UNTOLD: Final = frozenset({"complaint_ids"})
"""Evidence that an event does not repeat: not everybody who reads the timeline may see those complaints."""


@dataclass(frozen=True, slots=True)
class _Came:
    """How a severity came about. `reason`: a person's."""

    cause: str
    severity: str
    before: str | None
    judged: Judgement
    reason: str | None = None


def facts_of(
    session: Session,
    complaint: Complaint,
    now: datetime,
    *,
    issue: str | None = None,
    need: tuple[str, UUID] | None = None,
    without: Collection[UUID] = (),
) -> Facts:
    """As they are in this transaction. `issue`, `need`: what is being added, and is written when the unit of work ends; `without`: ids
    of issues and needs that do not count.
    """
    rules = in_force().severity
    repeat, burst = rules.repeat, rules.burst
    counted = [row for row in queries.issues_of(session, complaint.id) if row.id not in without]
    found = [row.issue for row in counted if row.issue is not None]
    issues = tuple(dict.fromkeys([*found, *([issue] if issue else [])]))
    there = person_queries.needs_of(session, complaint.id) if complaint.vulnerable else ()
    needs = [(row.flag, row.id) for row in there if row.id not in without]
    return Facts(
        complaint.channel,
        issues,
        (*needs, *([need] if need else [])),
        () if repeat is None else tuple(severity_queries.repeats(session, complaint, issues, repeat.within)),
        {}
        if burst is None
        else severity_queries.alike(session, complaint, issues, burst_window(burst, complaint.received_at, now)),
    )


def triage(uow: UnitOfWork, actor: Actor, complaint: Complaint) -> None:
    """The severity that follows from what was just judged (impact and urgency are set)."""
    judged = _judged(uow, complaint)
    before, complaint.severity = complaint.severity, judged.severity or complaint.severity
    _keep(uow, actor, complaint, _Came("triaged", complaint.severity, before, judged))


def set_by_person(uow: UnitOfWork, actor: Actor, complaint: Complaint, level: str, reason: str) -> None:
    """Whatever the rules say; what they say is kept beside it."""
    judged = _judged(uow, complaint)
    before, complaint.severity = complaint.severity, level
    _keep(uow, actor, complaint, _Came("set", level, before, judged, reason))


def note_facts(uow: UnitOfWork, actor: Actor, complaint: Complaint, before: str, judged: Judgement) -> None:
    """Facts have raised the severity from `before`; how, is kept."""
    _keep(uow, actor, complaint, _Came("facts", complaint.severity, before, judged))


def convert(uow: UnitOfWork, actor: Actor, complaint: Complaint) -> None:
    """It is a complaint from now on, and the rules hold for it."""
    judged = severity.judge(facts_of(uow.session, complaint, uow.now), complaint.impact, complaint.urgency, in_force())
    if judged.severity is None:
        return
    before, complaint.severity = complaint.severity, worst(complaint.severity, judged.severity)
    _keep(uow, actor, complaint, _Came("converted", complaint.severity, before, judged))


def raising(uow: UnitOfWork, complaint: Complaint, facts: Facts) -> tuple[str, Judgement] | None:
    """The level that something new asks for, where that is worse than what the complaint has; else None."""
    judged = severity.judge(facts, complaint.impact, complaint.urgency, in_force())
    known = _known_rules(uow.session, complaint)
    level = _news(judged, known)
    if level is None or worst(complaint.severity, level) == complaint.severity:
        return None
    return level, judged


def merge(uow: UnitOfWork, survivor: Complaint, source: Complaint) -> tuple[Judgement, str | None]:
    """What it is judged to be together with the `source` that was merged into it, which is written by now and no complaint by
    itself any more; and the level that this asks for beyond what the survivor was assessed by, None where it asks for none.
    What somebody passed over in the source stays passed over.
    """
    judged = _judged(uow, survivor)
    known = _known_rules(uow.session, survivor) | _passed_over(uow.session, source)
    return judged, _news(judged, known)


def rules_without(uow: UnitOfWork, complaint: Complaint, without: Collection[UUID]) -> frozenset[str]:
    """Rules that hold of it but for these issues and needs."""
    return frozenset(reason.rule for reason in _judged(uow, complaint, without).reasons)


def brought(
    uow: UnitOfWork, survivor: Complaint, source: Complaint, others: Collection[UUID], own: Collection[str]
) -> str | None:
    """The level that the rules ask for by what came with the `source`, were it the only one that was merged into the survivor.
    `others`: ids of issues and needs that came with others; `own`: the rules that hold of the survivor alone.
    """
    return _news(_judged(uow, survivor, others), frozenset(own) | _passed_over(uow.session, source))


def triaged_without(uow: UnitOfWork, complaint: Complaint, without: Collection[UUID]) -> str | None:
    """The severity that follows from its last triage by what is written of it now, but for these issues and needs."""
    return _judged(uow, complaint, without).severity


def split(uow: UnitOfWork, new: Complaint, origin: Complaint) -> Judgement:
    """Judge it by what went over, which is written by now. Only upwards, and not by what somebody passed over before; that the
    rest of it is another complaint of the same customer is no repeat.
    """
    judged = _judged(uow, new)
    level = _news(judged, _passed_over(uow.session, origin) | {severity.REPEAT})
    new.severity = new.severity if level is None else worst(new.severity, level)
    return judged


def note_split(uow: UnitOfWork, new: Complaint, origin: Complaint, judged: Judgement) -> None:
    """Keep how a severity came about that is more than the guess which the origin had too."""
    if judged.severity is not None or severity_queries.last_assessment(uow.session, origin.id) is not None:
        _keep(uow, uow.actor, new, _Came("split", new.severity, None, judged))


def _judged(uow: UnitOfWork, complaint: Complaint, without: Collection[UUID] = ()) -> Judgement:
    taxonomy = in_force()
    if complaint.record_type != "complaint":
        return Judgement(None, (), taxonomy.severity.version, taxonomy.version)
    facts = facts_of(uow.session, complaint, uow.now, without=without)
    return severity.judge(facts, complaint.impact, complaint.urgency, taxonomy)


def _known_rules(session: Session, complaint: Complaint) -> frozenset[str]:
    """What held when it was assessed last."""
    last = severity_queries.last_assessment(session, complaint.id)
    return frozenset(reason["rule"] for reason in last.reasons) if last is not None else frozenset()


def _passed_over(session: Session, complaint: Complaint) -> frozenset[str]:
    """What asked for more when it was assessed last, and did not get it."""
    last = severity_queries.last_assessment(session, complaint.id)
    asked = [] if last is None else [(reason["rule"], reason["severity"]) for reason in last.reasons]
    return frozenset(
        rule
        for rule, level in asked
        if last is not None and level is not None and worst(level, last.severity) != last.severity
    )


def _news(judged: Judgement, known: frozenset[str]) -> str | None:
    """The worst level that a rule asks for which is not among the known ones."""
    levels = [reason.severity for reason in judged.reasons if reason.rule not in known and reason.severity is not None]
    return worst(*levels) if levels else None


def note_merged(uow: UnitOfWork, survivor: Complaint, before: str, judged: Judgement) -> None:
    """Keep how the severity came to be what it is (`judged`: by `merge`). Nothing where it is as it was before."""
    if survivor.severity != before:
        _keep(uow, uow.actor, survivor, _Came("merged", survivor.severity, before, judged))


def note_parted(uow: UnitOfWork, complaint: Complaint, before: str) -> None:
    """After a merge was undone, once what is left is written: keep what that comes to, where it changes the severity, and also where
    it does not but a rule is gone with the duplicate. Else that rule would be passed over when it holds of the complaint itself.
    """
    judged = _judged(uow, complaint)
    gone = _known_rules(uow.session, complaint) - {reason.rule for reason in judged.reasons}
    if complaint.severity != before or (gone and complaint.record_type == "complaint"):
        _keep(uow, uow.actor, complaint, _Came("unmerged", complaint.severity, before, judged))


def at_receipt(row: dict[str, Any], issues: Sequence[str], needs: Sequence[dict[str, Any]]) -> Judgement:
    """By what came with it alone: what was there before is looked up at triage, and receipt stays cheap."""
    if row["record_type"] != "complaint":
        return Judgement(None, ())
    facts = Facts(row["channel"], tuple(dict.fromkeys(issues)), tuple((need["flag"], need["id"]) for need in needs))
    return severity.judge(facts, row["impact"], row["urgency"], in_force())


def receive(uow: UnitOfWork, row: dict[str, Any], born: Stream, judged: Judgement) -> None:
    """For a complaint that is being born, with the severity that `judged` (`at_receipt`) gives, where it gives any."""
    if judged.severity is None:
        return
    came = _Came("received", row["severity"], None, judged)
    _write(uow, uow.actor, row["id"], came)
    uow.record(_event(row["id"], row["reference"], came), stream=born)


def _keep(uow: UnitOfWork, actor: Principal, complaint: Complaint, came: _Came) -> None:
    _write(uow, actor, complaint.id, came)
    uow.record(_event(complaint.id, complaint.reference, came), stream=complaint, actor=actor)


def _write(uow: UnitOfWork, actor: Principal, complaint_id: UUID, came: _Came) -> None:
    row = {
        "id": new_id(),
        "created_at": uow.now,
        "complaint_id": complaint_id,
        "cause": came.cause,
        "severity": came.severity,
        "before": came.before,
        "judged": came.judged.severity,
        "reasons": [found.as_data() for found in came.judged.reasons],
        "systemic": came.judged.systemic,
        "rules_version": came.judged.rules_version,
        "taxonomy_version": came.judged.taxonomy_version,
        "reason": came.reason,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
    }
    uow.add_rows(SeverityAssessment, [row])


def _event(complaint_id: UUID, reference: str, came: _Came) -> SeverityAssessed:
    return SeverityAssessed(
        complaint_id=complaint_id,
        reference=reference,
        cause=came.cause,
        severity=came.severity,
        before=came.before,
        judged=came.judged.severity,
        rules_version=came.judged.rules_version,
        taxonomy_version=came.judged.taxonomy_version,
        rules=[found.rule for found in came.judged.reasons],
        reasons=[_told(found) for found in came.judged.reasons],
        systemic=came.judged.systemic,
    )


def _told(found: Reason) -> dict[str, Any]:
    evidence = {name: what for name, what in found.evidence.items() if name not in _UNTOLD}
    return {"rule": found.rule, "severity": found.severity, **evidence}
