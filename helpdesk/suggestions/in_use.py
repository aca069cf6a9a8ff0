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


_read: Final[dict[UUID, Classifier | None]] = {}
"""By the id of the version; None: it is damaged. At most as many as are kept."""


def model_in_use(session: Session) -> InUse | None:
    """The newest version that can be read; None where nothing was learned yet."""
    kept = queries.kept_versions(session)
    for known in [known for known in _read if known not in {version.id for version in kept}]:
        _read.pop(known, None)  # another thread may do the same
    for version in kept:
        classifier = _classifier(session, version.id, version.version)
        if classifier is not None:
            return InUse(version.id, version.version, version.created_at, version.examples, classifier)
    return None


def _classifier(session: Session, model_id: UUID, version: int) -> Classifier | None:
    if model_id not in _read:
        content = queries.content_of(session, model_id)
        if content is None:
            return None
        try:
            _read[model_id] = unpacked(*content)
        except Damaged as error:
            log.warning("a model cannot be read; the version before is used", version=version, reason=str(error))
            _read[model_id] = None
    return _read.get(model_id)
