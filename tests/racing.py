"""Two callers at the same moment, with real threads and real connections, and no sleeping for luck."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

_PATIENCE = 30
"""Seconds until a test that waits for something gives up."""

LOCKS: Final = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""SQL: how many advisory locks are held; what a process held that died is gone when there are none."""


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Every call in a thread of its own, all let go together; their results in order."""
    gate = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait(_PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def behind_lock(engine: Engine, lock: str, *calls: Callable[[], Any], **values: Any) -> list[Any]:
    """Take a lock, start every call, wait until all of them stand in its queue, let go; their results in order."""
    with engine.connect() as holder, ThreadPoolExecutor(len(calls)) as pool:
        holder.execute(text(lock), values)
        running = [pool.submit(call) for call in calls]
        try:
            with engine.connect() as watcher:
                until(lambda: waiting(watcher) >= len(calls))
        finally:
            holder.rollback()
        return [future.result() for future in running]


def while_it_waits(engine: Engine, lock: str, call: Callable[[], Any], *meanwhile: str, **values: Any) -> Any:
    """Take a lock, start the call, wait until it stands in the queue, do what happens meanwhile, commit; its result."""
    with engine.connect() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(text(lock), values)
        running = pool.submit(call)
        try:
            with engine.connect() as watcher:
                until(lambda: waiting(watcher) >= 1)
            for statement in meanwhile:
                holder.execute(text(statement))
            holder.commit()
        finally:
            holder.rollback()
        return running.result()


def waiting(connection: Connection) -> int:
    """How many sessions of this database wait for a lock."""
    connection.rollback()  # a new look at the statistics
    found: int = connection.execute(
        text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    ).scalar_one()
    return found


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that must come, looking often."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("it did not come")
        time.sleep(0.005)
