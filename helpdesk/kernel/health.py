"""Is the process alive; is the system ready. Ready means that it can take requests and keep its promises.

Without Redis the API is `degraded`, not down: everything owed waits in the database. What makes it not ready is a
database that cannot be reached or whose schema is not the program's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import redis
from flask import Blueprint, Flask, Response
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine, text

from helpdesk.kernel import migrations
from helpdesk.kernel.doorbell import QUEUES

_TIMEOUT: Final = 0.5
"""Seconds to wait for Redis: a probe gives up after a second or two, and an API that is merely degraded would be taken for dead."""


def _json(body: Mapping[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, mimetype="application/json")


def register(
    app: Flask,
    engine: Engine,
    redis_url: str | None,
    ages: Mapping[str, str],
    limits: Callable[[], dict[str, Any]],
    *,
    mails: bool,
) -> None:
    """`ages`: name -> SQL for the age in seconds of the oldest overdue row of some kind, NULL when there is none.
    `limits`: how requests are counted at the moment. `mails`: a mail server is set up; whether it is there is not asked.
    """
    blueprint = Blueprint("health", __name__)
    probe = None if redis_url is None else _probe(redis_url)

    @blueprint.get("/health/live")
    def live() -> Response:
        return _json({"status": "alive"}, 200)

    @blueprint.get("/health/ready")
    def ready() -> Response:
        checks: dict[str, Any] = {"database": _try(lambda: _database(engine, ages))}
        checks["redis"] = {"status": "absent"} if probe is None else _try(lambda: _redis(probe))
        checks["limits"] = limits()
        checks["mail"] = {"status": "set_up" if mails else "absent"}
        down = checks["database"]["status"] != "ok"
        degraded = "down" in {checks["redis"]["status"], checks["limits"]["status"]}
        status = "down" if down else "degraded" if degraded else "ready"
        return _json({"status": status, "checks": checks}, 503 if down else 200)

    app.register_blueprint(blueprint)


def _try(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # whatever it is, this part is not well, and the answer must say so
        return {"status": "down", "reason": type(error).__name__}


def _database(engine: Engine, ages: Mapping[str, str]) -> dict[str, Any]:
    with engine.connect() as connection:
        at = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        head = migrations.head()
        if at != head:
            return {"status": "down", "reason": f"migrations at {at}, program needs {head}; run `helpdesk migrate`"}
        found = {name: connection.execute(text(query)).scalar_one_or_none() for name, query in ages.items()}
    return {"status": "ok", "migration": at} | {
        name: None if age is None else round(float(age), 3) for name, age in found.items()
    }


def _probe(url: str) -> "redis.Redis":
    """A connection of its own: what rings workers waits longer for its answers."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0)
    )


def _redis(probe: "redis.Redis") -> dict[str, Any]:
    """With, of each queue, the rings that wait in it and the workers that have said they listen to it: a queue without any
    stands still.
    """
    asking = probe.pipeline(transaction=False)
    for queue in QUEUES:
        asking.llen(f"rq:queue:{queue}")
        asking.scard(f"rq:workers:{queue}")
    try:
        found = asking.execute()
    except redis.RedisError as error:
        return {"status": "down", "reason": type(error).__name__}
    numbers = zip(QUEUES, found[::2], found[1::2], strict=True)
    return {"status": "ok", "queues": {name: {"rings": rings, "workers": workers} for name, rings, workers in numbers}}
