"""Whether a complaint has been made before: suggested with its reasons, never acted upon. To merge is for people.

Somebody in common, like text, and not too far apart in time; or the same number in another system, whatever the text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import duplicate_queries
from helpdesk.complaints.likeness import likeness, words
from helpdesk.identity.actors import Actor

WINDOW_DAYS: Final = 90
LEAST: Final = 25
"""Of a hundred: less alike than that, two texts of one person are two matters."""
MOST: Final = 50
AT_INTAKE: Final = 10
"""Candidates that are looked at while a complaint is taken in."""
SHOWN_AT_INTAKE: Final = 5

_TEXT: Final = 60
_KEYS: Final = {"customer": 20, "email": 20, "phone": 15, "external_id": 40}
_ISSUE: Final = 10
_NEAR: Final = 5
_NEAR_DAYS: Final = 7
_SHARED: Final = 12


def possible(session: Session, actor: Actor, complaint_id: UUID, *, days: int, most: int) -> list[dict[str, Any]]:
    """What a complaint may be a duplicate of, the likeliest first, each with what speaks for it. Only what the actor may
    see.
    """
    return judged(duplicate_queries.candidates(session, actor, complaint_id, days=days, most=most))


def judged(found: Sequence[Any]) -> list[dict[str, Any]]:
    """`found`: as `duplicate_queries.candidates` gives it."""
    if len(found) < 2:
        return []
    mine, *others = found
    text = words(mine.text)
    alike = [item for other in others if (item := _judged(mine, text, other)) is not None]
    return sorted(alike, key=lambda item: (-item["score"], -item["received_at"].timestamp(), item["reference"]))


def at_intake(session: Session, actor: Actor, shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`possible` for a complaint that has just been taken in, as it is shown; of the latest candidates, for whoever took it
    in waits. Asks nothing where there is nothing to find others by.
    """
    known = shown["customer_id"] or shown["external_id"]
    if not known and not any(person["email"] or person["phone"] for person in shown["people"]):
        return []
    return possible(session, actor, shown["id"], days=WINDOW_DAYS, most=AT_INTAKE)[:SHOWN_AT_INTAKE]


def _judged(mine: Any, text: frozenset[str], other: Any) -> dict[str, Any] | None:
    theirs = words(other.text)
    alike = likeness(text, theirs)
    if alike < LEAST and not other.external_id:
        return None
    days = abs((mine.received_at - other.received_at).days)
    matches = [name for name in _KEYS if getattr(other, name)]
    score = alike * _TEXT // 100 + max((_KEYS[name] for name in matches), default=0)
    codes = set(mine.issue_codes or ()) & set(other.issue_codes or ()) - {None}
    score += (_ISSUE if codes else 0) + (_NEAR if days <= _NEAR_DAYS else 0)
    return {
        "id": other.id,
        "reference": other.reference,
        "record_type": other.record_type,
        "status": other.status,
        "subject": other.subject,
        "received_at": other.received_at,
        "team_id": other.team_id,
        "assignee_id": other.assignee_id,
        "score": min(100, score),
        "matches": [*matches, *(["issue"] if codes else [])],
        "likeness": alike,
        "shared_words": sorted(text & theirs, key=lambda word: (-len(word), word))[:_SHARED],
        "days_apart": days,
    }


def like_others(session: Session, complaint_ids: Sequence[UUID]) -> Iterator[tuple[UUID, str, int]]:
    """Of complaints that were just imported those that are like another one of their customer: id, reference and how alike
    (0 to 100). One statement for all of them.
    """
    best: dict[UUID, tuple[str, int]] = {}
    for row in duplicate_queries.of_same_customers(session, complaint_ids, days=WINDOW_DAYS, most=_PER_IMPORTED):
        alike = likeness(words(row.text), words(row.other_text))
        if alike >= LEAST and alike > best.get(row.id, ("", 0))[1]:
            best[row.id] = (row.reference, alike)
    for complaint_id, (reference, alike) in best.items():
        yield complaint_id, reference, alike


_PER_IMPORTED: Final = 5
