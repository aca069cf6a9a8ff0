"""The taxonomy that holds now, as this process knows it.

Every process keeps a copy. Whoever opens a session through `unit_of_work.Database` has it compared with the database first,
at most once a second (`look`): so a payload is checked, and a complaint judged, without a statement of its own, and a change
holds in every process (web, worker, import) within a second. Until then something may still be given a code that was just
retired, which is as if it had come a second earlier; a code that nobody knows is never taken.
"""

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from helpdesk.taxonomy import queries
from helpdesk.taxonomy.terms import Taxonomy, shipped

LOOKED_FOR_AGAIN: Final = 1.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Of the database at `url`. Frozen and replaced as a whole, since every thread reads it."""

    url: Any
    until: float
    taxonomy: Taxonomy


_kept: _Kept | None = None


def in_force() -> Taxonomy:
    """As it was when this process looked last; what is shipped where it never did."""
    kept = _kept
    return shipped() if kept is None else kept.taxonomy


def look(session: Session) -> None:
    """Compare the copy with the database, where that was not done within the last second. For `Database`."""
    global _kept  # noqa: PLW0603  # one copy for the process
    bind = session.get_bind()
    url = (bind if isinstance(bind, Engine) else bind.engine).url
    kept = _kept
    if kept is not None and kept.url == url and monotonic() < kept.until:
        return
    until = monotonic() + LOOKED_FOR_AGAIN
    known = kept.taxonomy if kept is not None and kept.url == url else None
    row = queries.newest(session, None if known is None else known.version)
    if row is not None and (known is None or row.version != known.version):
        known = Taxonomy.of(row.version, row.content)
    _kept = _Kept(url, until, known or shipped())


def look_again() -> None:
    """For whoever has changed it: the next session compares at once. Until then the copy holds, for every thread."""
    global _kept  # noqa: PLW0603
    kept = _kept
    _kept = None if kept is None else replace(kept, until=0.0)


def forget() -> None:
    """For tests, which put databases back under a process."""
    global _kept  # noqa: PLW0603
    _kept = None
