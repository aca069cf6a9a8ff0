"""Structured logs: one JSON object per line, with request, actor and job ids, and no personal data.

Personal data is kept out by a list of allowed keys, not by a list of forbidden ones: whatever a caller adds under
another name is dropped, and the drop is visible.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "logger",
        "request_id",
        "trace_id",
        "actor",
        "job",
        "duty",
        "topic",
        "method",
        "route",
        "status",
        "ms",
        "error",
        "exception",
        "reason",
        "attempt",
        "duties",
        "sweep",
        "rows",
        "child",
        "pid",
        "code",
        "queue",
        "name",
        "count",
        "port",
        "path_kind",
        "import_id",
        "rejected",
        "accepted",
        "mode",
    ]
)


def _only_allowed(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    dropped = [key for key in entry if key not in ALLOWED and not key.startswith("_")]
    for key in dropped:
        del entry[key]
    if dropped:
        entry["dropped"] = sorted(dropped)
    return entry


def configure(level: str = "INFO") -> None:
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            _only_allowed,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel("WARNING")
    for name in ("rq.worker", "rq.queue", "rq"):  # they do not propagate, and log job arguments at INFO
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel("WARNING")
