"""A small provider that keeps the contract: a real HTTP server on this machine. What it does with the next requests to issue
is told to it (`plan`); with nothing planned it issues. `faults` break its promises one by one.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote

from helpdesk.kernel import signatures
from helpdesk.recovery.kinds import OUTSIDE

Reply = tuple[int, dict[str, Any]]
HANG: Final[Reply] = (0, {})
TWICE: Final = 1
"""No statuses of HTTP: what the server is to do."""


@dataclass
class Done:
    body: bytes
    status: str
    reference: str
    reason: str | None = None


@dataclass
class ReferenceProvider:
    """`asked`: (method, key) of every request that was well signed. `done`: by key. `plan`: what to do with the next POSTs:
    issue, pending, refuse, busy, error (500, and nothing done), lost (done, and 500 answered), silent (done, and the connection
    closed without a word), hang (done, and the connection held open without a word, until whoever asked goes), twice (done, and
    answered twice, with another reference the second time), absent (nothing done, closed), redirect, strange, huge, wordless, numbered (done, and its reference a number).
    `before`: called before answering. One that is `deaf` holds every connection open without a word.
    """

    secret: str
    plan: list[str] = field(default_factory=list)
    faults: frozenset[str] = frozenset()
    asked: list[tuple[str, str]] = field(default_factory=list)
    done: dict[str, Done] = field(default_factory=dict)
    before: Callable[[str], None] | None = None
    away: bool = False
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: int = 0

    def post(self, headers: dict[str, str], body: bytes) -> Reply | None:
        if not self._signed(headers, body):
            return 401, {"detail": "not signed as it should be"}
        key = headers.get("idempotency-key", "")
        with self._lock:
            self.asked.append(("POST", key))
            if "deaf" in self.faults:
                return HANG
            step = "error" if self.away else self.plan.pop(0) if self.plan else "issue"
            earlier = self.done.get(key)
            if earlier is not None and "doubles" not in self.faults:
                if earlier.body != body and "any_body" not in self.faults:
                    return 422, {"detail": "this key came with another body"}
                if step == "issue":
                    return self._told(earlier)
            if step == "issue" and "any_kind" not in self.faults and json.loads(body)["kind"] not in OUTSIDE:
                return 422, {"detail": "not one that is issued here"}
            reply = self._do(step, key, body)
        if self.before is not None:
            self.before(key)
        return reply

    def _do(self, step: str, key: str, body: bytes) -> Reply | None:
        refusals: dict[str, Reply] = {
            "refuse": (422, {"detail": "The account is closed."}),
            "busy": (429, {"detail": "slowly"}),
            "error": (500, {}),
            "redirect": (307, {}),
        }
        if step in refusals:
            return refusals[step]
        if step == "absent":
            return None
        self._count += 1
        made = Done(body, "pending" if step == "pending" else "issued", f"re_{self._count}")
        self.done.setdefault(key, made)
        if "doubles" in self.faults:
            self.done[key] = made
        strange: dict[str, Reply | None] = {
            "lost": (500, {}),
            "silent": None,
            "hang": HANG,
            "twice": (TWICE, {"reference": made.reference}),
            "strange": (200, {"reference": ["no", "text"]}),
            "wordless": (200, {}),
            "numbered": (201, {"reference": 12345}),
            "huge": (200, {"reference": made.reference, "filler": "x" * 100_000}),
        }
        return strange[step] if step in strange else self._told(self.done[key])

    def _told(self, done: Done) -> Reply:
        if done.status == "pending":
            return 202, {"id": f"job-{done.reference}"}
        if done.status == "failed":
            return 422, {"detail": done.reason}
        return 200, {"reference": done.reference}

    def get(self, headers: dict[str, str], key: str) -> Reply | None:
        if not self._signed(headers, b""):
            return 401, {"detail": "not signed as it should be"}
        with self._lock:
            self.asked.append(("GET", key))
            done = self.done.get(key)
        if "deaf" in self.faults:
            return HANG
        if self.away:
            return 500, {}
        if "no_status" in self.faults:
            return 404, {}
        if done is None or "lagging" in self.faults:
            return 404, {"status": "unknown"}
        found = {"status": done.status, "reference": done.reference, "reason": done.reason}
        return 200, {name: value for name, value in found.items() if value is not None}

    def _signed(self, headers: dict[str, str], body: bytes) -> bool:
        if "any_signature" in self.faults:
            return True
        now = datetime.now(UTC)
        if "any_time" in self.faults and headers.get("webhook-timestamp", "").isdigit():
            now = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        try:
            signatures.verify([self.secret], headers, body, now)
        except signatures.BadSignature:
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    provider: ReferenceProvider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self.provider.post(self._small(), body))

    def do_GET(self) -> None:
        self._answer(self.provider.get(self._small(), unquote(self.path.rsplit("/", 1)[1])))

    def _small(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _answer(self, reply: Reply | None) -> None:
        self.close_connection = True
        if reply is None:
            return
        if reply == HANG:
            with contextlib.suppress(OSError):
                self.connection.recv(1)
            return
        status, said = reply
        if status == TWICE:
            self._write(200, said)
            self._write(200, {"reference": f"{said['reference']} again"})
        else:
            self._write(status, said)

    def _write(self, status: int, said: dict[str, Any]) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"{self.provider.url}/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked may have gone
            self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def running(provider: ReferenceProvider) -> Iterator[ReferenceProvider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    provider.url = f"http://127.0.0.1:{server.server_port}/remedies"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
