"""Running an import: batch after batch, each in one transaction with the position it brings the import to.

So a process that is killed anywhere leaves whole batches behind, and whoever runs the import next goes on at the recorded
position; nothing is lost and nothing comes in twice, external id or not. Three nets, from the inside out:

1. The position is part of the batch's transaction, and each batch checks that it begins where the last one ended.
2. One process runs an import: it holds a session-level advisory lock on a connection of its own.
3. `(source, external_id)` is unique. A batch that meets a record which another import has just written is done again with
   a fresh look at what is known.

Three things go on at once, since PostgreSQL computes on another core: one batch is read and checked, and up to two are
being written, each in a transaction of its own. The later one does everything but move the position, waits until the
earlier one is committed, moves the position and is committed: so the order holds, and if one fails the next never was.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

import structlog
from psycopg import errors as pg_errors
from sqlalchemy import Connection, Engine, func, text, update

from helpdesk.complaints import custom_fields, duplicates, intake, tagging
from helpdesk.integrations import queries, validation
from helpdesk.integrations.errors import UnusableFile
from helpdesk.integrations.events import ImportEnded, ImportStarted
from helpdesk.integrations.mapping import FileMapping
from helpdesk.integrations.models import ImportJob, ImportRejection
from helpdesk.integrations.reading import Position, Record, Refusal, open_csv, open_jsonl, read_csv, read_jsonl
from helpdesk.kernel import outbox
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.events import Principal
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.retrying import again, met_others
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()

BATCH: Final = 500
_BATCH_BYTES: Final = 8_388_608
"""A batch of long narratives ends here, so that it stays far below the statement timeout."""
_ATTEMPTS: Final = 6
_RENEW_SECONDS: Final = 5.0
_LEASE: Final = text("now() + interval '1 minute'")


class Overtaken(Exception):
    """Somebody else has moved this import on, or ended it; there is nothing more to do here."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. Bytes are of the file, counts of its records."""

    size: int
    done: int
    read: int
    accepted: int
    skipped: int
    rejected: int
    records_per_second: float
    remaining_seconds: float | None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A record that passed the API's rules. `given` is what intake takes."""

    line: int
    given: dict[str, Any]
    record: Record


@dataclass(frozen=True, slots=True)
class _Batch:
    begins: Position
    ends: Position
    read: int
    ready: Sequence[_Ready]
    report: Sequence[Mapping[str, Any]]
    """Rows of `import_rejection` for the others, without job."""

    @property
    def looks_for_customers(self) -> bool:
        return any((item.given.get("complainant") or {}).get("email") for item in self.ready)


@contextmanager
def hold(engine: Engine, job_id: UUID, *, patience: float = 0.0) -> Iterator[Connection | None]:
    """A session that runs this import as long as it lives; None when another one does, `patience` seconds long: the
    server may need a moment to notice that a process was killed.

    A connection of its own, apart from the pool: the lock, and the table of ids seen in this run, end with the session.
    """
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    try:
        end = time.monotonic() + patience
        while not (free := queries.take_import(connection, job_id)) and time.monotonic() < end:
            time.sleep(0.1)
        yield connection if free else None
    finally:
        connection.close()


