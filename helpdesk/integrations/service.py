"""What one can do with imports: create one, give it its content, cancel it; and how the command line takes one up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.integrations import importing, queries
from helpdesk.integrations.errors import ContentReceived, ImportedBefore, ImportEnded
from helpdesk.integrations.mapping import load_mapping
from helpdesk.integrations.models import ENDED, ImportJob
from helpdesk.integrations.reading import FileFacts
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "integrations.import"


def folder(data_dir: Path) -> Path:
    """Where uploads lie. Shared by all processes, on whatever machine."""
    return data_dir / "imports"


def create(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> UUID:
    """An import that waits for its content. `given`: mapping, file_name, dry_run, again, route, perhaps size in bytes."""
    job = ImportJob(
        id=new_id(),
        created_at=uow.now,
        mapping=given["mapping"],
        file_name=given["file_name"],
        dry_run=given["dry_run"],
        again=given["again"],
        route=given["route"],
        size_bytes=given.get("size"),
        created_by=actor.id,
    )
    uow.session.add(job)
    return job.id


def check_open(job: ImportJob) -> None:
    """Raises `ImportEnded` or `ContentReceived` when the import can take no content."""
    if job.state in ENDED:
        raise ImportEnded(state=job.state)
    if job.checksum is not None:
        raise ContentReceived


def accept_content(uow: UnitOfWork, job: ImportJob, *, size: int, checksum: str) -> UUID:
    """The content of a locked import is complete; queue it. The caller has put the file in its place, or does so before
    the commit. The same content once more is no error, also when the import has ended, so that a repeated upload is
    harmless. Raises `ImportedBefore` for a file that another import takes in, where records may have no external id.
    """
    if job.checksum == checksum:
        return job.id
    check_open(job)
    if job.size_bytes is not None and job.size_bytes != size:
        detail = f"The content has {size} bytes; the import was created for {job.size_bytes}."
        raise ValidationFailed(detail, errors=[FieldError(header="Content-Length", code="size", detail=detail)])
    if not (job.dry_run or job.again or load_mapping(job.mapping).repeatable):
        refuse_doubling(uow, mapping=job.mapping, checksum=checksum)
    job.size_bytes, job.checksum = size, checksum
    uow.duty(TOPIC, job.id, dedupe_key=str(job.id))
    return job.id


def cancel(uow: UnitOfWork, job: ImportJob) -> UUID:
    """End a locked import where it stands; what it has taken in stays. A running one stops before its next batch."""
    if job.state in ENDED:
        raise ImportEnded(state=job.state)
    importing.end(uow, job, "cancelled")
    return job.id


def create_local(
    uow: UnitOfWork,
    *,
    mapping: str,
    file_name: str,
    dry_run: bool,
    facts: FileFacts,
    again: bool = False,
    route: bool = False,
) -> UUID:
    """An import of a file that is here already, from the command line."""
    job = ImportJob(
        id=new_id(),
        created_at=uow.now,
        mapping=mapping,
        file_name=file_name,
        dry_run=dry_run,
        again=again,
        route=route,
        checksum=facts.checksum,
        size_bytes=facts.size,
    )
    uow.session.add(job)
    return job.id


def refuse_doubling(uow: UnitOfWork, *, mapping: str, checksum: str) -> None:
    """Raises `ImportedBefore` for a file that was or is being taken in, where only its records' ids could tell. Who asks
    at the same time about the same file waits until this unit of work has ended.
    """
    earlier = queries.imported_before(uow.session, checksum=checksum, mapping=mapping)
    if earlier is not None:
        raise ImportedBefore(
            f"This file has been imported before, or is being imported now (import {earlier}), and with this mapping its "
            "records may have no external id by which they would be known again.",
            earlier_import_id=str(earlier),
        )
