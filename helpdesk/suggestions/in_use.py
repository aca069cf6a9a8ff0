"""The model that is in use: read once per process and version."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.suggestions import queries
from helpdesk.suggestions.classifier import Classifier, Damaged, unpacked

log = structlog.get_logger()


class InUse(NamedTuple):
    id: UUID
    version: int
    trained_at: datetime
    examples: int
    classifier: Classifier


_held: Final[dict[UUID, Classifier]] = {}
"""The one in use, by its id."""
_damaged: Final[set[UUID]] = set()
"""Not to be read, and complained of, with every request."""


def model_in_use(session: Session) -> InUse | None:
    """The newest version that can be read; None where nothing was learned yet."""
    for version in queries.kept_versions(session):
        classifier = _held.get(version.id) or _read(session, version)
        if classifier is not None:
            return InUse(version.id, version.version, version.created_at, version.examples, classifier)
    return None


def _read(session: Session, version: queries.Kept) -> Classifier | None:
    content = None if version.id in _damaged else queries.content_of(session, version.id)
    if content is None:
        return None  # damaged, or gone meanwhile
    try:
        classifier = unpacked(*content)
    except Damaged as error:
        log.warning("a model cannot be read; the version before is used", version=version.version, reason=str(error))
        _damaged.add(version.id)
        return None
    _held.clear()  # one is enough to hold in memory
    _held[version.id] = classifier
    return classifier
