from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityLimitsSet(Event):
    """A version of the whole table. `changes`: field -> [before, after], against what would hold at `valid_from` without it."""

    type: ClassVar[str] = "authority.limits_set"
    limits_id: UUID
    number: int
    valid_from: str
    reason: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.limits_id
