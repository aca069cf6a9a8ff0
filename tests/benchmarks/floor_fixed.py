"""Floor (b): plain Flask that answers fixed JSON, the very bytes that the program answered to the same request once.

No database, no authentication, nothing computed: what is left is what Flask, gunicorn and the load itself cost.
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, request

BODIES = "HELPDESK_BENCH_BODIES"
"""Environment: a file with the bodies by operation (base64), written before this server starts."""

ROUTES = (
    ("create", "POST", "/api/v1/complaints", 201),
    ("get", "GET", "/api/v1/complaints/<ref>", 200),
    ("reply", "POST", "/api/v1/complaints/<ref>/messages", 201),
    ("transition", "POST", "/api/v1/complaints/<ref>/actions/ask_customer", 200),
    ("resume", "POST", "/api/v1/complaints/<ref>/actions/resume", 200),
    ("list", "GET", "/api/v1/complaints", 200),
)


def create_app() -> Flask:
    app = Flask("floor_fixed", static_folder=None)
    kept: dict[str, str] = json.loads(Path(os.environ[BODIES]).read_text(encoding="ascii"))
    bodies = {name: base64.b64decode(text) for name, text in kept.items()}
    for name, method, rule, status in ROUTES:
        app.add_url_rule(rule, name, _answering(bodies.get(name, b"{}"), status), methods=[method])
    return app


def _answering(body: bytes, status: int) -> Callable[..., Response]:
    def view(ref: str = "") -> Response:
        request.get_data()  # a body is received, whatever becomes of it
        return Response(body, status, mimetype="application/json")

    return view
