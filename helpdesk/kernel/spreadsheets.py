"""Tables for spreadsheets: CSV (RFC 4180) that no spreadsheet takes for more than text.

A cell that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet, and what people wrote may begin with one (OWASP, "CSV
Injection"). An apostrophe before it makes it text; so does it for a tab, a carriage return and a line feed, which some skip.
Numbers are ours, and stay numbers.
"""

import csv
from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from typing import Any, Final

from helpdesk.kernel.clock import rfc3339

BOM: Final = "\ufeff"
"""Before the first line: without it a well-known spreadsheet reads UTF-8 as something else."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # some fold the wide ones


def harmless(value: Any) -> str:
    """A cell's text."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    text = rfc3339(value) if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) or text.startswith(_FORMULA) else text


def line(cells: Sequence[Any]) -> str:
    """One record, with its end."""
    written = StringIO()
    csv.writer(written).writerow([harmless(cell) for cell in cells])
    return written.getvalue()
