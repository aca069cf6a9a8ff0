"""`helpdesk sla`: promises about time, from the command line. Knows no database, so that it starts quickly."""

import json
import sys
from collections.abc import Iterator
from typing import IO, Final

import click

from helpdesk.sla.computing import MAX_LINE_BYTES, answer

_PIECE: Final = 65_536


@click.group()
def sla() -> None:
    """Promises about time."""


@sla.command()
@click.argument("files", nargs=-1, type=click.Path())
def compute(files: tuple[str, ...]) -> None:
    r"""Deadlines of JSON Lines, without a database: one answer for each line of FILES (or of the standard input, also `-`).

    \b
    {"id": 1,                                          echoed; may be left out
     "timezone": "Europe/London",                      an IANA name
     "weekly_hours": {"mon": [["09:00", "17:00"]]},    local time; an end not after its start is next morning
     "holidays": ["2026-12-25"],                       may be left out
     "working_days": {"2026-02-14": "mon"},            make-up days and whose hours they have; may be left out
     "start": "2026-12-24T16:00:00Z",                  RFC 3339
     "target": {"amount": 90, "unit": "minutes"},      or business_days, calendar_days, weeks
     "pauses": [["2026-12-24T16:10:00Z", null]],       null: still paused; may be left out
     "conventions": {...}}                             may be left out

    \b
    conventions, the defaults first:
      boundary       earliest | next_opening           a target used up at closing (minutes)
      business_day   close_of_nth_day | same_time_nth_day | end_of_nth_day
      calendar_day   end_of_nth_day | same_time        calendar days and weeks
      pausable       true | false                      calendar days and weeks never pause

    The answer is {"id", "due_at", "segments": [{"kind": "counted|paused|closed", "from", "to", "seconds"}]}. While the
    clock is still paused `due_at` is null and `remaining_seconds` says what is left. With "end" instead of "target" it is
    {"id", "elapsed_seconds"}: business seconds outside the pauses.

    A line that has no answer is answered by {"id", "error": {"code", "detail", "line", "pointer"}}, and the rest go on.
    Empty lines are passed over. The exit status is 0, also with bad lines; 1 only where a file cannot be read.
    """
    output = sys.stdout.buffer
    unread = False
    for name in files or ("-",):
        try:
            _answer_all(name, output, named=len(files) > 1)
        except BrokenPipeError:
            # The reader has enough. What is buffered goes nowhere, or Python would complain when it exits.
            sys.stdout = None
            sys.exit(0)
        except OSError as error:
            click.echo(f"{name}: {error.strerror or error}", err=True)
            unread = True
    sys.exit(1 if unread else 0)


def _answer_all(name: str, output: IO[bytes], *, named: bool) -> None:
    with click.open_file(name, "rb") as stream:
        for number, line in enumerate(_lines(stream), start=1):
            found = answer(line, number)
            if found is None:
                continue
            if named and "error" in found:
                found["error"]["file"] = name
            output.write(json.dumps(found, separators=(",", ":")).encode() + b"\n")
            output.flush()  # whoever asks line by line waits for the answer


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Each line, cut a byte beyond the longest that is looked at, however long it is."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(_PIECE)):
            pass
        yield line
