"""Tariffs as an operator keeps them: each edit is a new version from a day on, and nothing that held before is changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.expressions import read
from helpdesk.kernel.facts import Vocabulary
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import rule_facts, tariff_methods, tariff_queries, tariff_warnings, tariffs_in_force
from helpdesk.recovery.errors import TariffExists
from helpdesk.recovery.tariff_events import TariffChanged, TariffsShipped
from helpdesk.recovery.tariff_models import Tariff, TariffVersion
from helpdesk.recovery.tariffs_in_force import Version

SPEC: Final = ("title", "source", "note", "method", "currency", "set_off", "held_before", "condition", "numbers")


@dataclass(frozen=True, slots=True)
class Made:
    """`warnings`: what is odd about the version (`tariff_warnings`)."""

    tariff: str
    warnings: list[dict[str, str]]


def create(uow: UnitOfWork, actor: Actor, given: Mapping[str, Any]) -> Made:
    """`given`: `id`, and all of a version (`tariff_schemas.TariffVersionIn`). Raises `TariffExists`, `ValidationFailed`."""
    tariff_queries.installing(uow.session)
    if tariff_queries.known(uow.session, given["id"]):
        raise TariffExists
    spec = _checked(uow, given)
    tariff = Tariff(id=given["id"], version=1)
    uow.session.add(tariff)
    uow.session.flush()  # its version is about to refer to it
    return _keep(uow, actor, tariff, given, spec)


def add_version(uow: UnitOfWork, actor: Actor, tariff: Tariff, given: Mapping[str, Any]) -> Made:
    """Another version of a locked tariff. Raises `ValidationFailed`."""
    spec = _checked(uow, given)
    tariff.touch()
    return _keep(uow, actor, tariff, given, spec)


def _keep(uow: UnitOfWork, actor: Actor, tariff: Tariff, given: Mapping[str, Any], spec: dict[str, Any]) -> Made:
    warnings = _warnings(uow, tariff, given, spec)
    before = tariff_queries.version_row(uow.session, tariff.id, given["valid_from"])
    until = given.get("valid_until")
    _add(uow, tariff.id, tariff.version, (given["valid_from"], until), spec, created_by=actor.id)
    tariffs_in_force.changed(uow)
    record_administration(
        uow,
        TariffChanged(
            tariff=tariff.id,
            version=tariff.version,
            valid_from=given["valid_from"].isoformat(),
            valid_until=None if until is None else until.isoformat(),
            spec=spec,
            changes=differences({} if before is None else before["spec"], spec),
        ),
    )
    return Made(tariff.id, warnings)


def _warnings(
    uow: UnitOfWork, tariff: Tariff, given: Mapping[str, Any], spec: Mapping[str, Any]
) -> list[dict[str, str]]:
    condition = read(spec["condition"], rule_facts.KEPT_OF_TARIFFS, kept=True)
    version = Version(tariff.id, tariff.version, given["valid_from"], given.get("valid_until"), spec, condition)
    return tariff_warnings.of_version(tariffs_in_force.read_anew(uow.session), version, uow.now.date())


def _checked(uow: UnitOfWork, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a version, its condition in one spelling."""
    spec: dict[str, Any] = json_safe({name: given[name] for name in SPEC})
    problems = [*_period_problems(given), *tariff_methods.problems(spec["method"], spec["numbers"], "/numbers")]
    spec["condition"], found = _condition(
        spec["condition"], rule_facts.vocabulary(uow.session, rule_facts.KEPT_OF_TARIFFS)
    )
    problems += found
    if problems:
        raise ValidationFailed(errors=problems)
    return spec


def _condition(written: Any, vocabulary: Vocabulary) -> tuple[Any, list[FieldError]]:
    try:
        expression = read(written, vocabulary, "/condition", changes=False)
    except ValidationFailed as error:
        return written, list(error.errors)
    refused = sorted(expression.fields & (rule_facts.OF_CUSTOMER | rule_facts.JUDGED))
    if refused:
        text = f"A tariff is owed whoever the customer is and whatever we judge: its condition cannot ask for {', '.join(refused)}."
        return written, [FieldError.at("/condition", "not_for_tariffs", text)]
    if expression.asks_for_changes:
        text = "A tariff looks at a case as it is, not at what changed."
        return written, [FieldError.at("/condition", "changes", text)]
    return expression.as_json(), []


def _period_problems(given: Mapping[str, Any]) -> Iterator[FieldError]:
    until = given.get("valid_until")
    if until is not None and until < given["valid_from"]:
        yield FieldError.at("/valid_until", "backwards", "The last day is the first one or later.")


def install(uow: UnitOfWork) -> bool:
    """The shipped versions that are not there yet; whether there were any. Safe to repeat; of two at once, one waits. Where
    the operator has put a version of their own from the same day, theirs stays the one that counts.
    """
    tariff_queries.installing(uow.session)
    data = shipped()
    rows = tariff_queries.versions(uow.session)
    there, own = (
        {row.shipped for row in rows},
        {(row.id, row.valid_from.isoformat()) for row in rows if not row.shipped},
    )
    newest = {row.id: row.version for row in rows}
    added = []
    for tariff in data["tariffs"]:
        missing = [item for item in tariff["versions"] if item["key"] not in there]
        wanted = [item for item in missing if (tariff["id"], item["valid_from"]) not in own]
        if wanted:
            _install(uow, tariff["id"], newest.get(tariff["id"], 0), wanted)
            added += [item["key"] for item in wanted]
    if not added:
        return False
    tariffs_in_force.changed(uow)
    record_administration(uow, TariffsShipped(edition=data["edition"], added=added))
    return True


def _install(uow: UnitOfWork, code: str, newest: int, items: Sequence[Mapping[str, Any]]) -> None:
    """`newest`: the number of its last version; 0: it is not there yet."""
    if newest:
        tariff_queries.tariff_for_update(uow.session, None, code).version = newest + len(items)
    else:
        uow.add_rows(Tariff, [{"id": code, "version": len(items), "created_at": uow.now}])
    for number, item in enumerate(items, start=newest + 1):
        days = tariffs_in_force.day_of(item["valid_from"]), tariffs_in_force.day_of(item["valid_until"])
        _add(uow, code, number, days, {name: item[name] for name in SPEC}, shipped_as=item["key"])


def _add(
    uow: UnitOfWork,
    code: str,
    version: int,
    days: tuple[Any, Any],
    spec: dict[str, Any],
    *,
    created_by: Any = None,
    shipped_as: str | None = None,
) -> None:
    uow.add_rows(
        TariffVersion,
        [
            {
                "tariff_id": code,
                "version": version,
                "valid_from": days[0],
                "valid_until": days[1],
                "spec": spec,
                "shipped": shipped_as,
                "created_by": created_by,
                "created_at": uow.now,
            }
        ],
    )


@lru_cache(maxsize=1)
def shipped() -> dict[str, Any]:
    """`edition`, and `tariffs`: each with its `id` and `versions`."""
    text = resources.files("helpdesk.recovery").joinpath("data/tariffs.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