@dataclass(slots=True)
class Runner:
    """One run of one import; make it while `hold` holds the job, and call `run` once.

    `duty_id`: the duty under which it runs, kept from being rung again meanwhile and settled at the end.
    """

    database: Database
    session: Connection
    job_id: UUID
    actor: Principal
    mapping: FileMapping
    path: Path
    encoding: str
    batch_size: int = BATCH
    duty_id: UUID | None = None
    tell: Callable[[Progress], None] = lambda _: None
    _began: float = 0.0
    _from: tuple[int, int] = (0, 0)
    _dry_run: bool = False
    _route: bool = False
    _renewed: float = 0.0

    def run(self) -> str:
        """Bring the import to its end and return its state: done, failed or cancelled. A failure of the database is
        raised, and the import can go on later; a file that cannot be used has failed for good.
        """
        try:
            start = self._begin()
            with self.path.open("rb") as file:
                self._all(file, start)
            return self._end("done")
        except Overtaken:
            return self._settle()
        except (UnusableFile, OSError) as error:
            return self._end("failed", str(error))

    def _begin(self) -> Position:
        with self.database.unit_of_work(self.actor) as uow:
            job = queries.locked_job(uow.session, self.job_id)
            if job.state not in {"queued", "running"}:
                raise Overtaken
            if self.path.stat().st_size != job.size_bytes:
                raise UnusableFile(f"The file has changed since: it had {job.size_bytes} bytes.")
            job.state = "running"
            job.started_at = job.started_at or uow.now
            job.run_started_at = job.progress_at = uow.now
            job.run_from_records, job.run_from_byte = job.records_read, job.byte_done
            uow.record(
                ImportStarted(
                    job_id=job.id,
                    mapping=job.mapping,
                    file_name=job.file_name,
                    dry_run=job.dry_run,
                    checksum=job.checksum or "",
                    records_done=job.records_read,
                )
            )
            start = Position(job.line_done, job.byte_done)
            self._from, self._dry_run = (job.records_read, job.byte_done), job.dry_run
            self._route = job.route
        self.session.execute(
            text("CREATE TEMP TABLE import_seen (source text, external_id text, PRIMARY KEY (source, external_id))")
        )
        self._began = self._renewed = time.monotonic()
        return start

    def _all(self, file: BinaryIO, start: Position) -> None:
        opening = (
            open_csv(file, self.encoding, self.mapping.header) if self.mapping.format == "csv" else open_jsonl(file)
        )
        first = start.byte == 0
        begins = opening.start if first else start
        items = (
            read_csv(file, self.encoding, opening.columns, begins)
            if self.mapping.format == "csv"
            else read_jsonl(file, self.encoding, begins)
        )
        notes = [
            _report(line, "note", "preamble", "Before the header; not read.", text) for line, text in opening.preamble
        ]
        if first:
            self._write(_Batch(start, begins, 0, [], notes), {}, None)  # with the position, so that it is said once
        self._side_by_side(self._batches(items, begins))

    def _side_by_side(self, batches: Iterator[_Batch]) -> None:
        with ThreadPoolExecutor(1, "import-reader") as reader, ThreadPoolExecutor(2, "import-writer") as writers:
            coming = reader.submit(next, batches, None)
            earlier: Future[None] | None = None
            while (batch := coming.result()) is not None:
                coming = reader.submit(next, batches, None)
                later = writers.submit(self._write, batch, self._doubled(batch.ready), earlier)
                _wait(earlier)
                earlier = later
            _wait(earlier)

    def _batches(self, items: Iterable[Record | Refusal], begins: Position) -> Iterator[_Batch]:
        rows = iter(items)
        while chunk := list(_chunk(rows, begins, self.batch_size)):
            checked = [self._check(item) for item in chunk]
            ready = [found for found in checked if isinstance(found, _Ready)]
            report = [found for found in checked if not isinstance(found, _Ready)]
            yield _Batch(begins, chunk[-1].after, len(chunk), ready, report)
            begins = chunk[-1].after

    def _check(self, item: Record | Refusal) -> "_Ready | dict[str, Any]":
        if isinstance(item, Refusal):
            return _report(item.line, "rejected", item.code, item.detail, item.excerpt)
        mapped = self.mapping.apply(item.values)
        given, wrong = validation.load(mapped.payload)
        wrong = [{"pointer": f"/{it.name}", "code": it.code, "detail": it.detail} for it in mapped.problems] + wrong
        if wrong:
            detail = "; ".join(f"{it['pointer'].strip('/').replace('/', '.')}: {it['detail']}" for it in wrong)
            return _report(item.line, "rejected", wrong[0]["code"], detail, item.excerpt)
        given |= {"source_data": mapped.source_data or None, "clock_starts": mapped.clock_starts}
        return _Ready(item.line, given, item)

    def _write(self, batch: _Batch, doubled: Mapping[int, str], earlier: Future[None] | None) -> None:
        what = f"batch of import {self.job_id} from line {batch.begins.line}"
        shown = again(
            lambda: self._write_once(batch, doubled, earlier), what=what, attempts=_ATTEMPTS, worth=_worth_repeating
        )
        self.tell(shown)

    def _write_once(self, batch: _Batch, doubled: Mapping[int, str], earlier: Future[None] | None) -> Progress:
        if batch.looks_for_customers:
            _wait(earlier)  # which may bring the customers that this one looks for
        with self.database.unit_of_work(self.actor) as uow:
            fresh, skipped, report = _sort(uow, batch.ready, doubled)
            if not self._dry_run:
                given = tagging.in_many(uow, [item.given for item in fresh])
                ids = intake.receive_many(uow, given, route_later=self._route, imported=True)
                if batch.looks_for_customers:
                    uow.write()  # they are compared with what there is, and with each other
                    report += _like_others(uow, dict(zip(ids, fresh, strict=True)))
            rows = [*batch.report, *report]
            uow.add_rows(ImportRejection, [{"id": new_id(), "job_id": self.job_id, **row} for row in rows])
            uow.finish()  # all but the position is written while the batch before is still on its way
            _wait(earlier)
            job = queries.locked_job(uow.session, self.job_id)
            if job.state != "running" or job.byte_done != batch.begins.byte:
                raise Overtaken
            job.line_done, job.byte_done = batch.ends.line, batch.ends.byte
            job.records_read += batch.read
            job.accepted += len(fresh)
            job.skipped += skipped
            job.rejected += batch.read - len(fresh) - skipped
            job.progress_at = func.clock_timestamp()
            self._renew(uow)
            return self._progress(job, batch)

    def _doubled(self, ready: Sequence[_Ready]) -> dict[int, str]:
        """Lines of records whose external id came earlier in this run, with that id. Asked once for each batch, before
        any attempt to write it: the answer of a second attempt would be that all of them were seen.
        """
        pairs = [(it.given["source"], it.given["external_id"]) for it in ready if "external_id" in it.given]
        if not pairs:
            return {}
        statement = text(
            "INSERT INTO import_seen "
            "SELECT * FROM unnest(string_to_array(:sources, chr(31)), string_to_array(:ids, chr(31))) "
            "ON CONFLICT DO NOTHING RETURNING source, external_id"
        )
        sources, ids = (queries.UNIT.join(column) for column in zip(*pairs, strict=True))
        new = {(row[0], row[1]) for row in self.session.execute(statement, {"sources": sources, "ids": ids})}
        doubled = {}
        for item in ready:
            pair = (item.given.get("source"), item.given.get("external_id"))
            if pair[1] is None:
                continue
            if pair in new:
                new.remove(pair)
            else:
                doubled[item.line] = str(pair[1])
        return doubled

    def _renew(self, uow: UnitOfWork) -> None:
        """Keep the relay from ringing for this duty again. Getting on is an outcome: what went wrong before counts no more."""
        if self.duty_id is None or time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        self._renewed = time.monotonic()
        uow.session.execute(
            update(outbox.Duty)
            .where(outbox.Duty.id == self.duty_id)
            .values(next_at=_LEASE, attempts=1, begun=0, failures=0)
        )

    def _progress(self, job: ImportJob, batch: _Batch) -> Progress:
        seconds = max(time.monotonic() - self._began, 1e-6)
        size, done = job.size_bytes or 0, batch.ends.byte - self._from[1]
        left = (size - batch.ends.byte) * seconds / done if done > 0 else None
        rate = (job.records_read - self._from[0]) / seconds
        counts = (job.records_read, job.accepted, job.skipped, job.rejected)
        return Progress(size, batch.ends.byte, *counts, rate, left)

    def _end(self, state: str, error: str | None = None) -> str:
        with self.database.unit_of_work(self.actor) as uow:
            job = queries.locked_job(uow.session, self.job_id)
            if job.state in {"queued", "running"}:
                end(uow, job, state, error)
            self._mark_done(uow)
            return job.state

    def _settle(self) -> str:
        """Ended or taken over by somebody else: the duty is done when the import is."""
        with self.database.unit_of_work(self.actor) as uow:
            job = queries.locked_job(uow.session, self.job_id)
            if job.finished_at is not None:
                self._mark_done(uow)
            return job.state

    def _mark_done(self, uow: UnitOfWork) -> None:
        if self.duty_id is not None:
            outbox.mark_done(uow.session, self.duty_id)


