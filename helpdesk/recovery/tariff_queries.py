"""Every select on tariffs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.tariff_models import Tariff, TariffVersion

_TARIFF, _VERSION = Tariff.__table__.c, TariffVersion.__table__.c
_SHOWN: Final = select(
    _VERSION.tariff_id.label("id"),
    _VERSION.version,
    _VERSION.valid_from,
    _VERSION.valid_until,
    _VERSION.spec,
    _VERSION.shipped,
    _VERSION.created_at,
)
_NEWEST: Final = Order((_VERSION.version,), (int,), descending=True)
_BY_CODE: Final = Order((_TARIFF.id,), (str,))


def signature(session: Session) -> tuple[Any, ...]:
    """What tells one state of all tariffs from another."""
    return tuple(tuple(row) for row in session.execute(select(_TARIFF.id, _TARIFF.version).order_by(_TARIFF.id)))


def versions(session: Session) -> Sequence[Any]:
    """All of them: tariffs are few."""
    return session.execute(_SHOWN.order_by(_VERSION.tariff_id, _VERSION.version)).all()


def today(session: Session) -> date:
    """In UTC, by the database's clock."""
    found: date = session.execute(
        select(func.timezone("UTC", func.now()).cast(TariffVersion.valid_from.type))
    ).scalar_one()
    return found


def as_key(code: str) -> str:
    """As it may be asked for: the database takes no NUL, so it becomes a character that no code has and nothing is found."""
    return code.replace("\x00", "\ufffd")


def on_day(rows: Sequence[RowMapping], day: date) -> RowMapping | None:
    """Of one tariff's versions the one in force on that day; None where none is."""
    there = [row for row in rows if row["valid_from"] <= day <= (row["valid_until"] or date.max)]
    return max(there, key=lambda row: (row["valid_from"], row["version"]), default=None)


def list_tariffs(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    """By their codes, each with the version in force on `given["on"]` (today)."""
    rows, cursor, total = listed(
        session, page, select(_TARIFF.id, _TARIFF.version, _TARIFF.created_at), _BY_CODE, given
    )
    day = given.get("on") or today(session)
    return _with_versions(session, rows, day), cursor, total


def tariff_detail(session: Session, code: str, day: date | None = None) -> dict[str, Any]:
    row = session.execute(
        select(_TARIFF.id, _TARIFF.version, _TARIFF.created_at).where(_TARIFF.id == as_key(code))
    ).mappings().one_or_none()  # fmt: skip
    if row is None:
        raise NotFound
    return _with_versions(session, [row], day or today(session))[0]


def _with_versions(session: Session, rows: Sequence[Mapping[Any, Any]], day: date) -> list[dict[str, Any]]:
    versions: dict[str, list[RowMapping]] = {}
    for version in session.execute(_SHOWN.where(_VERSION.tariff_id.in_([row["id"] for row in rows]))).mappings():
        versions.setdefault(version["id"], []).append(version)
    found = [on_day(versions.get(row["id"], []), day) for row in rows]
    return [
        {**row, "on": day, "in_force": None if version is None else shown_row(version)}
        for row, version in zip(rows, found, strict=True)
    ]


def list_versions(session: Session, page: Page, given: Mapping[str, Any], code: str) -> Listed:
    """The newest first."""
    tariff_detail(session, code)
    rows, cursor, total = listed(session, page.within(code), _SHOWN.where(_VERSION.tariff_id == code), _NEWEST, given)
    return [shown_row(row) for row in rows], cursor, total


def shown_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    found = dict(row)
    return {"held_before": False, **found.pop("spec"), **found, "shipped": found["shipped"] is not None}


def version_row(session: Session, code: str, day: date) -> RowMapping | None:
    return on_day(session.execute(_SHOWN.where(_VERSION.tariff_id == code)).mappings().all(), day)


def tariff_for_update(session: Session, _actor: Actor | None, tariff_code: str) -> Tariff:
    return existing(
        session.execute(select(Tariff).where(Tariff.id == as_key(tariff_code)).with_for_update()).scalar_one_or_none()
    )


def known(session: Session, code: str) -> bool:
    return session.execute(select(_TARIFF.id).where(_TARIFF.id == as_key(code))).first() is not None


def installing(session: Session) -> None:
    """To the end of the transaction: whoever else installs tariffs or makes one waits."""
    advisory.lock(session, advisory.Alone.TARIFFS)
