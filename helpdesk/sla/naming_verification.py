"""What a violation is about, in words that whoever reads it can look up: a complaint by its reference, a clock by its complaint's
reference and its kind. Checks name rows by their ids.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.verification import Violation
from helpdesk.sla.models import Clock

_BY_ID: Final = re.compile(r"(clock|complaint) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


_TOGETHER: Final = 500


def named(session: Session, violations: Iterator[Violation]) -> Iterator[Violation]:
    """Each as it is where its row is not there any more. Some hundreds at a time: after a real fault there are thousands."""
    while some := list(islice(violations, _TOGETHER)):
        found = [_BY_ID.fullmatch(violation.subject) for violation in some]
        words = _words(session, {(match[1], UUID(match[2])) for match in found if match is not None})
        for violation in some:
            yield replace(violation, subject=words.get(violation.subject, violation.subject))


def _words(session: Session, rows: set[tuple[str, UUID]]) -> dict[str, str]:
    complaints = {row_id for what, row_id in rows if what == "complaint"}
    clocks = {row_id for what, row_id in rows if what == "clock"}
    words = dict[str, str]()
    if complaints:
        found = session.execute(select(Complaint.id, Complaint.reference).where(Complaint.id.in_(complaints)))
        words |= {f"complaint {row.id}": f"complaint {row.reference}" for row in found}
    if clocks:
        of_clocks = select(Clock.id, Clock.kind, Clock.round, Complaint.reference).join(
            Complaint, Complaint.id == Clock.complaint_id
        )
        words |= {
            f"clock {row.id}": f"{row.reference} {row.kind}, round {row.round} (clock {row.id})"
            for row in session.execute(of_clocks.where(Clock.id.in_(clocks)))
        }
    return words
