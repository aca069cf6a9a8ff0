"""What happens between complaints: links, merges, splits."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.complaints.events import ComplaintEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEvent(ComplaintEvent):
    """`kind`: what the complaint is to the other one. `changes`: of the complaint."""

    link_id: UUID
    kind: str
    other_id: UUID
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintLinked(LinkEvent):
    type: ClassVar[str] = "complaint.linked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintUnlinked(LinkEvent):
    type: ClassVar[str] = "complaint.unlinked"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateEvent(ComplaintEvent):
    """On the survivor of a merge. `changes`: of the survivor; `moved`: table -> how many rows came, or went back."""

    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    merge_id: UUID
    source_id: UUID
    source_reference: str
    changes: dict[str, list[Any]]
    moved: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateMerged(DuplicateEvent):
    """A duplicate was merged into this complaint. `one_customer`: both are the same customer's, as it was before.
    `message_texts`: digests of the message that repeats what the duplicate said, by its id; `message_facts`: what else is known
    of it.
    """

    type: ClassVar[str] = "complaint.duplicate_merged"
    one_customer: bool
    source_record_type: str
    message_texts: dict[str, dict[str, str]] = field(default_factory=dict)
    message_facts: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateParted(DuplicateEvent):
    """That merge was undone. `waited`: since when and until when (null: still) the complainant of this one was waited for, although that of
    the other one had written meanwhile.
    """

    type: ClassVar[str] = "complaint.duplicate_parted"
    waited: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintRedirected(ComplaintEvent):
    """On a duplicate: the complaint in which it goes on was merged itself, or that was undone."""

    type: ClassVar[str] = "complaint.redirected"
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintSplit(ComplaintEvent):
    """Part of it goes on by itself. `changes`: of the complaint; messages are named by their ids, those that were copied by
    the ids they have here.
    """

    type: ClassVar[str] = "complaint.split"
    new_id: UUID
    new_reference: str
    issue_ids: list[str]
    moved_messages: list[str]
    copied_messages: list[str]
    reason: str
    changes: dict[str, list[Any]]