def end(uow: UnitOfWork, job: ImportJob, state: str, error: str | None = None) -> None:
    """End a locked import that has not ended yet."""
    job.state, job.error, job.finished_at = state, error, uow.now
    uow.record(
        ImportEnded(
            job_id=job.id,
            mapping=job.mapping,
            file_name=job.file_name,
            dry_run=job.dry_run,
            state=state,
            accepted=job.accepted,
            skipped=job.skipped,
            rejected=job.rejected,
            error=error,
        )
    )


def _worth_repeating(error: Exception) -> bool:
    """Also where another import has just written a record that this one was to write: with a fresh look it is known."""
    return met_others(error, pg_errors.UniqueViolation, pg_errors.LockNotAvailable)


def _wait(earlier: Future[None] | None) -> None:
    """Until the batch before is committed. Raises what it raised: then there is no place for a later one."""
    if earlier is not None:
        earlier.result()


def _chunk(rows: Iterator[Record | Refusal], begins: Position, limit: int) -> Iterator[Record | Refusal]:
    for item in islice(rows, limit):
        yield item
        if item.after.byte - begins.byte >= _BATCH_BYTES:
            return


def _report(line: int, outcome: str, code: str, detail: str, excerpt: str) -> dict[str, Any]:
    return {"line": line, "outcome": outcome, "code": code, "detail": detail[:2000], "excerpt": excerpt}


