"""Every advisory lock of the program, in one table: PostgreSQL knows them by a number alone, so that two that meet by chance
would wait for each other.

Take one where no row can be locked: what is counted, or looked for, is not there yet. Where a row says it, lock the row. The
numbers never change: processes of two releases run side by side while one follows the other.
"""

import hashlib
from enum import Enum, unique
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session


@unique
class Alone(Enum):
    """What one does at a time in the whole installation."""

    AGENTS_AND_TEAMS = 0x48444147
    AUTHORITY_RULES = 0x48444152
    BOOTSTRAP_TOKENS = 0x48444144
    CUSTOM_FIELDS = 0x48444346
    DEFAULT_POLICY = 0x48445341
    GUARD_RULES = 0x48444752
    MIGRATING = 0x48444D47
    PARENTS = 0x4844504C
    REGIMES = 0x48445247
    PLAYBOOKS = 0x48445042
    TARIFFS = 0x48445446
    SCHEDULING = 0x48445343
    TRAINING = 0x48444354
    TRIGGERS = 0x48445452


@unique
class Each(Enum):
    """What one does at a time with one of many: seeds, of which a text makes a number of 64 bits (`key_of`)."""

    AUTHORITY = 0
    COMPENSATION = 0x48444350
    CUSTOMERS_ADDRESS = 0x48444355
    IMPORTED_FILE = 0x48444946
    VIEWS_OF_ONE_OWNER = 0x48445657


def lock(session: Session, what: Alone) -> None:
    """To the end of the transaction."""
    session.execute(select(func.pg_advisory_xact_lock(what.value)))


def lock_shared(session: Session, what: Alone) -> None:
    """To the end of the transaction: with any number of others that take it so, and with nobody who takes it alone."""
    session.execute(select(func.pg_advisory_xact_lock_shared(what.value)))


def lock_each(session: Session, kind: Each, named: str) -> None:
    """To the end of the transaction."""
    session.execute(select(func.pg_advisory_xact_lock(key_of(kind, named))))


def key_of(kind: Each, named: Any) -> ColumnElement[int]:
    """`named`: a text, or a column of texts."""
    return func.hashtextextended(named, kind.value)


def key_of_request(scope: bytes) -> int:
    """`scope`: what an `Idempotency-Key` stands for, hashed."""
    return int.from_bytes(scope[:8], signed=True)


def key_of_duty(duty_id: UUID) -> int:
    digest = hashlib.blake2b(duty_id.bytes, digest_size=8, person=b"helpdesk duty").digest()
    return int.from_bytes(digest, signed=True)


def key_of_import(job_id: UUID) -> int:
    """Its random half."""
    return int.from_bytes(job_id.bytes[8:], signed=True)
