"""What happens to the people of a complaint, and to what is known of their needs."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.complaints.events import ComplaintEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAdded(ComplaintEvent):
    """`changes`: field -> [null, what is known]."""

    type: ClassVar[str] = "complaint.person_added"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    person_id: UUID
    role: str
    changes: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChanged(ComplaintEvent):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "complaint.person_changed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    person_id: UUID
    role: str
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRemoved(ComplaintEvent):
    """`changes`: field -> [what was known, null]."""

    type: ClassVar[str] = "complaint.person_removed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    person_id: UUID
    role: str
    changes: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedRecorded(ComplaintEvent):
    """`changes`: field of the need -> [null, what is known]; `complaint_changes`: of the complaint."""

    type: ClassVar[str] = "complaint.need_recorded"
    personal: ClassVar[frozenset[str]] = frozenset({"flag", "changes"})
    need_id: UUID
    flag: str
    changes: dict[str, list[Any]] = field(default_factory=dict)
    complaint_changes: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedEnded(ComplaintEvent):
    """What the need was is not said once more: consent may have been taken back. `changes`: whether there was consent,
    and when it was to end; `complaint_changes`: of the complaint.
    """

    type: ClassVar[str] = "complaint.need_ended"
    need_id: UUID
    changes: dict[str, list[Any]] = field(default_factory=dict)
    complaint_changes: dict[str, list[Any]] = field(default_factory=dict)
