"""Making an evidence pack, as a job, and the sweep for those whose time is over.

The texts are read in one snapshot and written at once; then the files, with no transaction open; then one short transaction
in which the pack becomes ready and the job ends. A worker that dies on the way leaves a file that nobody knows, which is
swept; the next one begins anew, and of two that come to the end one finds the job ended.
"""

from typing import Final, Protocol
from uuid import UUID

import structlog

from helpdesk.complaints import evidence, evidence_contents, evidence_queries
from helpdesk.complaints.evidence_contents import End, Parts
from helpdesk.complaints.evidence_models import Evidence
from helpdesk.complaints.evidence_pack import Pack
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, files, jobs, outbox
from helpdesk.kernel.storage import Store
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()

TOPIC: Final = evidence.TOPIC
BATCH: Final = 500
WRITTEN: Final = "evidence.written"
BEFORE_COMMIT: Final = "evidence.before_commit"
FAULT_POINTS: Final = (WRITTEN, BEFORE_COMMIT)


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...

    @property
    def store(self) -> Store: ...

    @property
    def evidence(self) -> Parts: ...


class _NotWanted(Exception):
    """The job was cancelled."""


def build(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The handler of `TOPIC`. Safe to run twice, at once, and on a job that has ended."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        wanted = jobs.start(uow.session, job_id) is not None
        pack = evidence_queries.pack_of_job(uow.session, job_id)
    if not wanted or pack is None:
        _close(tools.database, duty_id, job_id)
        return
    file_id = files.reserve(tools.database, SYSTEM)
    kept = False
    try:
        written = _write(tools, pack, job_id, file_id)
        faults.point(WRITTEN)
        kept = _settle(tools.database, duty_id, pack, file_id, written)
    except _NotWanted:
        _close(tools.database, duty_id, job_id)
    finally:
        if not kept:
            files.discard(tools.database, SYSTEM, tools.store, file_id)


def _write(tools: Tools, asked: Evidence, job_id: UUID, file_id: UUID) -> tuple[Pack, End]:
    with tools.store.writing(file_id.hex) as sink:
        about = {
            "complaint_id": str(asked.complaint_id),
            "evidence_id": str(asked.id),
            "asked_at": asked.created_at,
            "reason": asked.reason,
        }
        with Pack(sink, asked.created_at, about) as pack:
            with tools.database.snapshot() as session:
                end = evidence_contents.write_texts(pack, session, asked, tools.evidence)
                attached = evidence_contents.attachments_of(session, asked)
            for row in attached:
                if row["file_id"] is not None:
                    _still_wanted(tools.database, job_id)
                    pieces = tools.store.reading(row["file_id"].hex)
                    try:
                        pack.add(row["path"], pieces, row["type"])
                    finally:
                        pieces.close()
            evidence_contents.add_attachment_list(pack, attached)
        sink.finish()
    return pack, end


def _still_wanted(database: Database, job_id: UUID) -> None:
    with database.reader() as session:
        if not jobs.is_wanted(session, job_id):
            raise _NotWanted


def _settle(database: Database, duty_id: UUID, asked: Evidence, file_id: UUID, written: tuple[Pack, End]) -> bool:
    """Whether the pack is the one. Not when the job was cancelled, or another worker was quicker."""
    pack, end = written
    with database.unit_of_work(SYSTEM) as uow:
        complaint, row = evidence_queries.pack_for_update(uow.session, asked.complaint_id, asked.id)
        wanted = jobs.start(uow.session, asked.job_id) is not None and row.state == "building"
        if wanted:
            evidence.made(
                uow,
                complaint,
                row,
                file_id=file_id,
                size=pack.size,
                sha256=pack.sha256,
                entries=len(pack.entries),
                end=end,
            )
            result = {"evidence_id": str(row.id), "size": pack.size, "sha256": pack.sha256}
            jobs.end(uow.session, asked.job_id, "done", result=result)
        else:
            evidence.fail(row)
        outbox.mark_done(uow.session, duty_id)
        uow.finish()
        faults.point(BEFORE_COMMIT)
    return wanted


def _close(database: Database, duty_id: UUID, job_id: UUID) -> None:
    """The job has ended without us: so has its pack."""
    with database.unit_of_work(SYSTEM) as uow:
        pack = evidence_queries.pack_of_job(uow.session, job_id)
        if pack is not None:
            evidence.fail(pack)
        outbox.mark_done(uow.session, duty_id)


def give_up(uow: UnitOfWork, job_id: UUID, reason: str) -> None:
    """The duty is dead."""
    jobs.give_up(uow, job_id, reason)
    pack = evidence_queries.pack_of_job(uow.session, job_id)
    if pack is not None:
        evidence.fail(pack)


def expire_packs(database: Database) -> int:
    """The sweep: end the packs whose time is over; how many."""
    with database.reader() as session:
        over = evidence_queries.over(session, BATCH)
    count = 0
    for complaint_id, evidence_id in over:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                complaint, pack = evidence_queries.pack_for_update(uow.session, complaint_id, evidence_id)
                if evidence_queries.still_over(uow.session, evidence_id):
                    evidence.expire(uow, complaint, pack)
                    count += 1
        except Exception:
            log.exception("sweep skipped an evidence pack", evidence=str(evidence_id))
    return count
