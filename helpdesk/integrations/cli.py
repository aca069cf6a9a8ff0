"""`helpdesk import complaints FILE --mapping cfpb`: the same import as by the API, of a file that is here already.

Exit code 0: every record was taken in or known; 1: some were rejected (see the report); 2: the file or the mapping cannot
be used; 3: interrupted by a failure or cancelled, the same command goes on where it stopped.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol
from uuid import UUID

import click
import orjson
import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from helpdesk.identity.actors import SYSTEM
from helpdesk.integrations import importing, queries, service
from helpdesk.integrations.errors import ImportedBefore, UnusableFile, UnusableMapping
from helpdesk.integrations.mapping import FileMapping, load_mapping
from helpdesk.integrations.reading import FileFacts, examine
from helpdesk.kernel.unit_of_work import Database
from helpdesk.taxonomy.code_maps import words_from

_REPORT_PAGE: Final = 1000
_LINE_SECONDS: Final = 5.0
_PATIENCE: Final = 2.0


class Program(Protocol):
    """What the command needs of the assembled program; `ctx.obj` is a callable that gives it."""

    @property
    def database(self) -> Database: ...

    @property
    def engine(self) -> Engine: ...


class Unusable(click.ClickException):
    exit_code = 2


class Interrupted(click.ClickException):
    exit_code = 3


@click.group(name="import")
def imports() -> None:
    """Take in files from other systems."""


@imports.command(name="complaints")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mapping", "mapping_name", required=True, help="A shipped mapping (cfpb, generic, generic_jsonl) or a .toml file."
)
@click.option("--dry-run", is_flag=True, help="Check everything and take nothing in.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write one JSON line per record not taken in.",
)
@click.option(
    "--batch", default=importing.BATCH, show_default=True, type=click.IntRange(1, 5000), help="Records per transaction."
)
@click.option("--again", is_flag=True, help="Import a file without external ids once more.")
@click.option("--route", is_flag=True, help="Have each complaint routed to a team and somebody there, afterwards.")
@click.pass_context
def import_complaints(
    ctx: click.Context,
    *,
    file: Path,
    mapping_name: str,
    dry_run: bool,
    report: Path | None,
    batch: int,
    again: bool,
    route: bool,
) -> None:
    """Import complaints from FILE. Interrupted, the same command goes on where it stopped."""
    try:
        program: Program = ctx.obj()
        with program.database.reader() as reader:
            mapping = load_mapping(mapping_name, words_from(reader))
        facts = examine(file, mapping.encodings)
    except (UnusableMapping, OSError) as error:
        raise Unusable(str(error)) from error
    gc.freeze()  # what is loaded by now stays; looking through it again and again took a tenth of the time
    try:
        with ExitStack() as stack:
            job_id, session = stack.enter_context(
                _taken_up(program.database, mapping, facts, file.name, dry_run=dry_run, again=again, route=route)
            )
            runner = importing.Runner(
                database=program.database,
                session=session,
                job_id=job_id,
                actor=SYSTEM,
                mapping=mapping,
                path=file,
                encoding=facts.encoding,
                batch_size=batch,
                tell=stack.enter_context(_shown_progress()),
            )
            runner.run()
            _finish(program.database, job_id, report)
    except ImportedBefore as error:
        raise Unusable(f"{error} Use --again to import it once more.") from error
    except UnusableFile as error:
        raise Unusable(str(error)) from error
    except (SQLAlchemyError, psycopg.Error) as error:
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise Interrupted(f"The database failed ({reason}). The same command goes on where it stopped.") from error


@contextmanager
def _taken_up(
    database: Database,
    mapping: FileMapping,
    facts: FileFacts,
    file_name: str,
    *,
    dry_run: bool,
    again: bool,
    route: bool,
) -> Iterator[tuple[UUID, Connection]]:
    """An import of this file that was interrupted, else a new one, held by us. Raises `UnusableFile`."""
    with database.reader() as reader:
        earlier = queries.interrupted(reader, checksum=facts.checksum, mapping=mapping.name, dry_run=dry_run)
    for job_id in earlier:
        with importing.hold(database.engine, job_id, patience=_PATIENCE) as session:
            if session is not None:
                click.echo("Going on with an import that was interrupted.", err=True)
                yield job_id, session
                return
    if earlier and not mapping.repeatable:
        raise UnusableFile("Another process is importing this file now.")
    with database.unit_of_work(SYSTEM) as uow:
        if not (dry_run or again or mapping.repeatable):
            service.refuse_doubling(uow, mapping=mapping.name, checksum=facts.checksum)
        job_id = service.create_local(
            uow, mapping=mapping.name, file_name=file_name, dry_run=dry_run, facts=facts, again=again, route=route
        )
    with importing.hold(database.engine, job_id) as session:
        if session is None:
            raise UnusableFile("Another process has taken up this import.")
        yield job_id, session


@contextmanager
def _shown_progress() -> Iterator[Callable[[importing.Progress], None]]:
    """One line rewritten in place on a terminal; elsewhere (a log, a pipe) a line of its own now and then."""
    terminal = sys.stderr.isatty()
    last = time.monotonic()

    def tell(progress: importing.Progress) -> None:
        nonlocal last
        if terminal:
            click.echo(f"\r\x1b[2K{_line(progress)}", err=True, nl=False)
        elif time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            click.echo(_line(progress), err=True)

    try:
        yield tell
    finally:
        if terminal:
            click.echo(err=True)


def _line(progress: importing.Progress) -> str:
    share = progress.done / progress.size if progress.size else 1.0
    left = "" if progress.remaining_seconds is None else f", {_duration(progress.remaining_seconds)} left"
    return f"{share:4.0%}  {progress.read} records, {progress.records_per_second:.0f}/s{left}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02} s"


def _finish(database: Database, job_id: UUID, report: Path | None) -> None:
    """Write the report, print the summary, and end with the exit code."""
    with database.reader() as session:
        job = queries.job_detail(session, SYSTEM, job_id)
    if report is not None:
        _write_report(database, job_id, report)
    for line in _summary(job):
        click.echo(line, err=True)
    if job["state"] == "failed":
        raise Unusable(str(job["error"]))
    if job["state"] == "cancelled":
        raise Interrupted("The import was cancelled.")
    if job["rejected"]:
        _leave(1)


def _leave(code: int) -> NoReturn:
    raise click.exceptions.Exit(code)


def _summary(job: dict[str, Any]) -> Iterator[str]:
    verb = "would be taken in" if job["dry_run"] else "taken in"
    yield (
        f"{job['records_read']} records read: {job['accepted']} {verb}, {job['skipped']} skipped (known before, or twice "
        f"in the file), {job['rejected']} rejected."
    )
    if job["rejected"]:
        yield f"With --report FILE each is named with its line; through the API: GET /imports/{job['id']}/rejections."
    if job["finished_at"] is not None and job["run_started_at"] is not None:
        seconds = (job["finished_at"] - job["run_started_at"]).total_seconds()
        yield f"{seconds:.1f} s, {job['records_per_second'] or 0:.0f} records/s. Import {job['id']}: {job['state']}."


def _write_report(database: Database, job_id: UUID, path: Path) -> None:
    """JSON Lines in the order of the file: one per rejected or doubled record, and one per line before the header."""
    with path.open("wb") as file, database.reader() as session:
        after = None
        while rows := queries.rejections_after(session, job_id, after, _REPORT_PAGE):
            for row in rows:
                shown = {name: row[name] for name in ("line", "outcome", "code", "detail", "excerpt")}
                file.write(orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE))
            after = (rows[-1]["line"], rows[-1]["id"])
