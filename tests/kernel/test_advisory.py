"""The table of advisory locks.

How it can fail: two locks get one number, and who trains waits for who makes a trigger; a number changes, and of two releases
that run side by side both schedule; a lock is taken past the table.
"""

from pathlib import Path
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import func, select

import helpdesk
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.advisory import Alone, Each, key_of, key_of_duty, key_of_import, key_of_request, lock, lock_each
from helpdesk.kernel.unit_of_work import Database

ROOT: Final = Path(helpdesk.__file__).parent
SOMETHING: Final = UUID(int=0x0123456789ABCDEF_FEDCBA9876543210)

HELD: Final = sa.text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid()"
)


def test_no_two_have_one_number() -> None:
    numbers = [item.value for kind in (Alone, Each) for item in kind]
    assert len(numbers) == len(set(numbers)) == len(Alone.__members__) + len(Each.__members__)


def test_what_the_release_before_takes_is_what_this_one_takes() -> None:
    assert Alone.SCHEDULING.value == 0x48445343
    assert Alone.MIGRATING.value == 0x48444D47
    assert key_of_duty(SOMETHING) == 5892482387372130208
    assert key_of_import(SOMETHING) == int.from_bytes(bytes.fromhex("FEDCBA9876543210"), signed=True)
    assert key_of_request(bytes(range(32))) == 0x0001020304050607


def test_what_is_locked(database: Database) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        lock(uow.session, Alone.TRIGGERS)
        lock_each(uow.session, Each.IMPORTED_FILE, "a")
        expected = {Alone.TRIGGERS.value, uow.session.execute(select(key_of(Each.IMPORTED_FILE, "a"))).scalar_one()}
        assert {number for (number,) in uow.session.execute(HELD)} == expected
        other = uow.session.execute(select(func.hashtextextended("a", Each.VIEWS_OF_ONE_OWNER.value))).scalar_one()
        assert other not in expected


def test_nobody_goes_past_the_table() -> None:
    """A number of its own would be one that nobody compares with the others."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "pg_advisory_xact_lock" in path.read_text(encoding="utf-8") or "0x4844" in path.read_text(encoding="utf-8")
    }
    assert found == {
        "kernel/advisory.py",
        "customers/queries.py",  # which locks many at once, in order
        "recovery/kin_queries.py",  # so does this
    }
