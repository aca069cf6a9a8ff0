from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FormEvent(Event):
    """`changes`: field -> [before, after]. Keys are public."""

    form_id: UUID
    name: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.form_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCreated(FormEvent):
    type: ClassVar[str] = "intake_form.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormChanged(FormEvent):
    type: ClassVar[str] = "intake_form.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormKeyRotated(FormEvent):
    type: ClassVar[str] = "intake_form.key_rotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionDecided(Event):
    """What a form's trap had caught was taken in after all, or thrown away. What stood in it is not told here."""

    type: ClassVar[str] = "intake_form.submission_decided"
    submission_id: UUID
    form_id: UUID
    reference: str
    decision: str

    @property
    def subject_id(self) -> UUID:
        return self.submission_id
