"""What our codes are called by other systems: a map for each system, both ways.

A word of theirs is one code of ours; of several words for one code one is preferred, and is what they are told. An import
mapping may name a system instead of listing its words (`helpdesk.integrations.mapping`); an import goes by the words as they
were when it was begun, or gone on with. A retired code may stay in a map: until it is brought back, what has no other word
counts as having none.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy import code_map_queries, queries
from helpdesk.taxonomy.code_map_events import CodeMapChanged, CodeMapCreated, CodeMapDeleted
from helpdesk.taxonomy.code_map_models import CodeMap, ExternalCode
from helpdesk.taxonomy.errors import SystemTaken
from helpdesk.taxonomy.in_force import in_force

MOST: Final = 2_000
"""Words in one map."""

Words = Callable[[str], Mapping[str, Mapping[str, str]] | None]
"""`words(system)`: kind -> their word -> our code; None where there is no map of that system."""


def words_from(session: Session) -> Words:
    """As the maps are now. A word for a code that was retired is one for nothing."""

    def words(system: str) -> Mapping[str, Mapping[str, str]] | None:
        found, taxonomy = code_map_queries.words_of(session, system), in_force()
        if found is None:
            return None
        return {
            kind: {word: code for word, code in known.items() if taxonomy.offers(kind, code)}
            for kind, known in found.items()
        }

    return words


def shipped_words(system: str) -> Mapping[str, Mapping[str, str]] | None:
    """For whoever has no database at hand."""
    found: dict[str, dict[str, str]] = {}
    for item in shipped_maps():
        if item["system"] == system:
            for row in item["codes"]:
                found.setdefault(row["kind"], {})[row["external"]] = row["code"]
    return found or None


@lru_cache(maxsize=1)
def shipped_maps() -> tuple[Mapping[str, Any], ...]:
    text = resources.files("helpdesk.taxonomy").joinpath("data/code_maps.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))


def create(uow: UnitOfWork, given: Mapping[str, Any]) -> UUID:
    """`given`: system, title, codes (each kind, external, code, perhaps preferred). Raises `SystemTaken`, and
    `ValidationFailed` that names every code that cannot be.
    """
    queries.severity_for_update(uow.session)  # codes that are looked at stay in force until this is over
    if given["system"] in code_map_queries.systems(uow.session):
        raise SystemTaken
    code_map = CodeMap(id=new_id(), created_at=uow.now, system=given["system"], title=given["title"], version=1)
    uow.session.add(code_map)
    uow.session.flush()  # its codes refer to it
    changes = {"title": [None, code_map.title], **_write(uow, code_map, given["codes"])}
    event = CodeMapCreated(map_id=code_map.id, system=code_map.system, version=1, changes=changes)
    record_administration(uow, event)
    return code_map.id


def replace(uow: UnitOfWork, code_map: CodeMap, given: Mapping[str, Any]) -> UUID:
    """`given`: title and all the codes. Raises `ValidationFailed` as `create` does."""
    queries.severity_for_update(uow.session)
    changes: dict[str, list[Any]] = {}
    if given["title"] != code_map.title:
        changes["title"] = [code_map.title, given["title"]]
        code_map.title = given["title"]
    changes |= _write(uow, code_map, given["codes"])
    if changes:
        code_map.touch()
        event = CodeMapChanged(map_id=code_map.id, system=code_map.system, version=code_map.version, changes=changes)
        record_administration(uow, event)
    return code_map.id


def delete(uow: UnitOfWork, code_map: CodeMap) -> None:
    """Who else names it is asked (`CodeMapDeleted`)."""
    changes = {"title": [code_map.title, None], **_differences(_told(uow, code_map), {})}
    event = CodeMapDeleted(map_id=code_map.id, system=code_map.system, version=code_map.version, changes=changes)
    record_administration(uow, event)
    code_map_queries.remove_codes(uow.session, code_map.id)
    uow.session.delete(code_map)


def _write(uow: UnitOfWork, code_map: CodeMap, codes: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    before = _told(uow, code_map)
    problems = list(_problems(uow, codes, {word: told[0] for word, told in before.items()}))
    if problems:
        raise ValidationFailed(errors=problems)
    rows = _with_preferred(codes)
    changes = _differences(before, {_word(row): [row["code"], row["preferred"]] for row in rows})
    code_map_queries.remove_codes(uow.session, code_map.id)
    uow.session.add_all(ExternalCode(map_id=code_map.id, **row) for row in rows)
    return changes


def _told(uow: UnitOfWork, code_map: CodeMap) -> dict[str, list[Any]]:
    rows = code_map_queries.codes_of(uow.session, code_map.id)
    return {_word(row): [row["code"], row["preferred"]] for row in rows}


def _word(row: Any) -> str:
    return f"{row['kind']}:{row['external']}"


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    words = dict.fromkeys([*before, *after])
    pairs = {word: [before.get(word), after.get(word)] for word in words}
    return {word: pair for word, pair in pairs.items() if pair[0] != pair[1]}


def _problems(uow: UnitOfWork, codes: Sequence[Mapping[str, Any]], before: Mapping[str, str]) -> Iterator[FieldError]:
    """What is there already may stay, though it was retired since."""
    in_force = {(row.kind, row.code) for row in queries.all_terms(uow.session) if row.retired_at is None}
    words = Counter(map(_word, codes))
    preferred = Counter((row["kind"], row["code"]) for row in codes if row.get("preferred"))
    for place, row in enumerate(codes):
        key = (row["kind"], row["code"])
        if words[_word(row)] > 1:
            yield FieldError.at(f"/codes/{place}/external", "taken", "This word is there twice.")
        if row.get("preferred") and preferred[key] > 1:
            yield FieldError.at(f"/codes/{place}/preferred", "taken", "Another word is preferred for this code.")
        if key not in in_force and before.get(_word(row)) != row["code"]:
            yield FieldError.at(f"/codes/{place}/code", "choice", f"There is no {row['kind']} {row['code']} in force.")


def _with_preferred(codes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """In order; where nobody says which word is preferred, the first is."""
    said = {(row["kind"], row["code"]) for row in codes if row.get("preferred")}
    rows = []
    for position, row in enumerate(codes, start=1):
        key = (row["kind"], row["code"])
        first = key not in said
        said.add(key)
        preferred = bool(row.get("preferred")) or first
        rows.append(
            {
                "kind": row["kind"],
                "external": row["external"],
                "code": row["code"],
                "preferred": preferred,
                "position": position,
            }
        )
    return rows


def install_code_maps(uow: UnitOfWork) -> None:
    """Maps of systems that came with this version of the program. One that is there stays as the operator has it."""
    known = code_map_queries.systems(uow.session)
    for item in shipped_maps():
        if item["system"] not in known:
            create(uow, item)
