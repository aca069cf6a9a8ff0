from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from uuid import UUID

from helpdesk.kernel.events import Event

RENAMED: Final = "renamed"
MERGED: Final = "merged"
OF_VOCABULARY: Final = frozenset({RENAMED, MERGED})
"""Why a complaint shows other tags though nobody changed those that it carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintTagged(Event):
    """Tags were put on a complaint or taken off. `changes`: tags -> [before, after]. `because`: null where somebody did it;
    `renamed` or `merged` where it followed from a change of the vocabulary.
    """

    type: ClassVar[str] = "complaint.tagged"
    complaint_id: UUID
    reference: str
    because: str | None
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id

    @property
    def follows_vocabulary(self) -> bool:
        return self.because in OF_VOCABULARY


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEvent(Event):
    tag_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.tag_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCreated(TagEvent):
    """`by_use`: nobody defined it, somebody used it."""

    type: ClassVar[str] = "tag.created"
    name: str
    colour: str | None
    description: str | None
    by_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChanged(TagEvent):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "tag.changed"
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagMerged(TagEvent):
    """From now on the tag is `into`, also for whoever writes its old name."""

    type: ClassVar[str] = "tag.merged"
    name: str
    into_id: UUID
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDeleted(TagEvent):
    """`also`: names that led to it, and go with it."""

    type: ClassVar[str] = "tag.deleted"
    name: str
    also: list[str] = field(default_factory=list)
