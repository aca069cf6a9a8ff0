"""Scanning as a duty, and the sweeps: for what came while there was no scanner, and for what a virus was found in long ago."""

from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from helpdesk.complaints import attachment_queries as queries
from helpdesk.complaints import attachments
from helpdesk.complaints.attachment_models import Attachment
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.scanning import Finding, Scanner, ScanRefused
from helpdesk.kernel.storage import Store
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()

TOPIC: Final = attachments.SCAN
BATCH: Final = 500


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...

    @property
    def store(self) -> Store: ...

    @property
    def scanner(self) -> Scanner: ...


def scan(tools: Tools, duty_id: UUID, attachment_id: UUID) -> None:
    """The handler of `TOPIC`. Safe to run twice, and on an attachment that is redacted or scanned by now."""
    with tools.database.reader() as session:
        row = queries.file_to_scan(session, attachment_id)
    state, finding = "unscanned", None
    if row is not None and row.scan == "scanning" and row.file_id is not None and tools.scanner.configured:
        state, finding = _asked(tools, row.file_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        held = queries.attachment_by_id_for_update(uow.session, attachment_id)
        if held is not None and held.row.scan == "scanning" and held.row.file_id is not None:
            attachments.note_scan(uow, held, state, finding)
        outbox.settle(uow.session, duty_id)


def _asked(tools: Tools, file_id: UUID) -> tuple[str, Finding | None]:
    pieces = tools.store.reading(file_id.hex)
    try:
        finding = tools.scanner.scan(pieces)
    except ScanRefused as refused:
        log.warning("a file was not scanned", reason=str(refused))
        return "failed", None
    finally:
        pieces.close()
    return ("clean" if finding.signature is None else "infected"), finding


def give_up(uow: UnitOfWork, attachment_id: UUID, _reason: str) -> None:
    """The duty is dead: nobody knows whether the file is clean, so it is not given out."""
    held = queries.attachment_by_id_for_update(uow.session, attachment_id)
    if held is not None and held.row.scan == "scanning":
        attachments.note_scan(uow, held, "failed")


KEPT_FOR: Final = "A virus was found in it; such files are kept for {days} days."


def delete_infected(database: Database, days: int) -> int:
    """The sweep: what nobody can have, and nobody has decided about in all that time, goes as if it were redacted, with an
    event that says so; how many. `days` 0: they stay.
    """
    if days == 0:
        return 0
    age = timedelta(days=days)
    with database.reader() as session:
        over = queries.infected_since(session, age, BATCH)
    count = 0
    for attachment_id in over:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                held = queries.attachment_by_id_for_update(uow.session, attachment_id)
                if held is not None and _is_over(held.row, uow.now - age):
                    attachments.redact(uow, SYSTEM, held, KEPT_FOR.format(days=days))
                    count += 1
        except Exception:
            log.exception("sweep skipped an attachment", attachment=str(attachment_id))
    return count


def _is_over(row: Attachment, before: datetime) -> bool:
    return row.scan == "infected" and row.redacted_at is None and row.scanned_at is not None and row.scanned_at < before


def scan_unscanned(database: Database) -> int:
    """Once a scanner is configured: have scanned what came before. How many were sent to it."""
    with database.reader() as session:
        waiting = queries.to_be_scanned(session, BATCH)
    count = 0
    for attachment_id in waiting:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                held = queries.attachment_by_id_for_update(uow.session, attachment_id)
                if held is not None and held.row.scan == "unscanned" and held.row.redacted_at is None:
                    attachments.scan_anew(uow, held, scanned=True)
                    count += 1
        except Exception:
            log.exception("sweep skipped an attachment", attachment=str(attachment_id))
    return count
