"""The guard against loops: what keeps triggers from setting each other off for ever.

Three bounds, since none is enough by itself. A chain of causes ends after so many triggers. A trigger does not answer to
what it has just done itself, unless it is meant to. And on one complaint it fires only so often an hour: that one also
holds where a cause is not in the log, because something outside (a mail, another system) stands between.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from helpdesk.automation.happenings import Happened

MAX_DEPTH: Final = 5
MOST_AN_HOUR: Final = 10
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a trigger is asked: an event, or a moment that came due. `depth` and `chain`: how many triggers, and which, led
    to it; 0 and none where a person did.
    """

    event: Happened | None = None
    occurrence_at: datetime | None = None
    depth: int = 0
    chain: tuple[UUID, ...] = ()

    def stops(self, trigger_id: UUID, *, own_changes: bool, recent: int) -> str | None:
        """Why the guard does not let this trigger begin; None: it does. `recent`: how often it began in the last hour."""
        if self.chain and self.chain[-1] == trigger_id and not own_changes:
            return "own_change"
        if self.depth >= MAX_DEPTH:
            return "too_deep"
        if recent >= MOST_AN_HOUR:
            return "too_often"
        return None
