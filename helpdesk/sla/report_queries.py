"""Reports on promises, each read from the index of the times it is about; of the complaints that the actor may see."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, Date, cast, func, literal_column, or_, select, tuple_
from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Team
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.sla import queries, regime_in_force
from helpdesk.sla.models import POLICY_KINDS, Clock
from helpdesk.sla.regime_rules import rule_of_kind

MOST_GROUPS: Final = 2_000
MOST_DAYS: Final = 400
"""Of a span."""
_CLOCK: Final = Clock.__table__.c
_COMPLAINT: Final = Complaint.__table__.c
_LATELY: Final = timedelta(days=30)


def narrowing(session: Session, actor: Actor, given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Which complaints and clocks of them: by the actor's sight, and the filters `team_id`, `kind` and `severity`. Raises
    `ValidationFailed` for a kind that no promise is of: nothing found would be taken for nothing due.
    """
    kind = given.get("kind")
    if kind is not None and kind not in POLICY_KINDS and not _is_regulated(session, kind):
        text = f"A promise is of the kind {', '.join(POLICY_KINDS)}, or a regulator's rule as in GET /sla/regimes, or its notice."
        raise ValidationFailed(errors=[FieldError.at("/kind", "unknown_kind", text)])
    conditions = [complaints.visible_to(actor)]
    conditions += [_COMPLAINT.team_id == given["team_id"]] if "team_id" in given else []
    return conditions + [_CLOCK[name] == given[name] for name in ("kind", "severity") if name in given]


