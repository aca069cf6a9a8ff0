"""`Idempotency-Key`: the first request's answer is kept in the first request's own transaction.

An advisory lock, held to the end of the transaction, tells a repeat that comes while the first still runs; a crash rolls
back effect, answer and lock together, so no key can be stuck "in progress". Source: draft-ietf-httpapi-idempotency-key-
header. Only successes are kept (48 h): a refusal rolled everything back, so repeating it asks again, which is harmless.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Index, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel.db import Base, Stamped
from helpdesk.kernel.errors import IdempotencyKeyInvalid, IdempotencyKeyReused, RequestInProgress

KEPT = timedelta(hours=48)


class IdempotentAnswer(Stamped, Base):
    __tablename__ = "idempotent_answer"
    __table_args__ = (Index("ix_idempotent_answer_created_at", "created_at"),)

    scope: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 over caller, method, route and key: the key itself need not be kept."""
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    body: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request with a key. `scope` says whose key it is, `fingerprint` what was asked."""

    scope: bytes
    fingerprint: bytes


def attempt(caller: str, method: str, path: str, key: str, body: bytes) -> Attempt:
    """Raises `IdempotencyKeyInvalid`. The draft makes the value a quoted string; most clients send it bare; both do."""
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not all("!" <= char <= "~" for char in key):
        raise IdempotencyKeyInvalid
    scope = hashlib.sha256("\0".join((caller, method, path.rsplit("?", 1)[0], key)).encode()).digest()
    return Attempt(scope, hashlib.sha256(method.encode() + b"\0" + path.encode() + b"\0" + body).digest())


def earlier_answer(session: Session, given: Attempt) -> IdempotentAnswer | None:
    """Lock the key for this transaction and look it up. Two statements on purpose: the look-up needs a snapshot taken
    after the lock, or it would not see what the holder before has just committed.
    """
    lock = int.from_bytes(given.scope[:8], signed=True)
    if not session.execute(select(func.pg_try_advisory_xact_lock(lock))).scalar_one():
        raise RequestInProgress
    found = session.execute(select(IdempotentAnswer).where(IdempotentAnswer.scope == given.scope)).scalar_one_or_none()
    if found is not None and found.fingerprint != given.fingerprint:
        raise IdempotencyKeyReused
    return found


def keep(session: Session, given: Attempt, status: int, headers: dict[str, str], body: bytes) -> None:
    session.add(
        IdempotentAnswer(scope=given.scope, fingerprint=given.fingerprint, status=status, headers=headers, body=body)
    )
    session.flush()  # written before the commit that follows at once; a collision must fail inside the transaction


def forget_old(connection: Connection) -> int:
    return connection.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < func.now() - KEPT)).rowcount
