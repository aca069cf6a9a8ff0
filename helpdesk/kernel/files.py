"""A row for every file in the store, so that neither is there without the other, whatever crashes.

1. `reserve` a name, in a short transaction of its own.
2. Write the bytes under it (`storage`), with no transaction open.
3. `keep` it in the transaction that makes the row which refers to it.

A crash before 3 leaves a row that says `receiving`; the sweep removes its bytes, then the row. To let a file go is the
same from the other side: `let_go` in the transaction that drops the reference, then a duty removes the bytes. So a row
never lacks its bytes, and bytes never lack a row.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID, uuid4

import structlog
from sqlalchemy import CheckConstraint, Index, delete, func, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel import faults, outbox
from helpdesk.kernel.db import Base, Minor, Stamped
from helpdesk.kernel.events import Principal
from helpdesk.kernel.storage import FileMissing, Pieces, StorageUnavailable, Store
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.kernel.verification import Violation

log = structlog.get_logger()

STATES: Final = ("receiving", "kept", "leaving")
TOPIC: Final = "files.remove"
ABANDONED: Final = timedelta(hours=24)
"""A file that is still being received after that is nobody's. No upload takes so long."""
BATCH: Final = 500
REMOVED: Final = "files.removed"


class StoredFile(Stamped, Base):
    """`id` is random, not by time, and the file's name in the store is its hex form."""

    __tablename__ = "stored_file"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint("state <> 'kept' OR (size IS NOT NULL AND sha256 IS NOT NULL)", name="kept_is_known"),
        Index("ix_stored_file_created_at", "created_at", postgresql_where=text("state = 'receiving'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="receiving", server_default="receiving")
    size: Mapped[Minor | None]
    """Bytes."""
    sha256: Mapped[str | None]


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...

    @property
    def store(self) -> Store: ...


def reserve(database: Database, principal: Principal) -> UUID:
    """A new file's id, in a transaction of its own."""
    file_id = uuid4()
    with database.unit_of_work(principal) as uow:
        uow.session.execute(insert(StoredFile).values(id=file_id, state="receiving"))
    return file_id


def keep(uow: UnitOfWork, file_id: UUID, size: int, sha256: str) -> None:
    """The bytes are there, whole. Raises `StorageUnavailable` when it took so long that the sweep has removed them."""
    kept = (
        update(StoredFile)
        .where(StoredFile.id == file_id, StoredFile.state == "receiving")
        .values(state="kept", size=size, sha256=sha256)
        .returning(StoredFile.id)
    )
    if uow.session.execute(kept).one_or_none() is None:
        raise StorageUnavailable("Receiving the file took too long.")


def let_go(uow: UnitOfWork, file_id: UUID) -> None:
    """Nothing refers to it any more: its bytes are removed after the commit."""
    leaving = update(StoredFile).where(StoredFile.id == file_id).values(state="leaving")
    uow.session.execute(leaving)
    uow.duty(TOPIC, file_id, dedupe_key=str(file_id))


def discard(database: Database, principal: Principal, store: Store, file_id: UUID) -> None:
    """What was received is not wanted. Best effort: what stays is the sweep's."""
    try:
        store.remove(file_id.hex)
        with database.unit_of_work(principal) as uow:
            uow.session.execute(delete(StoredFile).where(StoredFile.id == file_id, StoredFile.state == "receiving"))
    except Exception as error:  # noqa: BLE001  # the refusal that the caller is about to hear matters more
        log.warning("a file that is not wanted stays for the sweep", error=type(error).__name__)


def remove(tools: Tools, duty_id: UUID, file_id: UUID) -> None:
    """The handler of `TOPIC`: the bytes, then the row. Safe to run twice, and on a file that is kept."""
    with tools.database.reader() as session:
        row = session.execute(select(StoredFile.state).where(StoredFile.id == file_id)).one_or_none()
    if row is not None and row.state == "leaving":
        tools.store.remove(file_id.hex)
    faults.point(REMOVED)
    with tools.database.unit_of_work(_NOBODY) as uow:
        if outbox.settle(uow.session, duty_id):
            uow.session.execute(delete(StoredFile).where(StoredFile.id == file_id, StoredFile.state == "leaving"))


class _Nobody:
    """The store's own housekeeping records no events, so nobody is named."""

    kind = "system"
    id = None

    def may(self, _permission: str) -> bool:
        return False


_NOBODY: Final = _Nobody()


def remove_abandoned(database: Database) -> int:
    """The sweep: let go of what was reserved and never kept; how many."""
    old = select(StoredFile.id).where(StoredFile.state == "receiving", StoredFile.created_at < func.now() - ABANDONED)
    with database.reader() as session:
        found = session.scalars(old.order_by(StoredFile.created_at).limit(BATCH)).all()
    count = 0
    for file_id in found:
        with database.unit_of_work(_NOBODY) as uow:
            locked = old.where(StoredFile.id == file_id).with_for_update(skip_locked=True)
            if uow.session.execute(locked).one_or_none() is not None:
                let_go(uow, file_id)
                count += 1
    return count


def files_are_there(session: Session, store: Store) -> Iterator[Violation]:
    """Every kept file is in the store, byte for byte. Reads all of them."""
    kept = select(StoredFile.id, StoredFile.size, StoredFile.sha256).where(StoredFile.state == "kept")
    for row in session.execute(kept.order_by(StoredFile.id).execution_options(yield_per=1_000)):
        try:
            found = _digested(store.reading(row.id.hex))
        except FileMissing:
            yield Violation("file", f"file {row.id}", "is not in the store")
            continue
        if found != (row.size, row.sha256):
            yield Violation(
                "file", f"file {row.id}", f"has {found[0]} bytes of another content than the {row.size} kept"
            )


def _digested(pieces: Pieces) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()
