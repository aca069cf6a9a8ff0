"""Structured logs: one JSON object per line, with request, actor and job ids, and no personal data.

Personal data is kept out by a list of allowed keys, not by a list of forbidden ones: whatever a caller adds under
another name is dropped, and the drop is visible. Of an exception, the places and the types are shown and not what it
says: a driver's message quotes the row, a mail server's the recipient.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "logger",
        "request_id",
        "offer",
        "line",
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


def _places(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from traceback.format_tb(error.__traceback__)
        code = getattr(error, "sqlstate", None)
        yield f"{type(error).__module__}.{type(error).__qualname__}" + (f" [{code}]\n" if code else "\n")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is not None:
            yield "caused by:\n"


def _without_words(exc_info: Any) -> str:
    return "".join(_places(exc_info[1]))


_SIGNAL = re.compile(r"SIG[A-Z]{1,10}[0-9]*")
_ADDRESSED = re.compile(r"(from ip=).*", re.DOTALL)


def _template_only(record: logging.LogRecord) -> bool:
    """What a server library says of our work, without what it is about: its arguments are paths, callers' addresses and
    whole tracebacks. Numbers and names of signals stay.
    """
    if not isinstance(record.msg, str):  # an exception in the place of words
        record.msg = type(record.msg).__qualname__
    if record.levelno != logging.INFO:  # there it says how it starts and stops
        if record.args:
            given = record.args if isinstance(record.args, tuple) else (record.args,)
            record.args = tuple(one if _says_nothing(one) else "..." for one in given)
        else:
            record.msg = _ADDRESSED.sub(r"\1...", record.msg)
    return True


def _says_nothing(argument: object) -> bool:
    return isinstance(argument, int) or (isinstance(argument, str) and _SIGNAL.fullmatch(argument) is not None)


_EXCEPTION = structlog.processors.ExceptionRenderer(_without_words)


def configure(level: str = "INFO") -> None:
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            _EXCEPTION,
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
                _EXCEPTION,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel("WARNING")
    for name in ("rq.worker", "rq.queue", "rq"):  # they do not propagate, and log job arguments at INFO
        _adopt(name, handler, "WARNING")
    _adopt("gunicorn.error", handler, level)


def _adopt(name: str, handler: logging.Handler, level: str) -> None:
    """Another library's logger: our handler instead of its own, and no arguments."""
    logger = logging.getLogger(name)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)
    logger.filters[:] = [_template_only]
