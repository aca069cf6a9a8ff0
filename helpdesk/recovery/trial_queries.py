"""Selects of a playbook's trial: which complaints, what was found of them, and the figures in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.schemas import dump_money
from helpdesk.recovery.playbook_models import PlaybookTrial
from helpdesk.recovery.playbook_spec import MOST_CHANGED

_TRIAL: Final = PlaybookTrial.__table__.c


def _of(since: datetime, until: datetime) -> Any:
    """Complaints that somebody could make an offer on: not those that were none, nor duplicates."""
    received = (Complaint.received_at >= since, Complaint.received_at < until)
    return (*received, Complaint.record_type == "complaint", Complaint.status != "dismissed")


def count(session: Session, since: datetime, until: datetime) -> int:
    found: int = session.execute(select(func.count()).select_from(Complaint).where(*_of(since, until))).scalar_one()
    return found


def some(
    session: Session, since: datetime, until: datetime, last: tuple[datetime, UUID] | None, most: int
) -> Sequence[Complaint]:
    """From the newest on, those behind `last`."""
    found = select(Complaint).where(*_of(since, until))
    if last is not None:
        found = found.where(tuple_(Complaint.received_at, Complaint.id) < last)
    return session.scalars(found.order_by(Complaint.received_at.desc(), Complaint.id.desc()).limit(most)).all()


@dataclass(frozen=True, slots=True)
class Done:
    """`last`: where a run that begins anew goes on."""

    count: int
    failed: int
    last: tuple[datetime, UUID] | None


def done(session: Session, job_id: UUID) -> Done:
    of_job = _TRIAL.job_id == job_id
    row = session.execute(select(func.count(), func.count().filter(_TRIAL.outcome == "failed")).where(of_job)).one()
    oldest = session.execute(
        select(_TRIAL.received_at, _TRIAL.complaint_id)
        .where(of_job)
        .order_by(_TRIAL.received_at, _TRIAL.complaint_id)
        .limit(1)
    ).one_or_none()
    return Done(row[0], row[1], None if oldest is None else (oldest[0], oldest[1]))


def tell(session: Session, job_id: UUID, found: Done) -> None:
    """How far it is. Complaints that came since may make it more than was expected."""
    total = func.greatest(jobs.Job.total, found.count)
    counts = {"done": found.count, "failed": found.failed, "total": total}
    session.execute(update(jobs.Job).where(jobs.Job.id == job_id).values(counts))


def note(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Once each: a run that was thought dead may be at it too."""
    session.execute(insert(PlaybookTrial).values([dict(row) for row in rows]).on_conflict_do_nothing())


_FIGURES: Final = text("""
    SELECT currency, severity, tier, grouping(severity) AS no_severity, grouping(tier) AS no_tier, count(*) AS complaints,
           sum(before_minor) AS before_total, sum(after_minor) AS after_total,
           round(CAST(percentile_cont(0.5) WITHIN GROUP (ORDER BY before_minor) AS numeric)) AS before_median,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY before_minor) AS before_p90,
           round(CAST(percentile_cont(0.5) WITHIN GROUP (ORDER BY after_minor) AS numeric)) AS after_median,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY after_minor) AS after_p90,
           count(*) FILTER (WHERE after_minor > before_minor) AS more,
           count(*) FILTER (WHERE after_minor < before_minor) AS less,
           count(*) FILTER (WHERE after_minor = before_minor) AS same
    FROM playbook_trial WHERE job_id = :job_id AND outcome = 'tried'
    GROUP BY GROUPING SETS ((currency), (currency, severity), (currency, tier))
    ORDER BY currency, no_severity DESC, no_tier DESC, severity, tier
""")
_OUTCOMES: Final = select(_TRIAL.outcome, func.count()).group_by(_TRIAL.outcome)


_CHANGE: Final = func.abs(_TRIAL.after_minor - _TRIAL.before_minor)


def _changed_most(session: Session, actor: Actor | None, job_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """By currency, of the complaints that the actor sees, those whose suggestion changes most, the furthest first."""
    if actor is None:
        return {}
    ranked = (
        select(
            Complaint.reference,
            _TRIAL.complaint_id,
            _TRIAL.currency,
            _TRIAL.before_minor,
            _TRIAL.after_minor,
            func.row_number()
            .over(partition_by=_TRIAL.currency, order_by=(_CHANGE.desc(), _TRIAL.complaint_id))
            .label("place"),
        )
        .join(Complaint, Complaint.id == _TRIAL.complaint_id)
        .where(_TRIAL.job_id == job_id, _TRIAL.outcome == "tried", _CHANGE > 0, visible_to(actor))
        .subquery()
    )
    place = ranked.c.place
    rows = session.execute(select(ranked).where(place <= MOST_CHANGED).order_by(ranked.c.currency, place))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.currency, []).append(
            {
                "complaint_id": str(row.complaint_id),
                "reference": row.reference,
                "before": dump_money((row.before_minor, row.currency)),
                "after": dump_money((row.after_minor, row.currency)),
            }
        )
    return found


def figures(session: Session, actor: Actor | None, job_id: UUID) -> dict[str, Any]:
    """How many complaints with which outcome; and for each currency the figures, of all, by severity and by tier, with those that
    change most. A median between two values is rounded half up to the minor unit; a 90th percentile is one that there is. `actor`:
    whoever began it; None: they are not here any more, and no complaint is named.
    """
    rows = session.execute(_OUTCOMES.where(_TRIAL.job_id == job_id))
    outcomes: dict[str, int] = {row[0]: row[1] for row in rows}
    found: dict[str, Any] = {}
    for row in session.execute(_FIGURES, {"job_id": job_id}).mappings():
        of = found.setdefault(row["currency"], {"currency": row["currency"], "by_severity": [], "by_tier": []})
        if row["no_severity"] and row["no_tier"]:
            of |= _told(row)
        elif row["no_tier"]:
            of["by_severity"].append({"severity": row["severity"], **_told(row)})
        else:
            of["by_tier"].append({"tier": row["tier"], **_told(row)})
    most = _changed_most(session, actor, job_id)
    for currency, of in found.items():
        of["changed_most"] = most.get(currency, [])
    return {
        "looked_at": sum(outcomes.values()),
        "tried": outcomes.get("tried", 0),
        "other_playbook": outcomes.get("other_playbook", 0),
        "failed": outcomes.get("failed", 0),
        "currencies": list(found.values()),
    }


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    def money(name: str) -> Any:
        return dump_money((int(row[name]), row["currency"]))

    sides = {
        side: {name: money(f"{side}_{name}") for name in ("total", "median", "p90")} for side in ("before", "after")
    }
    difference = dump_money((int(row["after_total"]) - int(row["before_total"]), row["currency"]))
    counts = {name: row[name] for name in ("complaints", "more", "less", "same")}
    return {**counts, **sides, "difference": difference}
