"""What an act changed, told by comparison: before and after of every column that is anybody's business.

An act does not list what it touches; it is watched. So a column that is added later is in the timeline from its first
change on, and only a column that must not be there has to be named, below, with its reason.
"""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint, Issue
from helpdesk.kernel.differences import Changes, differences
from helpdesk.kernel.schemas import json_safe

UNTOLD: Final = frozenset(
    {
        "id",
        "created_at",
        "version",  # counts the changes
        "updated_at",  # is the event's own time
        "event_count",  # the chain itself
        "event_head",
        "transition_count",  # the transition is the event
        "terms",  # made of tags, whose names are told
        "awaits_agent",  # is what routing remembers of its decision, which is told
        "required_skills",
        "assigned_at",  # is the time of the assignment's event
        "next_due_at",  # follows from the clocks, which have events of their own
        "text_salt",  # of digests, which are told
        "tracking_hash",  # of what opens it; `tracking_number` says that there is a new one
    }
)
"""Columns of a complaint whose changes no event tells."""

TOLD: Final = tuple(column.key for column in Complaint.__table__.columns if column.key not in UNTOLD)
_OF_ISSUE: Final = tuple(column.key for column in Issue.__table__.columns if column.key not in {"id", "complaint_id"})


def values_of(complaint: Complaint) -> dict[str, Any]:
    """To be handed to `since` after the act."""
    return {name: getattr(complaint, name) for name in TOLD}


def since(before: dict[str, Any], complaint: Complaint) -> Changes:
    return differences(before, values_of(complaint))


def born(row: dict[str, Any], *names: str) -> Changes:
    """Of a row that was not there before: what is known of it."""
    return {name: json_safe([None, row[name]]) for name in names if row.get(name) is not None}


class Watch:
    """A locked complaint and its issues, watched from now on.

    Issues are not loaded for it: those that the act loads come with what they were in the database, and those that an
    earlier act of the same transaction has changed are looked at now.
    """

    def __init__(self, session: Session, complaint: Complaint) -> None:
        self._session = session
        self._complaint = complaint
        self._before = values_of(complaint)
        self._issues = {issue.id: _values(issue) for issue in self._loaded()}

    def _loaded(self) -> Iterator[Issue]:
        for row in self._session.identity_map.values():
            if isinstance(row, Issue) and row.complaint_id == self._complaint.id:
                yield row

    def changes(self) -> Changes:
        return since(self._before, self._complaint)

    def issue_changes(self) -> dict[str, Changes]:
        """Issue id -> its changes; only of those that have any."""
        found: dict[UUID, Changes] = {
            issue.id: differences(self._issues.get(issue.id) or _as_loaded(issue), _values(issue))
            for issue in self._loaded()
        }
        return {str(issue_id): changes for issue_id, changes in found.items() if changes}


def _values(issue: Issue) -> dict[str, Any]:
    return {name: getattr(issue, name) for name in _OF_ISSUE}


def _as_loaded(issue: Issue) -> dict[str, Any]:
    attributes = inspect(issue).attrs
    found = {}
    for name in _OF_ISSUE:
        history = attributes[name].history
        found[name] = (history.deleted or history.unchanged or [None])[0]
    return found
