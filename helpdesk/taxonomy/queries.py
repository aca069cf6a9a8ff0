"""Every select on the taxonomy."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, case, func, null, select
from sqlalchemy.orm import Session, aliased

from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.taxonomy.models import SEVERITY, SeveritySpec, TaxonomyTerm, TaxonomyVersion

_TERM, _VERSION = TaxonomyTerm.__table__.c, TaxonomyVersion.__table__.c

_NEWEST: Final = (
    select(
        _VERSION.version,
        case((_VERSION.version == bindparam("known"), null()), else_=_VERSION.content).label("content"),
    )
    .order_by(_VERSION.version.desc())
    .limit(1)
)


def newest(session: Session, known: int | None) -> Any:
    """Number and content of the version in force; no content where it is the `known` one. None before there is any."""
    return session.execute(_NEWEST, {"known": known or 0}).one_or_none()


def severity_for_update(session: Session, _actor: Actor | None = None) -> SeveritySpec:
    """The one row, locked: nobody else changes anything in the taxonomy until this is over."""
    locked = select(SeveritySpec).where(SeveritySpec.id == SEVERITY).with_for_update()
    return session.scalars(locked.execution_options(populate_existing=True)).one()


def severity_if_installed(session: Session) -> SeveritySpec | None:
    """Locked."""
    return session.scalars(select(SeveritySpec).where(SeveritySpec.id == SEVERITY).with_for_update()).one_or_none()


def severity_as_it_is(session: Session) -> SeveritySpec | None:
    return session.scalars(select(SeveritySpec).where(SeveritySpec.id == SEVERITY)).one_or_none()


def severity_detail(session: Session) -> dict[str, Any]:
    row = session.execute(select(SeveritySpec.version, SeveritySpec.spec)).one()
    return {**row.spec, "version": row.version}


def last_version(session: Session) -> int:
    """0 before there is any."""
    newest_of_all: int = session.execute(select(func.coalesce(func.max(_VERSION.version), 0))).scalar_one()
    return newest_of_all


def all_terms(session: Session) -> Sequence[TaxonomyTerm]:
    """In order."""
    return session.scalars(select(TaxonomyTerm).order_by(_TERM.kind, _TERM.position, _TERM.code)).all()


_SHOWN: Final = (
    _TERM.id,
    _TERM.kind,
    _TERM.code,
    _TERM.labels,
    _TERM.traits,
    _TERM.position,
    _TERM.retired_at,
    _TERM.created_at,
    _TERM.version,
)
_IN_ORDER: Final = Order((_TERM.kind, _TERM.position, _TERM.code), (str, int, str))


def list_terms(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: AnySelect = select(*_SHOWN)
    for name in ("kind", "code"):
        if name in given:
            statement = statement.where(_TERM[name] == given[name])
    if "retired" in given:
        statement = statement.where(_TERM.retired_at.is_not(None) if given["retired"] else _TERM.retired_at.is_(None))
    return listed(session, page, statement, _IN_ORDER, given)


def term_detail(session: Session, term_id: UUID) -> Any:
    return existing(session.execute(select(*_SHOWN).where(_TERM.id == term_id)).mappings().one_or_none())


def term_for_update(session: Session, _actor: Actor, term_id: UUID) -> TaxonomyTerm:
    """Locked, and before it the whole taxonomy."""
    severity_for_update(session)
    return existing(session.scalars(select(TaxonomyTerm).where(_TERM.id == term_id).with_for_update()).one_or_none())


def term_known(session: Session, kind: str, code: str) -> bool:
    return session.execute(select(_TERM.id).where(_TERM.kind == kind, _TERM.code == code)).first() is not None


def count_of(session: Session, kind: str) -> int:
    return session.execute(select(func.count()).where(_TERM.kind == kind)).scalar_one()


def last_position(session: Session, kind: str) -> int:
    """0 where there is none."""
    highest = select(func.coalesce(func.max(_TERM.position), 0)).where(_TERM.kind == kind)
    found: int = session.execute(highest).scalar_one()
    return found


_NEXT: Final = aliased(TaxonomyVersion)
_UNTIL: Final = (
    select(_NEXT.created_at)
    .where(_NEXT.version == _VERSION.version + 1)
    .correlate(TaxonomyVersion.__table__)
    .scalar_subquery()
    .label("valid_until")
)
_VALIDITY: Final = (_VERSION.version, _VERSION.created_at.label("valid_from"), _UNTIL)
_NEWEST_FIRST: Final = Order((_VERSION.version,), (int,), descending=True)


def list_versions(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: AnySelect = select(*_VALIDITY, _VERSION.actor_kind, _VERSION.actor_id)
    return listed(session, page, statement, _NEWEST_FIRST, given)


def version_detail(session: Session, version: int | None) -> Any:
    """The one in force where none is named. Raises `NotFound`."""
    statement: AnySelect = select(*_VALIDITY, _VERSION.content)
    if version is None:
        statement = statement.order_by(_VERSION.version.desc()).limit(1)
    else:
        statement = statement.where(_VERSION.version == version)
    return existing(session.execute(statement).one_or_none())
