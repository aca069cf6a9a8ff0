"""`Idempotency-Key`: the first request's answer is kept in the first request's own transaction.

An advisory lock, held to the end of the transaction, tells a repeat that comes while the first still runs; a crash rolls
back effect, answer and lock together, so no key can be stuck "in progress". Source: draft-ietf-httpapi-idempotency-key-
header. Only successes are kept (48 h): a refusal rolled everything back, so repeating it asks again, which is harmless.
"""

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Engine, Index, LargeBinary, Uuid, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel import advisory
from helpdesk.kernel.db import Base, Stamped
from helpdesk.kernel.errors import IdempotencyKeyInvalid, IdempotencyKeyReused, RequestInProgress
from helpdesk.kernel.forgetting import forget

KEPT = timedelta(hours=48)


class IdempotentAnswer(Stamped, Base):
    __tablename__ = "idempotent_answer"
    __table_args__ = (
        Index("ix_idempotent_answer_created_at", "created_at"),
        Index("ix_idempotent_answer_about", "about", postgresql_using="gin"),
    )

    scope: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 over caller, method, route and key: the key itself need not be kept."""
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    body: Mapped[bytes]
    about: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default="{}")
    """The complaints that the answer tells of, so that what is redacted in them is found here too."""


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
    lock = advisory.key_of_request(given.scope)
    if not session.execute(select(func.pg_try_advisory_xact_lock(lock))).scalar_one():
        raise RequestInProgress
    found = session.execute(select(IdempotentAnswer).where(IdempotentAnswer.scope == given.scope)).scalar_one_or_none()
    if found is not None and found.fingerprint != given.fingerprint:
        raise IdempotencyKeyReused
    return found


def keep(
    session: Session, given: Attempt, status: int, headers: dict[str, str], body: bytes, *, about: Collection[UUID] = ()
) -> None:
    session.add(
        IdempotentAnswer(
            scope=given.scope,
            fingerprint=given.fingerprint,
            status=status,
            headers=headers,
            body=body,
            about=sorted(about),
        )
    )
    session.flush()  # written before the commit that follows at once; a collision must fail inside the transaction


def rewrite(session: Session, about: UUID, change: Callable[[Any], Any]) -> None:
    """Change every kept answer that tells of a row; `change` takes and gives the answer as JSON. An answer without JSON
    is left. Its tag is no digest of the old text any more.
    """
    kept = select(IdempotentAnswer).where(IdempotentAnswer.about.contains([about])).with_for_update()
    for answer in session.scalars(kept):
        try:
            told = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            continue
        changed = change(told)
        if changed != told:
            answer.body = orjson.dumps(changed)
            answer.headers = {
                name: _DIGEST.sub('"', value) if name == "ETag" else value for name, value in answer.headers.items()
            }


_DIGEST: Final = re.compile(r'-[0-9a-f]+"')


def forget_old(engine: Engine) -> int:
    """For the schedule."""
    return forget(engine, IdempotentAnswer, IdempotentAnswer.created_at < func.now() - KEPT)
