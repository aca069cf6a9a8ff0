"""How long clocks stood still though the complainant had replied: in business time by each clock's calendar, from the first reply
in a pause to the pause's end, or until now.

Several clocks of a complaint pause together; the time of a reply is that of the one that it was longest for, not their sum.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.sla import clock_terms, pause_queries, queries, report_queries
from helpdesk.sla.business_time import elapsed
from helpdesk.sla.models import Clock

MOST_REPLIES: Final = 20_000
_TOGETHER: Final = 500
BY: Final[Mapping[str, Sequence[str]]] = {
    "team": ("team_id", "team"),
    "agent": ("agent_id", "agent"),
    "complaint": ("complaint_id", "reference"),
}


def page_of(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    """One page, the newest replies first. `given`: replied_from, replied_before, team_id, agent_id."""
    statement = pause_queries.replies(actor, given, *report_queries.span(session, given, "replied"))
    rows = session.execute(page.narrow(statement, pause_queries.ORDER)).mappings().all()
    shown, cursor = page.cut(rows, lambda row: (row["created_at"], row["id"]))
    total = pause_queries.count(session, statement) if given.get("count") else None
    return _told(session, shown), cursor, total


def every(session: Session, actor: Actor, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All of them, however many and of however long a time, a few at a time."""
    statement = pause_queries.replies(actor, given, *report_queries.span(session, given, "replied", however_long=True))
    last = None
    while rows := pause_queries.after(session, statement, last, _TOGETHER):
        yield from _told(session, rows)
        session.expunge_all()
        last = rows[-1]


def summary(session: Session, actor: Actor, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By team, agent or complaint (`by`), the most time first. Raises `ValidationFailed` for more than one answer adds up."""
    key, name = BY[given["by"]]
    groups: dict[UUID | None, dict[str, Any]] = {}
    for number, row in enumerate(every(session, actor, given), start=1):
        if number > MOST_REPLIES:
            text = f"There are more than {MOST_REPLIES} replies in that time: take a shorter one."
            raise ValidationFailed(errors=[FieldError.at("/replied_from", "too_many", text)])
        found = groups.setdefault(
            row[key], {"id": row[key], "name": row[name], "replies": 0, "paused_seconds": 0, "longest_seconds": 0}
        )
        found["replies"] += 1
        found["paused_seconds"] += row["paused_seconds"]
        found["longest_seconds"] = max(found["longest_seconds"], row["paused_seconds"])
    return sorted(groups.values(), key=lambda group: (-group["paused_seconds"], group["name"] or ""))


def _told(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    now = queries.clock_time(session)
    ids = {UUID(clock_id) for row in rows for clock_id, _ in row["paused"]}
    known = pause_queries.clocks_by_id(session, list(ids))
    return [_one(session, row, known, now) for row in rows]


def _one(session: Session, row: Mapping[str, Any], known: Mapping[UUID, Clock], now: datetime) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    ends: list[datetime | None] = []
    for clock_id, written in row["paused"]:
        clock = known.get(UUID(clock_id))
        if clock is None:
            continue  # it went with its complaint while we looked
        end = None if written is None else parse_rfc3339(written)
        seconds = elapsed(clock_terms.calendar_of(session, clock), row["created_at"], end or now)
        ends.append(end)
        found.append({"id": clock.id, "kind": clock.kind, "paused_seconds": seconds})
    found.sort(key=lambda item: (-item["paused_seconds"], item["kind"]))
    closed = [end for end in ends if end is not None]
    return {
        **{name: row[name] for name in ("complaint_id", "reference", "team_id", "team", "agent_id", "agent")},
        "message_id": row["id"],
        "replied_at": row["created_at"],
        "until": max(closed) if closed and len(closed) == len(ends) else None,
        "paused_seconds": max((item["paused_seconds"] for item in found), default=0),
        "clocks": found,
    }
