"""`helpdesk sla simulate`: what policies would have promised, and which of it would have been kept."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.sla import case_queries, queries
from helpdesk.sla.business_time import BusinessTimeError
from helpdesk.sla.case_reading import KINDS, OURS, Problem, Reading
from helpdesk.sla.policy_file import UnusablePolicies, read_policies
from helpdesk.sla.policy_spec import Policies
from helpdesk.sla.simulating import STATES, Case, Simulation

DATABASE: Final = "DB"
_OURS_OF: Final = {kind: name for name, kind in KINDS.items()}
_TOLD: Final = 100
"""How many of the bad lines the answer names; the others are counted."""


_HELP: Final = """Replay complaints through POLICIES, a TOML file in the format of the shipped policy, and tell which promises would
have been kept, by target, severity and team.

\b
FILE is CSV with a header, or JSON Lines (*.jsonl, *.ndjson), with the columns
  received              needed
  acknowledged, first_replied, investigated, resolved, followed_up
                        when that was done; blank where it was not (or called as
                        the targets are: acknowledge, first_response ...)
  ended                 when it was withdrawn or dismissed
  severity, tier, team  S1 ... S5; a customer's tier; any name
  pauses                from/to;from/to (JSON: [[from, to], ...]); an open end is
                        left out
  category, channel, tags ...
                        whatever the conditions of the policies ask for

Others are passed over, and named. Times are RFC 3339, or local with --time-zone, and none lies in the future. Bad lines are told by
their numbers, and the rest go on; the exit status is 1 where every line was one.

A promise is judged where the file has the column for it; what is not done is open, and outside of `kept`, unless --as-of says by
when it is broken (of a file; of the database that is now). What is resolved keeps every promise but the follow-up. Of the database each
complaint's first round is replayed.
"""


@click.command(help=_HELP)
@click.argument("policies", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "source", required=True, metavar="FILE|DB", help="A file of complaints, or DB: the database's.")
@click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="What a column is called in the file.")
@click.option("--time-zone", "zone", help="Where the file's times without an offset are.")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), default="S3", show_default=True, help="Of lines that say none."
)
@click.option(
    "--as-of", metavar="TIME", help="What is not done and was due by then is broken.  [DB: now; FILE: it is open]"
)
@click.option("--since", metavar="TIME", help="Only what was received at or after.")
@click.option("--json", "as_json", is_flag=True, help="The numbers as JSON, instead of a table.")
@click.pass_context
def simulate(context: click.Context, /, policies: Path, source: str, *, as_json: bool, **given: Any) -> None:
    """See `_HELP`."""
    found = _policies(policies)
    as_of, since = _time(given["as_of"], "--as-of"), _time(given["since"], "--since")
    problems: list[Problem] = []
    passed_over = set[str]()
    if source == DATABASE:
        with context.obj().database.snapshot() as session:
            simulation = Simulation(found, as_of or queries.clock_time(session))
            refused = _take(simulation, ((0, case) for case in case_queries.cases(session, since)), None, problems)
    else:
        simulation = Simulation(found, as_of)
        refused = _take(simulation, _read(Path(source), given, passed_over), since, problems)
    told = simulation.told() | {
        "refused": refused,
        "problems": [{"line": problem.line, "detail": problem.detail} for problem in problems],
        "passed_over": sorted(passed_over),
    }
    if passed_over:
        click.echo(f"columns passed over: {', '.join(sorted(passed_over))}", err=True)
    for problem in problems:
        click.echo(f"line {problem.line}: {problem.detail}", err=True)
    click.echo(
        json.dumps(told, ensure_ascii=False) if as_json else "\n".join(_table(told, dated=simulation.as_of is not None))
    )
    if refused and not simulation.cases:
        context.exit(1)


def _policies(path: Path) -> Policies:
    try:
        return read_policies(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, UnusablePolicies) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _time(written: str | None, option: str) -> datetime | None:
    try:
        return None if written is None else parse_rfc3339(written)
    except (ValueError, OverflowError) as error:
        raise click.ClickException(f"{option}: {error}") from error


def _take(
    simulation: Simulation,
    found: Iterable[tuple[int, Case | Problem]],
    since: datetime | None,
    problems: list[Problem],
) -> int:
    """How many were refused; the first of them go to `problems`."""
    refused = 0
    for number, one in found:
        problem = one
        if isinstance(one, Case):
            if since is not None and one.received < since:
                continue
            try:
                simulation.take(one)
            except BusinessTimeError as error:
                problem = Problem(number, str(error))
            else:
                continue
        refused += 1
        if len(problems) < _TOLD and isinstance(problem, Problem):
            problems.append(problem)
    return refused


def _read(path: Path, given: Mapping[str, Any], passed_over: set[str]) -> Iterator[tuple[int, Case | Problem]]:
    pairs = [column.split("=", 1) for column in given["columns"] if "=" in column]
    columns = {_OURS_OF.get(ours, ours): theirs for ours, theirs in pairs}
    if len(columns) != len(given["columns"]):
        raise click.ClickException("--column: write OURS=THEIRS, for example received='Date received', each once")
    unknown = sorted(set(columns) - set(OURS))
    if unknown:
        raise click.ClickException(f"--column: nothing is read from {unknown[0]!r}; OURS is one of {', '.join(OURS)}")
    now = datetime.fromtimestamp(time.time(), UTC)  # a file is read without the database, which says it elsewhere
    reading = Reading(columns, given["severity"], now, _zone(given["zone"]), passed_over)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            yield from reading.jsonl(lines) if path.suffix in {".jsonl", ".ndjson"} else reading.csv(lines)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.ClickException(f"--time-zone: there is no time zone {name!r}") from error


_HEAD: Final = ("target", "severity", "team", "promised", *STATES, "kept", "median", "p90")


def _table(told: Mapping[str, Any], *, dated: bool) -> Iterator[str]:
    """`dated`: whether it was said, or is known, by when what is not done is broken."""
    rows = [_row(item, item["severity"], item["team"] or "-") for item in told["items"]]
    rows += [_row(item, "all", "all") for item in told["totals"]]
    widths = [max(len(row[place]) for row in (_HEAD, *rows)) for place in range(len(_HEAD))]
    for row in (_HEAD, *rows):
        cells = [
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    yield f"{told['cases']} complaints replayed, {told['refused']} lines refused."
    if not dated and any(item["open"] for item in told["totals"]):
        yield "What is not done is open, however old, and outside of kept: --as-of TIME says by when it is broken."


def _row(item: Mapping[str, Any], severity: str, team: str) -> Sequence[str]:
    share = "-" if item["percentage"] is None else f"{item['percentage']} %"
    counts = [str(item[name]) for name in ("promised", *STATES)]
    return (item["kind"], severity, team, *counts, share, _span(item["median_seconds"]), _span(item["p90_seconds"]))


def _span(seconds: int | None) -> str:
    """Business hours and minutes."""
    return "-" if seconds is None else f"{seconds // 3600}:{seconds % 3600 // 60:02d}"
