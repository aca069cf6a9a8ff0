"""Whether severities are what the last assessment says. Only of those that were assessed: one that nothing told of has none."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation

_LAST: Final = text("""
    SELECT c.reference, c.severity, last.severity AS assessed FROM complaint c
    JOIN (SELECT DISTINCT ON (complaint_id) complaint_id, severity FROM complaint_severity_assessment
          ORDER BY complaint_id, id DESC) AS last ON last.complaint_id = c.id
    WHERE c.severity <> last.severity ORDER BY c.id
""")


def severity_assessed(session: Session) -> Iterator[Violation]:
    """A complaint's severity is that of its last assessment."""
    for row in session.execute(_LAST):
        detail = f"is {row.severity}, but was last assessed as {row.assessed}"
        yield Violation("complaints.severity_assessed", f"complaint {row.reference}", detail)


CHECKS: Final[tuple[Check, ...]] = (severity_assessed,)
