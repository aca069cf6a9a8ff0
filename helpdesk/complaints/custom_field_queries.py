"""Every select on custom fields and their values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.custom_field_models import CustomField, CustomValue
from helpdesk.complaints.custom_values import Definition
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_BY_PLACE: Final = Order((CustomField.position, CustomField.key), (int, str))
_SHOWN: Final = tuple(CustomField.__table__.columns)


def definition(field: Any) -> Definition:
    """What values are judged by; `field`: anything with the attributes of the row."""
    return Definition(
        type=field.type,
        options={option["code"]: option["active"] for option in field.options},
        currency=field.currency,
        minimum=field.minimum,
        maximum=field.maximum,
        max_length=field.max_length,
        mask=field.mask,
    )


def fields_of(session: Session, keys: Iterable[str]) -> dict[str, CustomField]:
    """By key, those that there are."""
    wanted = list(keys)
    if not wanted:
        return {}
    return {field.key: field for field in session.scalars(select(CustomField).where(CustomField.key.in_(wanted)))}


def keys(session: Session) -> list[str]:
    """Of every field, in use or not, in their order."""
    return list(session.scalars(select(CustomField.key).order_by(CustomField.position, CustomField.key)))


def fields_to_write(session: Session, keys: Iterable[str]) -> dict[str, CustomField]:
    """As `fields_of`, locked against being changed: what is written of them holds until the end of the transaction."""
    statement = (
        select(CustomField)
        .where(CustomField.key.in_(list(keys)))
        .order_by(CustomField.id)
        .with_for_update(read=True, key_share=True)
    )
    return {field.key: field for field in session.scalars(statement)}


def field_for_update(session: Session, _actor: Actor, field_id: UUID) -> CustomField:
    """Locked also against those who are about to write a value."""
    return existing(
        session.scalars(select(CustomField).where(CustomField.id == field_id).with_for_update()).one_or_none()
    )


def is_used(session: Session, field_id: UUID) -> bool:
    statement = select(CustomValue.field_id).where(CustomValue.field_id == field_id).limit(1)
    return session.execute(statement).first() is not None


def versions(session: Session) -> tuple[tuple[UUID, int], ...]:
    """Of every field: another one, or one that was changed, gives another answer."""
    rows = session.execute(select(CustomField.id, CustomField.version).order_by(CustomField.id))
    return tuple((row.id, row.version) for row in rows)


def how_many(session: Session) -> int:
    """Definitions, in use or not; whoever makes another waits for who is about to."""
    advisory.lock(session, advisory.Alone.CUSTOM_FIELDS)
    return session.execute(select(func.count()).select_from(CustomField)).scalar_one()


def detail(session: Session, field_id: UUID) -> Mapping[str, Any]:
    row = session.execute(select(*_SHOWN).where(CustomField.id == field_id)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


def list_fields(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: AnySelect = select(*_SHOWN)
    if "active" in given:
        statement = statement.where(CustomField.active == given["active"])
    return listed(session, page, statement, _BY_PLACE, given)


def values_of(session: Session, complaint_id: UUID) -> Sequence[CustomValue]:
    return session.scalars(select(CustomValue).where(CustomValue.complaint_id == complaint_id)).all()


def value_rows(session: Session, complaint_id: UUID, field_ids: Iterable[UUID] | None = None) -> list[dict[str, Any]]:
    """Rows of `complaint_custom_value`, of these fields or of all."""
    table = CustomValue.__table__
    statement = select(table).where(table.c.complaint_id == complaint_id)
    if field_ids is not None:
        statement = statement.where(table.c.field_id.in_(list(field_ids)))
    return [dict(row) for row in session.execute(statement).mappings()]
