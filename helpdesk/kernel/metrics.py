"""`/metrics` in Prometheus' text format: requests by route, and gauges and histograms that are read from the database at each
scrape.

With several server processes each writes its own files into `PROMETHEUS_MULTIPROC_DIR` (which `helpdesk serve` sets) and
a scrape adds them up. Labels are route templates, never paths: a reference in a label is a leak and a new series.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

REQUESTS = Counter("helpdesk_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "helpdesk_request_seconds",
    "Time to answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
"""A caller may send any word as its method; each would be a series of its own."""


_PREFIX: Final = "helpdesk-metrics-"
_LOCK: Final = "lock"


def fresh_folder() -> Path:
    """A folder for the files of a server that begins; those of servers that ended without taking theirs away go.

    A lock on a file in it belongs to the server's processes: it outlives `exec` and ends with the last of them.
    """
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    descriptor = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
    os.set_inheritable(descriptor, True)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _LOCK)  # only now can it be taken for an abandoned one
    return folder


def remove_folder(folder: Path) -> None:
    """At a server's end. Leaves alone what `fresh_folder` did not make."""
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.lstat().st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(folder)
        except OSError:  # its server is alive
            continue
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class HistogramQuery:
    """A histogram that is counted in a table. `query` gives the label's value, the bucket's upper bound (null: none), how many
    are in that bucket alone and their sum; for each value all buckets, from the lowest up.
    """

    help: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class GaugeQuery:
    """A gauge with a label. `query`, with `given` put in, gives each of its values and a number."""

    help: str
    label: str
    query: str
    given: Mapping[str, Any]


class _FromDatabase:
    """What is true in tables: what is owed, how old the oldest is, how late alarms were."""

    def __init__(
        self,
        engine: Engine,
        gauges: Mapping[str, tuple[str, str]],
        histograms: Mapping[str, HistogramQuery],
        labelled: Mapping[str, GaugeQuery],
    ) -> None:
        self._engine = engine
        self._labelled = labelled
        self._gauges = gauges
        self._histograms = histograms

    def collect(self) -> Iterable[GaugeMetricFamily | HistogramMetricFamily]:
        try:
            with self._engine.connect() as connection:
                for name, (what, query) in self._gauges.items():
                    value = connection.execute(text(query)).scalar_one_or_none()
                    yield GaugeMetricFamily(name, what, value=float(value or 0))
                for name, gauge in self._labelled.items():
                    family = GaugeMetricFamily(name, gauge.help, labels=[gauge.label])
                    for value, number in connection.execute(text(gauge.query), gauge.given):
                        family.add_metric([value], float(number))
                    yield family
                for name, histogram in self._histograms.items():
                    yield _family(name, histogram, connection.execute(text(histogram.query)).all())
        except DBAPIError:
            return  # a scrape during an outage shows the rest; /health/ready says what is wrong


def _family(name: str, histogram: HistogramQuery, rows: Sequence[Any]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, histogram.help, labels=[histogram.label])
    for value, buckets in groupby(rows, key=lambda row: str(row[0])):
        counted, whole, cumulative = 0, 0.0, []
        for _, bound, count, total in buckets:
            counted, whole = counted + int(count), whole + float(total)
            cumulative.append(("+Inf" if bound is None else f"{float(bound)}", counted))
        family.add_metric([value], cumulative, whole)
    return family


def register(
    app: Flask,
    engine: Engine,
    gauges: Mapping[str, tuple[str, str]],
    histograms: Mapping[str, HistogramQuery] = MappingProxyType({}),
    labelled: Mapping[str, GaugeQuery] = MappingProxyType({}),
) -> None:
    database = _FromDatabase(engine, gauges, histograms, labelled)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        method = request.method if request.method in _METHODS else "other"
        REQUESTS.labels(method, route, str(response.status_code)).inc()
        if "started" in g:
            SECONDS.labels(method, route).observe(time.perf_counter() - g.started)
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        registry = CollectorRegistry()
        registry.register(database)
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            body = generate_latest(registry)
        else:
            body = generate_latest(registry) + generate_latest(REGISTRY)
        return Response(body, content_type=CONTENT_TYPE_LATEST)
