"""What is said of a rung that a clock came to, to agents, in a sentence."""

from datetime import datetime

from helpdesk.sla.ladder import BREACHED, place_of
from helpdesk.sla.telling import duration

_UNITS = {"minutes": "business minutes", "business_days": "working days"}
_WORTH_SAYING = 60
"""Seconds: who rings within a minute is not late."""


def told_of(kind: str, rung: str, due: datetime | None, late_seconds: int, more: str | None = None) -> str:
    """`more`: what the rung has to say beside it."""
    when = "" if due is None else f", due {due:%Y-%m-%d %H:%M} UTC"
    parts = [f"{kind.replace('_', ' ')}{when}: {_where(rung)}.", late(late_seconds), more]
    return " ".join(part for part in parts if part)


def reason_for(kind: str, rung: str, late_seconds: int) -> str:
    """Of an act that a ladder has done."""
    return " ".join(part for part in (f"The ladder of {kind} at {rung}: {_where(rung)}.", late(late_seconds)) if part)


def late(seconds: int) -> str | None:
    """None: in time."""
    return None if seconds < _WORTH_SAYING else f"This rang {duration(seconds - seconds % 60, 'en', days=True)} late."


def _where(rung: str) -> str:
    place = place_of(rung)
    if rung == BREACHED:
        return "the promise is broken"
    if place.percent is not None:
        return f"{place.percent}% of the time {'is' if place.is_before else 'was'} used"
    unit = _UNITS[place.unit]
    return f"{-place.amount} {unit} are left" if place.amount < 0 else f"overdue for {place.amount} {unit}"
