"""`/metrics` in Prometheus' text format: requests by route, and gauges that are read from the database at each scrape.

With several server processes each writes its own files into `PROMETHEUS_MULTIPROC_DIR` (which `helpdesk serve` sets) and
a scrape adds them up. Labels are route templates, never paths: a reference in a label is a leak and a new series.
"""

import os
import time
from collections.abc import Iterable, Mapping

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
from prometheus_client.core import GaugeMetricFamily
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


class _FromDatabase:
    """Gauges whose truth is in tables: what is owed, how old the oldest is."""

    def __init__(self, engine: Engine, gauges: Mapping[str, tuple[str, str]]) -> None:
        self._engine = engine
        self._gauges = gauges

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            with self._engine.connect() as connection:
                for name, (what, query) in self._gauges.items():
                    value = connection.execute(text(query)).scalar_one_or_none()
                    yield GaugeMetricFamily(name, what, value=float(value or 0))
        except DBAPIError:
            return  # a scrape during an outage shows the rest; /health/ready says what is wrong


def register(app: Flask, engine: Engine, gauges: Mapping[str, tuple[str, str]]) -> None:
    database = _FromDatabase(engine, gauges)

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
