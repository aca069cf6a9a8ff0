"""Tariffs as this process knows them (`kernel.in_force`), and what each lays down in a case on a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import Expression, read
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import case_facts, rule_facts, tariff_queries
from helpdesk.recovery.tariff_methods import Outcome, compute

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Version:
    """`condition`: of the cases that it is for without anybody's naming it."""

    tariff: str
    number: int
    valid_from: date
    valid_until: date | None
    spec: Mapping[str, Any]
    condition: Expression | None

    def outcome(self, known: case_facts.Known) -> Outcome:
        return compute(self.spec["method"], self.spec["numbers"], self.spec["currency"], known)

    @property
    def held_before(self) -> bool:
        """Versions of before there was such a mark are kept without it."""
        return bool(self.spec.get("held_before", False))


@dataclass(frozen=True, slots=True)
class Laid:
    """What a tariff lays down in a case. `version` None: none was in force on `day`. `currency`: of what it lays down, or would if it
    could be told; None: of no version. `other_complainant`: for somebody else, whose complaint was merged into it. `complaint_id`:
    of the merged complaint whose facts it goes by; None: of this one's. `stated`: somebody has recorded of that one, in this currency,
    what it comes to; `can_be_stated`: it can be.
    """

    tariff: str
    day: date
    version: Version | None
    outcome: Outcome
    currency: str | None = None
    other_complainant: bool = False
    complaint_id: UUID | None = None
    stated: bool = False
    can_be_stated: bool = False

    def as_data(self) -> dict[str, Any]:
        """JSON-safe, all of it."""
        version, amount = self.version, self.outcome.amount
        return {
            "tariff": self.tariff,
            "tariff_version": None if version is None else version.number,
            "title": None if version is None else version.spec["title"],
            "source": None if version is None else version.spec["source"],
            "valid_from": None if version is None else version.valid_from.isoformat(),
            "valid_until": None if version is None or version.valid_until is None else version.valid_until.isoformat(),
            "day": self.day.isoformat(),
            "applies": self.outcome.applies,
            "code": self.outcome.code,
            "because": self.outcome.because,
            "missing": list(self.outcome.missing),
            "steps": [dict(step) for step in self.outcome.steps],
            "amount": None if amount is None else {"amount": str(amount), "currency": amount.currency},
            "set_off": bool(version is not None and version.spec["set_off"]),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Tariffs:
    """`wanted`: the facts that choosing among them takes."""

    versions: Mapping[str, tuple[Version, ...]]
    wanted: frozenset[str]

    def on(self, code: str, day: date) -> Version | None:
        found: Version | None = _on_day(self.versions.get(code, ()), day)
        return found

    def telling(self, code: str, day: date) -> tuple[Version | None, bool]:
        """The version whose condition tells for which cases it is on a day, and whether it is known what it lays down then."""
        version = self.on(code, day)
        return (self._gap(code, day), False) if version is None else (version, True)

    def lay_down(self, code: str, day: date, known: case_facts.Known) -> Laid:
        """What a tariff that somebody names lays down."""
        version = self.on(code, day)
        if version is not None:
            return Laid(code, day, version, version.outcome(known), version.spec["currency"])
        beside = self._gap(code, day)
        if beside is None:
            return Laid(code, day, None, Outcome(code="not_in_force", because=self._why_none(code, day)))
        because = (
            f"{self._why_none(code, day)} What it lays down then is not known here. Add a version with the amounts and their source "
            f"(POST /tariffs/{code}/versions)."
        )
        return Laid(code, day, None, Outcome(code="not_known", because=because), beside.spec["currency"])

    def _why_none(self, code: str, day: date) -> str:
        versions = self.versions.get(code, ())
        if not versions:
            return "There is no such tariff."
        before, after = _beside(versions, day)
        told = [
            "there is none before it" if before is None else f"the one before it ends on {before.valid_until}",
            "none begins later" if after is None else f"the next one begins on {after.valid_from}",
        ]
        return f"No version of it holds on {day.isoformat()}: {', and '.join(told)}."

    def _gap(self, code: str, day: date) -> Version | None:
        """The version before a day on which none holds, where others hold again later, or the first one where it is known that it was
        not (`held_before`): something is laid down, and not known.
        """
        before, after = _beside(self.versions.get(code, ()), day)
        if before is None and after is not None and after.held_before:
            return after
        return None if after is None else before

    def of_case(self, day: date, values: Mapping[str, Any], known: case_facts.Known) -> tuple[Laid, ...]:
        """Those whose condition holds, and the one that is named (`tariff`), by their codes. On a day between two versions the
        condition of the earlier one tells (before the first known one, its own), so that what is not known is said and not passed over.
        """
        named, facts = known.get("tariff"), Facts(values)
        found = []
        for code in sorted({*self.versions, *([named] if named else [])}):
            version, _ = self.telling(code, day)
            meant = version is not None and version.condition is not None and version.condition.holds(facts)
            if meant or code == named:
                found.append(self.lay_down(code, day, known))
        return tuple(found)


def _beside(versions: tuple[Version, ...], day: date) -> tuple[Version | None, Version | None]:
    """The last version that has ended before a day, and the first one that begins after it."""
    before = [row for row in versions if row.valid_until is not None and row.valid_until < day]
    after = [row for row in versions if day < row.valid_from]
    return (
        max(before, key=lambda row: (row.valid_until or date.min, row.number), default=None),
        min(after, key=lambda row: (row.valid_from, -row.number), default=None),
    )


def _on_day(versions: tuple[Version, ...], day: date) -> Version | None:
    there = [row for row in versions if row.valid_from <= day and (row.valid_until is None or day <= row.valid_until)]
    return max(there, key=lambda row: (row.valid_from, row.number), default=None)


def _look(session: Session, known: Known[Tariffs] | None) -> Known[Tariffs]:
    signature = tariff_queries.signature(session)
    if known is not None and known.signature == signature:
        return known
    return Known(signature, _all(session))


def _all(session: Session) -> Tariffs:
    found: dict[str, list[Version]] = {}
    for row in tariff_queries.versions(session):
        found.setdefault(row.id, []).append(_read(row))
    versions = {code: tuple(items) for code, items in found.items()}
    conditions = (item.condition for items in versions.values() for item in items)
    wanted = {name for condition in conditions if condition is not None for name in condition.fields}
    return Tariffs(versions, frozenset(wanted - case_facts.FACTS.keys()))


def _read(row: Any) -> Version:
    """One whose condition cannot be read any more is for nothing by itself, which is logged."""
    condition = None
    try:
        condition = read(row.spec["condition"], rule_facts.KEPT_OF_TARIFFS, kept=True)
    except ValidationFailed as error:
        log.warning(
            "the condition of a tariff cannot be read", tariff=row.id, problems=[dict(it) for it in error.errors]
        )
    return Version(row.id, row.version, row.valid_from, row.valid_until, row.spec, condition)


_kept: Final = Kept(_look)


def read_anew(session: Session) -> Tariffs:
    """As they are, also what this process has not heard of yet."""
    return _all(session)


def in_force(session: Session) -> Tariffs:
    """A statement at most once a second."""
    return _kept.compared(session)


def changed(uow: UnitOfWork) -> None:
    """For whoever changes a tariff."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()


def day_of(written: str | None) -> date | None:
    return None if written is None else date.fromisoformat(written)
