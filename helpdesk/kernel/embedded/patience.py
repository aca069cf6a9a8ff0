"""How often and how soon something that died is started again, and when that is hopeless. Pure arithmetic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """All in seconds, but `hopeless_after`, which counts."""

    first_pause: float = 0.5
    longest_pause: float = 30.0
    healthy_after: float = 60.0  # alive for so long, earlier deaths are forgotten
    short_life: float = 10.0  # a death sooner than this counts towards "cannot start"
    hopeless_after: int = 5
    ready_within: float = 60.0
    grace: float = 20.0  # for all children together, between SIGTERM and SIGKILL


class Patience:
    """The memory for one process."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._pauses = 0
        self._short_lives = 0
        self.not_before = 0.0

    @property
    def hopeless(self) -> bool:
        return self._short_lives >= self._pace.hopeless_after

    def died(self, now: float, lived: float) -> float:
        """Take note of a death after `lived` seconds; the pause before the next start."""
        self._short_lives = self._short_lives + 1 if lived < self._pace.short_life else 0
        if lived >= self._pace.healthy_after:
            self._pauses = 0
        pause = min(self._pace.longest_pause, self._pace.first_pause * 2.0 ** min(self._pauses, 32))
        self._pauses += 1
        self.not_before = now + pause
        return pause
