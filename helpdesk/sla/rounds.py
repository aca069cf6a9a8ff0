"""A round: the promises between receipt, or a reopening, and the closing after it. What its clocks are counted by follows
from what was done to the complaint, not from what other clocks say: those may have been made by another severity.

Two complaints that were merged are one matter, and the earlier promise wins: the round began when the older one's did, and
what that one waited for until the other began counts as waiting. A complaint waits while it goes on in another one. One that
was split off goes on with the round that it comes from.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

WAITING: Final = frozenset({"customer", "third_party"})

Waits = tuple[tuple[datetime, datetime | None], ...]


@dataclass(frozen=True, slots=True)
class Round:
    """When it began, and when somebody else was waited for since; the last wait may have no end."""

    began: datetime
    waits: Waits

    def ended(self, at: datetime) -> "Round":
        """As it is when nobody is waited for from then on."""
        return Round(self.began, tuple((since, at if until is None else until) for since, until in self.waits))

    def until(self, end: datetime) -> "Round":
        """As it had been then: who has been waited for since does not matter."""
        return Round(self.began, _until(self.waits, end))


@dataclass(frozen=True, slots=True)
class Act:
    """One act of the lifecycle, with whom the complaint waited for after it; `away`: it went on in another complaint."""

    reopened: bool
    at: datetime
    waiting_on: str
    away: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Another complaint, whose round was `round` then, was merged into this one."""

    source_id: UUID
    round: Round


@dataclass(frozen=True, slots=True)
class Parted:
    """That was undone."""

    source_id: UUID


Happening = Act | Joined | Parted


@dataclass(frozen=True, slots=True)
class History:
    """When a complaint was received, or what it was split off with, and everything done to it, in order."""

    born: Round
    happenings: Sequence[Happening]

    def and_then(self, happening: Happening) -> "History":
        return History(self.born, [*self.happenings, happening])

    def of_round(self, number: int) -> "History":
        """What was done until that round was over: the next one begins with a reopening."""
        found, reopened = list[Happening](), 0
        for happening in self.happenings:
            reopened += isinstance(happening, Act) and happening.reopened
            if reopened == number:
                break
            found.append(happening)
        return History(self.born, found)

    def joined_by(self, source_ids: Collection[UUID]) -> "History":
        """As if no others had ever been merged into it."""
        mine = (each for each in self.happenings if isinstance(each, Act) or each.source_id in source_ids)
        return History(self.born, list(mine))

    def waited(self, waits: Collection[tuple[datetime, datetime | None]]) -> "History":
        """As if the customer had been waited for then, too, although somebody else's message had ended it."""
        found = list(self.happenings)
        for since, until in waits:
            found = [_waiting(each, since, until) for each in found]
            if until is not None and not any(isinstance(each, Act) and each.at == until for each in found):
                later = (place for place, each in enumerate(found) if isinstance(each, Act) and each.at > until)
                found.insert(next(later, len(found)), Act(reopened=False, at=until, waiting_on="us"))
        return History(self.born, found)

    @property
    def closed_at(self) -> datetime | None:
        """Since when nobody is waited for, not even us; None while it is open."""
        since = None
        for act in reversed(self.happenings):
            if isinstance(act, Act):
                if act.waiting_on != "nobody":
                    break
                since = act.at
        return since

    @property
    def last_away(self) -> datetime | None:
        """When it was last merged into another."""
        return next((act.at for act in reversed(self.happenings) if isinstance(act, Act) and act.away), None)


def _waiting(each: Happening, since: datetime, until: datetime | None) -> Happening:
    if isinstance(each, Act) and each.waiting_on == "us" and since <= each.at and (until is None or each.at < until):
        return replace(each, waiting_on="customer")
    return each


def present_round(history: History) -> Round:
    own, joined, since = history.born, dict[UUID, Round](), None
    began, waits = own.began, list(own.waits)
    for act in history.happenings:
        if isinstance(act, Joined):
            joined[act.source_id] = act.round
            continue
        if isinstance(act, Parted):
            joined.pop(act.source_id, None)
            continue
        if act.reopened:
            began, waits, since = act.at, [], None
            joined.clear()
        waiting = act.away or act.waiting_on in WAITING
        if waiting and since is None:
            since = act.at
        elif not waiting and since is not None:
            waits.append((since, act.at))
            since = None
    own = Round(began, (*waits, (since, None)) if since is not None else tuple(waits))
    older = min(joined.values(), key=lambda item: item.began, default=own)
    return own if older.began >= own.began else Round(older.began, (*_until(older.waits, own.began), *own.waits))


def _until(waits: Waits, end: datetime) -> Waits:
    """What lies before `end`."""
    return tuple((since, end if until is None or until > end else until) for since, until in waits if since < end)
