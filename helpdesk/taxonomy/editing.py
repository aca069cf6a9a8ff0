"""What one can do with the taxonomy: add a term, change its labels and traits, retire it and bring it back, and set the
rules of severity. Each act begins a version of the whole, and stands in the log of administrative acts.

Acts wait for one another (`queries.severity_for_update`), so that the same code offered twice at once is there once.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.kernel.words import with_article
from helpdesk.taxonomy import queries, versions
from helpdesk.taxonomy.errors import CodeTaken, LastOfItsKind
from helpdesk.taxonomy.events import (
    SeverityRulesChanged,
    TermChanged,
    TermCreated,
    TermEvent,
    TermReinstated,
    TermRetired,
)
from helpdesk.taxonomy.models import SeveritySpec, TaxonomyTerm
from helpdesk.taxonomy.term_schemas import MOST_LABELS
from helpdesk.taxonomy.terms import PATTERNS, TRAITS, category_of, fits

MOST: Final = 1_000
"""Terms of one kind, retired ones too: all of them are in every version."""
_FIELDS: Final = ("labels", "traits", "position", "retired_at")


def add_term(uow: UnitOfWork, given: Mapping[str, Any]) -> UUID:
    """`given`: kind, code, labels, perhaps traits and position (at the end, when absent). Raises `CodeTaken`, and
    `ValidationFailed` for a code that is none of its kind, an issue of no category, and a kind that is full.
    """
    severity = queries.severity_for_update(uow.session)
    kind, code = given["kind"], given["code"]
    check_traits(kind, given.get("traits", {}))
    _check_code(uow, kind, code)
    if queries.term_known(uow.session, kind, code):
        raise CodeTaken(f"There is {with_article(kind.replace('_', ' '))} {code} already.")
    position = given.get("position")
    term = TaxonomyTerm(
        id=new_id(),
        created_at=uow.now,
        kind=kind,
        code=code,
        labels=given["labels"],
        traits=given.get("traits", {}),
        position=queries.last_position(uow.session, kind) + 1 if position is None else position,
        version=1,
    )
    uow.session.add(term)
    changes = {name: [None, getattr(term, name)] for name in _FIELDS if getattr(term, name) is not None}
    _record(uow, TermCreated, term, changes, severity)
    return term.id


def _check_code(uow: UnitOfWork, kind: str, code: str) -> None:
    problem = None
    if not fits(kind, code):
        problem = FieldError.at("/code", "invalid", f"A code of this kind is written as {PATTERNS[kind]}.")
    elif kind == "issue" and not queries.term_known(uow.session, "category", category_of(code)):
        problem = FieldError.at("/code", "unknown", f"There is no category {category_of(code)}; make it first.")
    elif queries.count_of(uow.session, kind) >= MOST:
        problem = FieldError.at("/kind", "full", f"There are {MOST} of this kind, and may be no more.")
    if problem is not None:
        raise ValidationFailed(errors=[problem])


def change_term(uow: UnitOfWork, term: TaxonomyTerm, given: Mapping[str, Any]) -> UUID:
    """`given`: any of labels (of some languages, null for none), traits, position, retired. `term`: as by
    `queries.term_for_update`. Raises `LastOfItsKind` for one that cannot be retired, and `ValidationFailed` for traits that
    its kind has not.
    """
    check_traits(term.kind, given.get("traits", {}))
    severity = queries.severity_for_update(uow.session)
    wanted: dict[str, Any] = {name: given[name] for name in ("traits", "position") if name in given}
    if "labels" in given:
        wanted["labels"] = _labels(term, given["labels"])
    retired = given.get("retired")
    if retired is not None and retired != (term.retired_at is not None):
        if retired:
            _check_retirement(uow, term)
        wanted["retired_at"] = uow.now if retired else None
    changes = {
        name: json_safe([getattr(term, name), value]) for name, value in wanted.items() if getattr(term, name) != value
    }
    for name in changes:
        setattr(term, name, wanted[name])
    if changes:
        term.touch()
        kind: type[TermEvent] = TermChanged
        if "retired_at" in changes:
            kind = TermRetired if retired else TermReinstated
        _record(uow, kind, term, changes, severity)
    return term.id


def _labels(term: TaxonomyTerm, changes: Mapping[str, str | None]) -> dict[str, str]:
    found = {tag: text for tag, text in {**term.labels, **changes}.items() if text is not None}
    if len(found) > MOST_LABELS:
        text = f"There would be labels in more than {MOST_LABELS} languages."
        raise ValidationFailed(errors=[FieldError.at("/labels", "too_many", text)])
    return found


def check_traits(kind: str, traits: Mapping[str, Any]) -> None:
    """Raises `ValidationFailed` that names every one that terms of this kind do not have. Their values are checked by now."""
    problems = [
        FieldError.at(f"/traits/{name}", "unknown_field", f"Terms of the kind {kind} have no such trait.")
        for name in traits
        if name not in TRAITS[kind]
    ]
    if problems:
        raise ValidationFailed(errors=problems)


def _check_retirement(uow: UnitOfWork, term: TaxonomyTerm) -> None:
    """What else would give the code to something new is asked by the domains that know it (`TermRetired`). Code maps may name
    it: words for it count as words for nothing.
    """
    others = [
        row
        for row in queries.all_terms(uow.session)
        if row.kind == term.kind and row.retired_at is None and row.id != term.id
    ]
    if not others:
        raise LastOfItsKind


def _record(
    uow: UnitOfWork, kind: type[TermEvent], term: TaxonomyTerm, changes: dict[str, list[Any]], severity: SeveritySpec
) -> None:
    version = versions.keep(uow, severity)
    event = kind(term_id=term.id, kind=term.kind, code=term.code, taxonomy_version=version, changes=changes)
    record_administration(uow, event)


def set_severity_rules(uow: UnitOfWork, severity: SeveritySpec, given: dict[str, Any]) -> None:
    """`given`: the whole, as `SeverityRulesIn` loads it. Holds for what is judged from now on."""
    changes = {
        name: [severity.spec.get(name), value] for name, value in given.items() if severity.spec.get(name) != value
    }
    if not changes:
        return
    severity.spec = given
    severity.touch()
    version = versions.keep(uow, severity)
    record_administration(
        uow,
        SeverityRulesChanged(rules_id=severity.id, version=severity.version, taxonomy_version=version, changes=changes),
    )
