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


class _Unread:
    """Nobody has read it yet, which is another thing than that it cannot be read."""


_UNREAD: Final = _Unread()
_read: Final[dict[UUID, Classifier | None]] = {}
"""The one in use, by its id, and those that are damaged: None."""


def model_in_use(session: Session) -> InUse | None:
    """The newest version that can be read; None where nothing was learned yet."""
    for version in queries.kept_versions(session):
        classifier = _read.get(version.id, _UNREAD)
        if isinstance(classifier, _Unread):
            classifier = _fresh(session, version.id, version.version)
        if classifier is not None:
            _forget_all_but(version.id)
            return InUse(version.id, version.version, version.created_at, version.examples, classifier)
    return None


def _fresh(session: Session, model_id: UUID, version: int) -> Classifier | None:
    content = queries.content_of(session, model_id)
    if content is None:
        return None  # gone meanwhile
    classifier = None
    try:
        classifier = unpacked(*content)
    except Damaged as error:
        log.warning("a model cannot be read; the version before is used", version=version, reason=str(error))
    _read[model_id] = classifier
    return classifier


def _forget_all_but(model_id: UUID) -> None:
    """One is enough to hold in memory."""
    for known in [known for known, classifier in list(_read.items()) if known != model_id and classifier is not None]:
        _read.pop(known, None)  # another thread may do the same
