from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEvent(Event):
    job_id: UUID
    mapping: str
    file_name: str
    dry_run: bool

    @property
    def subject_id(self) -> UUID:
        return self.job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportStarted(ImportEvent):
    """Said again when an import goes on after an interruption, with the number of records it had done by then."""

    type: ClassVar[str] = "import.started"
    checksum: str
    records_done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEnded(ImportEvent):
    """`state`: done, failed or cancelled."""

    type: ClassVar[str] = "import.ended"
    state: str
    accepted: int
    skipped: int
    rejected: int
    error: str | None
