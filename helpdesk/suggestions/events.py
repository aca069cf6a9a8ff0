from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryModelTrained(Event):
    """A new version is in use. `held_out`, `right`: complaints that it was tried on, and those whose category it guessed."""

    type: ClassVar[str] = "category_model.trained"
    model_id: UUID
    version: int
    job_id: UUID
    trained_by: UUID | None
    examples: int
    words: int
    held_out: int
    right: int

    @property
    def subject_id(self) -> UUID:
        return self.model_id
