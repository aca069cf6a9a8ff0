"""Which complaints an edit may concern, so that no more are looked at: what whoever edits says, and the job is narrowed by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla.policy_spec import every_target

_CHOOSING: Final = frozenset({"active", "position", "valid_from", "valid_until", "condition"})
"""Of a policy: what decides for whom it is. Another one may be for anybody then."""
_PROMISING: Final = frozenset({"calendar_id", "thresholds", "ladder", "targets", "tiers"})


@dataclass(frozen=True, slots=True)
class Scope:
    """`every`: all that are open. `policies`, `calendars`: those with an open clock by one of these. `regulated`: those that are open
    and have a jurisdiction. `choose`: which rules each goes by is judged anew too.
    """

    every: bool = False
    policies: frozenset[UUID] = frozenset()
    calendars: frozenset[UUID] = frozenset()
    regulated: bool = False
    choose: bool = False

    def __bool__(self) -> bool:
        return self.every or self.regulated or bool(self.policies or self.calendars)

    def __or__(self, other: "Scope") -> "Scope":
        return Scope(
            self.every or other.every,
            self.policies | other.policies,
            self.calendars | other.calendars,
            self.regulated or other.regulated,
            self.choose or other.choose,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "every": self.every,
            "policies": sorted(map(str, self.policies)),
            "calendars": sorted(map(str, self.calendars)),
            "regulated": self.regulated,
            "choose": self.choose,
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Scope":
        return cls(
            written["every"],
            _ids(written["policies"]),
            _ids(written["calendars"]),
            written["regulated"],
            written["choose"],
        )


def _ids(written: Iterable[str]) -> frozenset[UUID]:
    return frozenset(map(UUID, written))


EVERY: Final = Scope(every=True)
NONE: Final = Scope()
REGULATED: Final = Scope(regulated=True)
CHOSEN_ANEW: Final = Scope(regulated=True, choose=True)


@dataclass(slots=True)
class Edits:
    """The book of what one unit of work has edited."""

    scope: Scope = NONE

    def settle(self, _uow: UnitOfWork) -> None:
        """What is done about it, whoever edits says."""


def concern(uow: UnitOfWork, scope: Scope) -> None:
    edits = uow.book(Edits)
    edits.scope |= scope


def of_policy(policy_id: UUID, before: Mapping[str, Any], after: Mapping[str, Any]) -> Scope:
    """`before`, `after`: a policy's spec with its `calendar_id`; before empty: it is new."""
    changed = {name for name in after if before.get(name) != after[name]}
    if not (after["active"] or before.get("active")):
        return NONE
    if changed & _CHOOSING or not before:
        return EVERY
    if not changed & _PROMISING:
        return NONE
    if _promised(after) - _promised(before):
        return EVERY  # whom it promised nothing has no clock by it
    if "calendar_id" in changed and (after["valid_from"] or after["valid_until"]):
        return EVERY  # its days are of another zone
    return Scope(policies=frozenset({policy_id}))


def _promised(spec: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (pointer.partition(f"/{severity}/")[0], severity, kind) for pointer, severity, kind, _ in every_target(spec)
    }


def of_calendar(calendar_id: UUID, before: Mapping[str, Any], after: Mapping[str, Any]) -> Scope:
    """`before`, `after`: a calendar's spec."""
    if before.get("timezone") != after["timezone"]:
        return EVERY | Scope(calendars=frozenset({calendar_id}))  # the days of policies are of its zone
    return Scope(calendars=frozenset({calendar_id}))
