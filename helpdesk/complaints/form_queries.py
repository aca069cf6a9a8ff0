"""Every select on forms and on what their traps caught."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import CursorResult, Row, and_, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.form_models import IntakeForm, Quarantined, UsedChallenge
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_WAITING: Final = (
    select(func.count())
    .where(Quarantined.form_id == IntakeForm.id, Quarantined.decision.is_(None))
    .scalar_subquery()
    .label("quarantined")
)
_FORM: Final[AnySelect] = select(*IntakeForm.__table__.c, _WAITING)
_BY_FORM: Final = Order((IntakeForm.id,), (UUID,))
_BY_ENTRY: Final = Order((Quarantined.id,), (UUID,))
_ENTRY: Final[AnySelect] = select(*Quarantined.__table__.c)


def list_forms(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    return listed(session, page, _FORM, _BY_FORM, given)


def form_detail(session: Session, form_id: UUID) -> Any:
    return existing(session.execute(_FORM.where(IntakeForm.id == form_id)).mappings().one_or_none())


def form_for_update(session: Session, _actor: Actor, form_id: UUID) -> IntakeForm:
    return existing(session.scalars(select(IntakeForm).where(IntakeForm.id == form_id).with_for_update()).one_or_none())


def form_named(session: Session, name: str) -> UUID | None:
    """However it is written in capitals."""
    return session.scalars(select(IntakeForm.id).where(func.lower(IntakeForm.name) == func.lower(name))).one_or_none()


_ACTIVE: Final = select(IntakeForm.id, IntakeForm.name).where(IntakeForm.active).order_by(IntakeForm.id)


def forms_of_channel(session: Session, channel: str) -> Sequence[Row[UUID, str]]:
    """`(id, name)` of the active ones."""
    return session.execute(_ACTIVE.where(IntakeForm.channel == channel)).all()


def forms_of_team(session: Session, team_id: UUID) -> Sequence[Row[UUID, str]]:
    """`(id, name)` of the active ones."""
    return session.execute(_ACTIVE.where(IntakeForm.team_id == team_id)).all()


class KeyedForm(NamedTuple):
    """An active form that was named by its key, and the moment."""

    form: IntakeForm
    now: datetime


_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_BY_KEY: Final = select(IntakeForm, func.now()).where(
    IntakeForm.active,
    or_(
        IntakeForm.key == bindparam("key"),
        and_(IntakeForm.previous_key == bindparam("key"), IntakeForm.previous_key_until > func.now()),
    ),
)


def form_by_key(session: Session, key: str) -> KeyedForm | None:
    """None for a key that is none, is no more, or is of a form that is switched off."""
    if not _KEY.fullmatch(key):
        return None
    row = session.execute(_BY_KEY, {"key": key}).one_or_none()
    return None if row is None else KeyedForm(row[0], row[1])


_FORGET: Final = delete(UsedChallenge).where(UsedChallenge.expires_at < func.now())


def forget_challenges(session: Session) -> int:
    """Those that would be refused for their age by now; how many."""
    return cast("CursorResult[Any]", session.execute(_FORGET)).rowcount


def some_form_allows(session: Session, origin: str) -> bool:
    allowing = select(IntakeForm.id).where(IntakeForm.active, IntakeForm.origins.contains([origin]))
    return session.execute(allowing.limit(1)).first() is not None


def list_quarantine(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement = _ENTRY
    if "form_id" in given:
        statement = statement.where(Quarantined.form_id == given["form_id"])
    if given["waiting"]:
        statement = statement.where(Quarantined.decision.is_(None))
    return listed(session, page, statement, _BY_ENTRY, given)


def entry_detail(session: Session, entry_id: UUID) -> Any:
    return existing(session.execute(_ENTRY.where(Quarantined.id == entry_id)).mappings().one_or_none())


def entry_for_update(session: Session, _actor: Actor, entry_id: UUID) -> Quarantined:
    return existing(
        session.scalars(select(Quarantined).where(Quarantined.id == entry_id).with_for_update()).one_or_none()
    )


def form_of(session: Session, entry: Quarantined) -> IntakeForm:
    return session.scalars(select(IntakeForm).where(IntakeForm.id == entry.form_id)).one()
