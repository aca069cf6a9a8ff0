"""Erasing events for a redaction, and what of theirs goes on holding: digests of texts that were not redacted, which only
those events had told. The event of the redaction names the erased ones and tells that again, as `carried`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from helpdesk.complaints import text_queries
from helpdesk.kernel import event_log
from helpdesk.kernel.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Erased:
    """For `events.Redacted`: stream -> places of what was erased, and what it alone had told."""

    places: Mapping[str, list[int]]
    carried: Mapping[str, dict[str, Any]]

    @property
    def count(self) -> int:
        return sum(map(len, self.places.values()))


def erase(uow: UnitOfWork, kin: Sequence[UUID], event_ids: Sequence[UUID]) -> Erased:
    """Of locked complaints and their `kin`. The caller records a redaction that tells what is returned."""
    if not event_ids:
        return Erased({}, {})
    told = text_queries.told_in(uow.session, kin)
    places = event_log.erase(uow.session, event_ids)
    return Erased(places, told.only_by(places))
