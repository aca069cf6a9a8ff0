"""Every select on code maps."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, RowMapping, delete, func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.taxonomy.code_map_models import CodeMap, ExternalCode

_MAP, _CODE = CodeMap.__table__.c, ExternalCode.__table__.c

_COUNT: Final = (
    select(func.count()).where(_CODE.map_id == _MAP.id).correlate(CodeMap.__table__).scalar_subquery().label("count")
)
_SHOWN: Final = (_MAP.id, _MAP.system, _MAP.title, _MAP.created_at, _MAP.version)
_BY_SYSTEM: Final = Order((_MAP.system,), (str,))


def list_maps(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: AnySelect = select(*_SHOWN, _COUNT)
    if "system" in given:
        statement = statement.where(_MAP.system == given["system"])
    return listed(session, page, statement, _BY_SYSTEM, given)


def map_detail(session: Session, map_id: UUID) -> dict[str, Any]:
    """With all its codes, in order. Raises `NotFound`."""
    found = session.execute(select(*_SHOWN).where(_MAP.id == map_id)).mappings().one_or_none()
    if found is None:
        raise NotFound
    return {**found, "codes": codes_of(session, map_id)}


def codes_of(session: Session, map_id: UUID) -> Sequence[RowMapping]:
    """kind, external, code and preferred of each, in order."""
    statement = select(_CODE.kind, _CODE.external, _CODE.code, _CODE.preferred).where(_CODE.map_id == map_id)
    return session.execute(statement.order_by(_CODE.position, _CODE.kind, _CODE.external)).mappings().all()


_BY_WORD: Final = Order((_CODE.kind, _CODE.external), (str, str))


def list_codes(session: Session, page: Page, given: Mapping[str, Any], map_id: UUID) -> Listed:
    """Both ways: of a word of theirs, or of a code of ours. Raises `NotFound`."""
    if session.execute(select(_MAP.id).where(_MAP.id == map_id)).first() is None:
        raise NotFound
    statement: AnySelect = select(_CODE.kind, _CODE.external, _CODE.code, _CODE.preferred).where(_CODE.map_id == map_id)
    for name in ("kind", "external", "code", "preferred"):
        if name in given:
            statement = statement.where(_CODE[name] == given[name])
    return listed(session, page, statement, _BY_WORD, given)


def map_for_update(session: Session, _actor: Actor, map_id: UUID) -> CodeMap:
    return existing(session.scalars(select(CodeMap).where(_MAP.id == map_id).with_for_update()).one_or_none())


def systems(session: Session) -> set[str]:
    return set(session.scalars(select(_MAP.system)))


def remove_codes(session: Session, map_id: UUID) -> None:
    session.execute(delete(ExternalCode).where(_CODE.map_id == map_id))


def words_of(session: Session, system: str) -> dict[str, dict[str, str]] | None:
    """Kind -> their word -> our code; None where there is no map of that system."""
    map_id = session.execute(select(_MAP.id).where(_MAP.system == system)).scalar_one_or_none()
    if map_id is None:
        return None
    found: dict[str, dict[str, str]] = {}
    for row in codes_of(session, map_id):
        found.setdefault(row["kind"], {})[row["external"]] = row["code"]
    return found


def maps_naming(session: Session, kind: str, code: str) -> Sequence[Row[UUID, str]]:
    """`(id, system)` of maps that have a word for this code."""
    named = select(_CODE.map_id).where(_CODE.kind == kind, _CODE.code == code)
    statement = select(_MAP.id, _MAP.system).where(_MAP.id.in_(named))
    return session.execute(statement.order_by(_MAP.system)).all()
