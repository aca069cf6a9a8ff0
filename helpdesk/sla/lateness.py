"""How late alarms ring, counted in the transaction in which they ring, so that the histogram in `/metrics` is exact whichever
process rang them and however many there are: workers answer no scrapes.

Late since an alarm was owed: one that was due before its complaint was entered (an import of old ones) is owed since then.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla.lateness_models import ALARMS, AlarmLateness

BOUNDS: Final = (250, 500, 1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 1_800_000, 7_200_000)
"""Milliseconds. Two seconds is what we promise; the sweep comes every second."""
_BEYOND: Final = 2**62
_SHARDS: Final = 16

Counted = dict[tuple[str, int], list[int]]
"""(alarm, bound) -> how many, and the sum of their milliseconds."""
_noted: MutableMapping[UnitOfWork, Counted] = WeakKeyDictionary()


def note(uow: UnitOfWork, complaint_id: UUID, alarm: str, planned: datetime, at: datetime) -> None:
    """Count an alarm that rings now; the unit of work holds its complaint's lock. Written once, at the end."""
    complaint: Any = uow.stream_of(complaint_id)
    late_ms = max(0, int((at - max(planned, complaint.created_at)).total_seconds() * 1000))
    place = bisect_left(BOUNDS, late_ms)
    bound = BOUNDS[place] if place < len(BOUNDS) else _BEYOND
    counted = _noted.setdefault(uow, defaultdict(lambda: [0, 0]))
    counted[alarm, bound][0] += 1
    counted[alarm, bound][1] += late_ms
    uow.at_end(note, _write)


def _write(uow: UnitOfWork) -> None:
    """In one order, so that two who count the same do not wait for each other."""
    shard = func.mod(func.pg_backend_pid(), _SHARDS)
    rows = [
        {"shard": shard, "alarm": alarm, "upto_ms": bound, "alarms": number, "sum_ms": total}
        for (alarm, bound), (number, total) in sorted(_noted.pop(uow).items())
    ]
    statement = insert(AlarmLateness).values(rows)
    uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=["shard", "alarm", "upto_ms"],
            set_={
                "alarms": AlarmLateness.alarms + statement.excluded.alarms,
                "sum_ms": AlarmLateness.sum_ms + statement.excluded.sum_ms,
            },
        )
    )


HISTOGRAM: Final = f"""
SELECT alarm, CASE WHEN upto_ms < {_BEYOND} THEN upto_ms / 1000.0 END, coalesce(sum(alarms), 0), coalesce(sum(sum_ms), 0) / 1000.0
FROM unnest(ARRAY{list(ALARMS)}) AS alarm CROSS JOIN unnest(ARRAY{[*BOUNDS, _BEYOND]}) AS upto_ms
LEFT JOIN sla_alarm_lateness USING (alarm, upto_ms)
GROUP BY alarm, upto_ms ORDER BY alarm, upto_ms
"""  # noqa: S608  # our own constants
"""For `metrics.HistogramQuery`: every bucket, also those in which there is nothing yet."""
