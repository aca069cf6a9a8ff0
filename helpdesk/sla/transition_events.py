"""What becomes of a complaint's clocks, beside what rings (`events`): begun, paused, resumed, counted anew, kept, cancelled.

One event tells of all clocks that the same thing happens to in one unit of work: a question to the customer pauses three, and a
timeline that says so three times tells less. An item of `clocks` names the clock, the promise, what it goes by and how it stands
now; what is null is left out.
"""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksEvent(Event):
    """`kinds`: the promises, each once. Each of `clocks`: `clock_id`, `kind`, `round`, `generation`, `state`, `due_at`, `policy_id`
    and `policy_version` or `rule_id` and `rule_version`; `about_id` where there can be several of a kind (the message that waits
    for an answer, the offer that is to be delivered); `breach_taken_back` (true, or not there) where a breach that was said before is
    none by what is known now.
    """

    complaint_id: UUID
    kinds: list[str]
    clocks: list[dict[str, Any]]

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksStarted(ClocksEvent):
    """Promises were made. Each of `clocks` says all that the deadline follows from: `started_at`, `target_amount`, `target_unit`,
    calendar and its version, `severity`, `tier`, `timezone`, `pausable`, `conventions` where they are not the usual ones,
    `pauses`; `remaining_seconds` where it begins paused.
    """

    type: ClassVar[str] = "sla.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksPaused(ClocksEvent):
    """Somebody else is waited for. Each says the `remaining_seconds` of business time, and `changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksResumed(ClocksEvent):
    """They count again. Each says `changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksRecomputed(ClocksEvent):
    """They were counted anew, keeping what was used. Each says `changes` (field -> [before, after]) and `because`: `severity`,
    `tier`, `policy`, `rule`, `calendar`, `holidays`, `extension`, `start` (merged, parted, or another fact was learned),
    `revived` (owed again after it was stopped), `facts`. `job_id`: of the job that did it after an edit; null where an act on the
    complaint did.
    """

    type: ClassVar[str] = "sla.recomputed"
    job_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksMet(ClocksEvent):
    """What was promised was done. Each says the business seconds used (`elapsed_seconds`), whether that was `late` by the time at
    which it was done (the breach was said before) and `changes`: field -> [before, after].
    """

    type: ClassVar[str] = "sla.met"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksCancelled(ClocksEvent):
    """Nothing is owed any more; what was broken before stays `breached`, unless there was no reason to promise it
    (`breach_taken_back`). Each says `changes`: field -> [before, after].
    """

    type: ClassVar[str] = "sla.cancelled"
