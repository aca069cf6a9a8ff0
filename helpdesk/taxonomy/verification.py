"""Whether the version in force is what the terms say, and every version followed the one before."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation
from helpdesk.taxonomy import queries
from helpdesk.taxonomy.versions import content_of


def newest_is_whole(session: Session) -> Iterator[Violation]:
    """The version in force has the terms and the rules that there are."""
    newest, severity = queries.newest(session, None), queries.severity_as_it_is(session)
    if newest is None or severity is None:
        return
    if newest.content != content_of(queries.all_terms(session), severity):
        detail = "is not what the terms and the rules of severity are now"
        yield Violation("taxonomy.newest_is_whole", f"taxonomy version {newest.version}", detail)


_GAPS: Final = text("""
    SELECT version, count(*) OVER () - row_number() OVER (ORDER BY version DESC) + 1 AS place
    FROM taxonomy_version ORDER BY version
""")


def versions_follow(session: Session) -> Iterator[Violation]:
    """They are numbered 1, 2, 3 ..."""
    for row in session.execute(_GAPS):
        if row.version != row.place:
            detail = f"is the one at place {row.place}: one before it is missing"
            yield Violation("taxonomy.versions_follow", f"taxonomy version {row.version}", detail)
            return


_UNKNOWN: Final = text("""
    SELECT used.kind, used.code, c.reference FROM (
        SELECT 'channel' AS kind, channel AS code, id AS complaint_id FROM complaint
        UNION ALL SELECT 'root_cause', root_cause, id FROM complaint WHERE root_cause IS NOT NULL
        UNION ALL SELECT 'category', category, complaint_id FROM complaint_issue WHERE category IS NOT NULL
        UNION ALL SELECT 'issue', issue, complaint_id FROM complaint_issue WHERE issue IS NOT NULL
        UNION ALL SELECT 'root_cause', cause, complaint_id FROM complaint_issue WHERE cause IS NOT NULL
        UNION ALL SELECT 'vulnerability', flag, complaint_id FROM complaint_need
    ) AS used
    JOIN complaint c ON c.id = used.complaint_id
    WHERE NOT EXISTS (SELECT FROM taxonomy_term t WHERE t.kind = used.kind AND t.code = used.code)
    ORDER BY used.complaint_id, used.kind
""")


def codes_are_known(session: Session) -> Iterator[Violation]:
    """Every code on a complaint is one of the taxonomy, in force or retired."""
    for row in session.execute(_UNKNOWN):
        detail = f"has the {row.kind} {row.code}, which nobody knows"
        yield Violation("taxonomy.codes_are_known", f"complaint {row.reference}", detail)


CHECKS: Final[tuple[Check, ...]] = (newest_is_whole, versions_follow, codes_are_known)