def forecast(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`: hours, and filters. Promises that run, are not over, and come due within so many hours, by team and hour."""
    now = queries.clock_time(session)
    until = now + timedelta(hours=given["hours"])
    hour: ColumnElement[datetime] = literal_column("date_trunc('hour', sla_clock.due_at, 'UTC')")
    rows = session.execute(
        select(
            _COMPLAINT.team_id,
            Team.name.label("team"),
            hour.label("hour"),
            func.count().label("clocks"),
            func.count(_COMPLAINT.id.distinct()).label("complaints"),
        )
        .select_from(Clock.__table__)
        .join(Complaint.__table__, _COMPLAINT.id == _CLOCK.complaint_id)
        .outerjoin(Team, Team.id == _COMPLAINT.team_id)
        .where(
            _CLOCK.state == "running", _CLOCK.due_at >= now, _CLOCK.due_at < until, *narrowing(session, actor, given)
        )
        .group_by(_COMPLAINT.team_id, Team.name, hour)
        .order_by(_COMPLAINT.team_id, hour)
    ).all()
    teams = [_team(list(own)) for _, own in groupby(rows, key=lambda row: row.team_id)]
    teams.sort(key=lambda team: (-team["clocks"], team["team"] or ""))
    return {"as_of": now, "until": until, "clocks": sum(team["clocks"] for team in teams), "items": teams}


def _team(rows: list[Any]) -> dict[str, Any]:
    return {
        "team_id": rows[0].team_id,
        "team": rows[0].team,
        "clocks": sum(row.clocks for row in rows),
        "hours": [{"hour": row.hour, "clocks": row.clocks, "complaints": row.complaints} for row in rows],
    }


def span(
    session: Session, given: Mapping[str, Any], name: str, *, however_long: bool = False
) -> tuple[datetime, datetime]:
    """`<name>_from`, or thirty days before the end, and `<name>_before`, or now. Raises `ValidationFailed` for a span that ends now
    and is none, or too long for one answer.
    """
    since, before = given.get(f"{name}_from"), given.get(f"{name}_before")
    if before is not None:
        return (before - _LATELY if since is None else since), before
    now = queries.clock_time(session)
    if since is not None and since >= now:
        raise ValidationFailed(
            errors=[FieldError.at(f"/{name}_from", "future", f"It is not over yet: give {name}_before.")]
        )
    if since is not None and not however_long and now - since > timedelta(days=MOST_DAYS):
        text = f"A span has at most {MOST_DAYS} days, and without {name}_before it ends now: give one."
        raise ValidationFailed(errors=[FieldError.at(f"/{name}_from", "too_long", text)])
    return (now - _LATELY if since is None else since), now


def _is_regulated(session: Session, kind: str) -> bool:
    return rule_of_kind(kind) in regime_in_force.in_force(session).rules


_BROKEN: Final = or_(
    _CLOCK.state == "breached",
    literal_column("sla_clock.state = 'running' AND sla_clock.due_at < now()", Boolean),
)
"""By the facts: also where the alarm is yet to ring."""


def attainment(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """How many promises of a span of time were kept, by what `by` names. Raises `ValidationFailed` for more groups than one
    answer holds.
    """
    window = "stopped" if {"stopped_from", "stopped_before"} & given.keys() else "due"
    since, before = span(session, given, window)
    time = _CLOCK[f"{window}_at"]
    by = given.get("by", ["kind"])
    apart = _dimensions(by, given["period"], window)
    columns = [column.label(name) for name, column in apart.items()]
    statement = (
        select(*columns, *_counts(), func.grouping(*apart.values()).label("whole"))
        .select_from(Clock.__table__)
        .join(Complaint.__table__, _COMPLAINT.id == _CLOCK.complaint_id)
        .where(time >= since, time < before, *narrowing(session, actor, given))
        .group_by(func.grouping_sets(tuple_(*apart.values()), tuple_()))
        .order_by("whole", *apart.values())
        .limit(MOST_GROUPS + 2)
    )
    rows = [dict(row) for row in session.execute(statement).mappings()]
    groups, total = [row for row in rows if not row["whole"]], [row for row in rows if row["whole"]]
    if len(groups) > MOST_GROUPS:
        text = f"That makes more than {MOST_GROUPS} groups: take a shorter span, longer periods, or tell less apart."
        raise ValidationFailed(errors=[FieldError.at("/by", "too_many", text)])
    names = _team_names(session) if "team" in by else {}
    return {
        "window": window,
        "since": since,
        "before": before,
        "by": by,
        "items": [_group(row, names) for row in groups],
        "total": _group(total[0], names),
    }


def _dimensions(by: Sequence[str], period: str, window: str) -> dict[str, ColumnElement[Any]]:
    # As text and not as a parameter: PostgreSQL takes two parameters for two expressions, though their values are one.
    first_day = cast(literal_column(f"date_trunc('{period}', sla_clock.{window}_at AT TIME ZONE 'UTC')"), Date)
    known: dict[str, tuple[str, ColumnElement[Any]]] = {
        "kind": ("kind", _CLOCK.kind),
        "team": ("team_id", _COMPLAINT.team_id),
        "severity": ("severity", _CLOCK.severity),
        "period": ("period", first_day),
    }
    return dict(known[name] for name in by)


def _counts() -> list[ColumnElement[Any]]:
    finished = _CLOCK.state.in_(("met", "breached")) & _CLOCK.elapsed_seconds.is_not(None)

    def rank(share: str) -> ColumnElement[Any]:
        return func.percentile_disc(literal_column(share)).within_group(_CLOCK.elapsed_seconds).filter(finished)

    return [
        func.count().filter(_CLOCK.state == "met").label("met"),
        func.count().filter(_BROKEN).label("breached"),
        func.count().filter(_CLOCK.state == "cancelled").label("cancelled"),
        func.count().filter(_CLOCK.state.in_(("running", "paused")), ~_BROKEN).label("open"),
        rank("0.5").label("median_seconds"),
        rank("0.9").label("p90_seconds"),
    ]


def _group(row: Mapping[str, Any], teams: Mapping[Any, str]) -> dict[str, Any]:
    decided = row["met"] + row["breached"]
    return {
        **dict.fromkeys(("kind", "team_id", "severity", "period")),
        **row,
        "team": teams.get(row.get("team_id")),
        "percentage": round(100 * row["met"] / decided, 1) if decided else None,
    }


def _team_names(session: Session) -> dict[Any, str]:
    return {row.id: row.name for row in session.execute(select(Team.id, Team.name))}