def _sort(
    uow: UnitOfWork, ready: Sequence[_Ready], doubled: Mapping[int, str]
) -> tuple[list[_Ready], int, list[dict[str, Any]]]:
    """Records to take in, how many are skipped, and what there is to say about the others."""
    known = _known(uow, ready)
    own = custom_fields.prepare(uow, [item.given.get("custom_fields") or {} for item in ready])
    fresh, skipped, report = [], 0, []
    for item, values in zip(ready, own, strict=True):
        given = item.given
        if item.line in doubled:
            skipped += 1
            detail = f"The external id {doubled[item.line]!r} came before in this file."
            report.append(_report(item.line, "skipped", "duplicate_in_file", detail, item.record.excerpt))
        elif (given.get("source"), given.get("external_id")) in known:
            skipped += 1
        elif (future := _of_the_future(given, uow.now)) is not None:
            report.append(_report(item.line, "rejected", "future", future, item.record.excerpt))
        elif isinstance(values, ValidationFailed):
            first = values.errors[0]
            detail = f"{first['pointer'].strip('/').replace('/', '.')}: {first['detail']}"
            report.append(_report(item.line, "rejected", first["code"], detail, item.record.excerpt))
        else:
            fresh.append(replace(item, given={**given, "custom_fields": values}) if values.values else item)
    return fresh, skipped, report


def _like_others(uow: UnitOfWork, taken_in: Mapping[UUID, _Ready]) -> list[dict[str, Any]]:
    """A hint for each that is like another one of its customer. Which one, only its own page tells: whoever reads the report
    may not see everything.
    """
    hints = []
    for complaint_id, reference, alike in duplicates.like_others(uow.session, list(taken_in)):
        item = taken_in[complaint_id]
        detail = f"{reference} is like another complaint of the same customer ({alike} of 100)."
        hints.append(_report(item.line, "note", "possible_duplicate", detail, item.record.excerpt))
    return hints


def _of_the_future(given: Mapping[str, Any], now: datetime) -> str | None:
    """What is said to have happened after now. A deadline far ahead could not even be computed."""
    if "received_at" in given and given["received_at"] > now:
        return "received_at: A complaint cannot come from the future."
    late = [name for name, at in given["clock_starts"].items() if at > now]
    return f"clock_starts.{late[0]}: A deadline cannot begin in the future." if late else None


def _known(uow: UnitOfWork, ready: Sequence[_Ready]) -> set[tuple[Any, Any]]:
    by_source: dict[str, list[str]] = defaultdict(list)
    for item in ready:
        if "external_id" in item.given:
            by_source[item.given["source"]].append(item.given["external_id"])
    return {
        (source, external_id)
        for source, ids in by_source.items()
        for external_id in queries.known_ids(uow.session, source, ids)
    }
