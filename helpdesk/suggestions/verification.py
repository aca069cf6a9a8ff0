"""Whether what was learned can be read, and whether what is counted as followed was."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.verification import Check, Violation
from helpdesk.suggestions import queries
from helpdesk.suggestions.classifier import Damaged, unpacked

_MISCOUNTED: Final = text("""
    SELECT c.reference, s.agent_id, s.place FROM category_suggestion s JOIN complaint c ON c.id = s.complaint_id
    WHERE s.place <> coalesce(array_position(s.categories, s.chosen), 0) ORDER BY s.complaint_id, s.agent_id
""")


def models_readable(session: Session) -> Iterator[Violation]:
    """Every version that is kept is what its checksum says."""
    for kept in queries.kept_versions(session):
        content = queries.content_of(session, kept.id)
        try:
            if content is not None:
                unpacked(*content)
        except Damaged as error:
            yield Violation("suggestions.model_readable", f"category model {kept.version}", f"cannot be read: {error}")


def places_right(session: Session) -> Iterator[Violation]:
    """The chosen category is at the place among the suggestions that is counted."""
    for row in session.execute(_MISCOUNTED):
        detail = f"what agent {row.agent_id} chose is not at place {row.place} of what they were shown"
        yield Violation("suggestions.place_right", f"complaint {row.reference}", detail)


CHECKS: Final[tuple[Check, ...]] = (models_readable, places_right)
