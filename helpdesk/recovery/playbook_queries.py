"""Every select on playbooks and their versions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.playbook_models import LAST, Playbook, PlaybookVersion

_BOOK, _VERSION = Playbook.__table__.c, PlaybookVersion.__table__.c
_IN_ORDER: Final = (_BOOK.position, _BOOK.id)
_BY_ORDER: Final = Order(_IN_ORDER, (int, UUID))
_NEWEST: Final = Order((_VERSION.number,), (int,), descending=True)
_TODAY: Final = func.timezone("UTC", func.now()).cast(_VERSION.valid_from.type)


def signature(session: Session) -> tuple[Any, ...]:
    """What tells one state of playbooks and of what was published from another."""
    books = session.execute(select(_BOOK.id, _BOOK.version).order_by(_BOOK.id))
    versions = session.execute(
        select(_VERSION.playbook_id, _VERSION.number, _VERSION.version)
        .where(_VERSION.state == "published")
        .order_by(_VERSION.playbook_id, _VERSION.number)
    )
    return (*map(tuple, books), *map(tuple, versions))


def published(session: Session) -> Sequence[Any]:
    """Every published version with its playbook, in the playbooks' order: what is in force on some day."""
    return session.execute(
        select(
            _BOOK.id,
            _BOOK.name,
            _BOOK.condition,
            _BOOK.is_default,
            _BOOK.version,
            _VERSION.number,
            _VERSION.valid_from,
            _VERSION.valid_until,
            _VERSION.spec,
        )
        .join_from(Playbook.__table__, PlaybookVersion.__table__, _VERSION.playbook_id == _BOOK.id)
        .where(_VERSION.state == "published")
        .order_by(*_IN_ORDER, _VERSION.number)
    ).all()


def _holds(day: Any) -> Any:
    until = or_(_VERSION.valid_until.is_(None), _VERSION.valid_until >= day)
    return and_(_VERSION.state == "published", _VERSION.valid_from <= day, until)


_SHOWN: Final = select(
    _BOOK.id,
    _BOOK.name,
    _BOOK.position,
    _BOOK.condition,
    _BOOK.is_default,
    _BOOK.version,
    _BOOK.created_at,
    select(_VERSION.number)
    .where(_VERSION.playbook_id == _BOOK.id, _holds(_TODAY))
    .limit(1)
    .scalar_subquery()
    .label("in_force"),
)


def list_playbooks(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    """In the order in which they are asked."""
    rows, cursor, total = listed(session, page, _SHOWN, _BY_ORDER, given)
    return [_flat(row) for row in rows], cursor, total


def playbook_detail(session: Session, playbook_id: UUID) -> dict[str, Any]:
    row = session.execute(_SHOWN.where(_BOOK.id == playbook_id)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _flat(row)


def _flat(row: Any) -> dict[str, Any]:
    found = dict(row)
    return {**found, "position": None if found["is_default"] else found["position"]}


_VERSION_SHOWN: Final = select(
    _VERSION.playbook_id,
    _VERSION.number,
    _VERSION.state,
    _VERSION.spec,
    _VERSION.warnings,
    _VERSION.note,
    _VERSION.valid_from,
    _VERSION.valid_until,
    _VERSION.version,
    _VERSION.created_at,
    _VERSION.created_by,
    _VERSION.published_at,
    _VERSION.published_by,
    _VERSION.retired_at,
    _VERSION.retired_by,
    _VERSION.retired_because,
    _holds(_TODAY).label("in_force"),
)


def list_versions(session: Session, page: Page, given: Mapping[str, Any], playbook_id: UUID) -> Listed:
    """The newest first."""
    playbook_detail(session, playbook_id)
    statement = _VERSION_SHOWN.where(_VERSION.playbook_id == playbook_id)
    rows, cursor, total = listed(session, page.within(str(playbook_id)), statement, _NEWEST, given)
    return [dict(row) for row in rows], cursor, total


def version_detail(session: Session, playbook_id: UUID, number: int) -> dict[str, Any]:
    statement = _VERSION_SHOWN.where(_VERSION.playbook_id == playbook_id, _VERSION.number == number)
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


def playbook_for_update(session: Session, _actor: Actor | None, playbook_id: UUID) -> Playbook:
    return existing(
        session.execute(select(Playbook).where(Playbook.id == playbook_id).with_for_update()).scalar_one_or_none()
    )


def version_for_update(session: Session, _actor: Actor | None, playbook_id: UUID, version: int) -> PlaybookVersion:
    """The playbook is locked first: what is published is decided one by one."""
    playbook_for_update(session, None, playbook_id)
    found = select(PlaybookVersion).where(PlaybookVersion.playbook_id == playbook_id, PlaybookVersion.number == version)
    return existing(session.execute(found.with_for_update()).scalar_one_or_none())


def next_number(session: Session, playbook_id: UUID) -> int:
    """The playbook is locked by the caller."""
    found = select(func.coalesce(func.max(_VERSION.number), 0) + 1).where(_VERSION.playbook_id == playbook_id)
    number: int = session.execute(found).scalar_one()
    return number


def published_of(session: Session, playbook_id: UUID) -> Sequence[PlaybookVersion]:
    """Of one playbook, locked by the caller, by their days."""
    found = select(PlaybookVersion).where(
        PlaybookVersion.playbook_id == playbook_id, PlaybookVersion.state == "published"
    )
    return session.scalars(found.order_by(PlaybookVersion.valid_from)).all()


def name_taken(session: Session, name: str, but: UUID | None = None) -> bool:
    taken = exists().where(func.lower(Playbook.name) == func.lower(name))
    return session.execute(select(taken if but is None else taken.where(Playbook.id != but))).scalar_one()


def last_position(session: Session) -> int:
    """0 where there is none but the default one."""
    statement = select(func.coalesce(func.max(_BOOK.position), 0)).where(_BOOK.position < LAST)
    found: int = session.execute(statement).scalar_one()
    return found


def default_installed(session: Session) -> bool:
    """To the end of the transaction: whoever else makes a playbook waits."""
    advisory.lock(session, advisory.Alone.PLAYBOOKS)
    return session.execute(select(exists().where(Playbook.is_default))).scalar_one()


def ids_in_order(session: Session) -> Sequence[UUID]:
    return session.scalars(select(_BOOK.id).order_by(*_IN_ORDER)).all()
