"""Whether a provider keeps the contract: asked over the wire as Helpdesk would, and in the ways in which things go wrong.

For whoever writes a provider. It issues for real what it is asked: point it at a test installation. Each finding is one line:
what was expected, whether it holds, and what came instead.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import orjson

from helpdesk.kernel import outgoing, signatures
from helpdesk.kernel.outgoing import Answered
from helpdesk.recovery import provider_answers
from helpdesk.recovery.provider_answers import FAILED, ISSUED, PENDING, REFUSED, UNHEARD, Answer

_NEVER: Final = "f" * 32


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    holds: bool
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How to reach the provider, and what to ask it for. `amount`: as on the wire."""

    url: str
    secret: str
    private: bool
    timeout: float = 10.0
    kind: str = "refund"
    amount: str = "0.01"
    currency: str = "EUR"

    def body(self, key: str, **change: Any) -> bytes:
        said: dict[str, Any] = {
            "type": "remedy.issue",
            "idempotency_key": key,
            "offer_id": key.rpartition("-")[0],
            "round": 1,
            "kind": self.kind,
            "amount": {"amount": self.amount, "currency": self.currency},
            "complaint_id": str(uuid4()),
            "complaint_reference": "7K3M-9QX2-TAM",
            "customer_id": None,
            "language": "en",
        }
        return orjson.dumps(said | change)

    def post(self, key: str, body: bytes, *, secret: str | None = None, off: int = 0, **headers: Any) -> Answered:
        signed = signatures.sign([secret or self.secret], f"issue-{key}", int(time.time()) + off, body)
        told = {"Content-Type": "application/json", "Idempotency-Key": key, **signed}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", self.url, told, body)

    def get(self, key: str, *, secret: str | None = None) -> Answered:
        signed = signatures.sign([secret or self.secret], f"status-{key}", int(time.time()), b"")
        return self._ask("GET", f"{self.url.rstrip('/')}/{quote(key, safe='')}", signed, b"")

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        told = {"Accept": "application/json", **headers}
        return outgoing.ask(method, url, headers=told, body=body, timeout=self.timeout, private=self.private)


def check(probe: Probe) -> Iterator[Finding]:
    """Every promise of the contract, in order. A provider that does not answer breaks the one that asked. Raises `NotReached` where
    nothing could be sent: what is left was not tried, and nothing is said of it.
    """
    for what, keeps in PROMISES.items():
        try:
            instead = keeps(probe)
        except outgoing.Unanswered as error:
            instead = f"no answer: {error}"
        yield Finding(what, instead is None, instead or "")


def _key() -> str:
    return f"{uuid4()}-1"


def _issues(probe: Probe) -> str | None:
    key = _key()
    said = provider_answers.of_issue(probe.post(key, probe.body(key)))
    return None if said.says in {ISSUED, PENDING} else _came(said)


def _same_twice(probe: Probe) -> str | None:
    key = _key()
    body = probe.body(key)
    first = provider_answers.of_issue(probe.post(key, body))
    second = provider_answers.of_issue(probe.post(key, body))
    if {first.says, second.says} - {ISSUED, PENDING}:
        return f"{_came(first)}, then {_came(second)}"
    same = first.reference == second.reference or PENDING in {first.says, second.says}
    return None if same else f"{first.reference}, then {second.reference}"


def _other_body(probe: Probe) -> str | None:
    key = _key()
    probe.post(key, probe.body(key))
    other = probe.post(key, probe.body(key, amount={"amount": "0.02", "currency": probe.currency}))
    return None if other.status in {409, 422} else f"answered {other.status}"


def _unsigned(probe: Probe) -> str | None:
    key = _key()
    answered = probe.post(key, probe.body(key), webhook_signature="v1,AAAA")
    return _refused(answered)


def _others_secret(probe: Probe) -> str | None:
    key = _key()
    return _refused(probe.post(key, probe.body(key), secret=signatures.new_secret()))


def _changed_body(probe: Probe) -> str | None:
    key = _key()
    signed = signatures.sign([probe.secret], f"issue-{key}", int(time.time()), probe.body(key))
    other = probe.body(key, amount={"amount": "9.99", "currency": probe.currency})
    kept: dict[str, Any] = {name.replace("-", "_"): value for name, value in signed.items()}
    return _refused(probe.post(key, other, **kept))


def _old(probe: Probe) -> str | None:
    key = _key()
    return _refused(probe.post(key, probe.body(key), off=-3600))


def _refused_is_not_done(probe: Probe) -> str | None:
    key = _key()
    probe.post(key, probe.body(key), secret=signatures.new_secret())
    said = provider_answers.of_status(probe.get(key))
    return None if said.says == UNHEARD else _came(said)


def _status_of_done(probe: Probe) -> str | None:
    key = _key()
    done = provider_answers.of_issue(probe.post(key, probe.body(key)))
    said = provider_answers.of_status(probe.get(key))
    if said.says not in {ISSUED, PENDING, FAILED}:
        return _came(said)
    both = done.says == said.says == ISSUED
    return f"{done.reference} at first, then {said.reference}" if both and done.reference != said.reference else None


def _status_of_unheard(probe: Probe) -> str | None:
    said = provider_answers.of_status(probe.get(f"{_NEVER}-{_key()}"))
    return None if said.says == UNHEARD else _came(said)


def _status_signed(probe: Probe) -> str | None:
    return _refused(probe.get(_key(), secret=signatures.new_secret()))


def _refusal_is_final(probe: Probe) -> str | None:
    key = _key()
    body = probe.body(key, kind="no_such_kind")
    said = [provider_answers.of_issue(probe.post(key, body)) for _ in range(2)]
    wrong = next((item for item in said if item.says != REFUSED), None)
    return None if wrong is None else _came(wrong)


def _refused(answered: Answered) -> str | None:
    return None if answered.status in {401, 403} else f"answered {answered.status}"


def _came(said: Answer) -> str:
    return f"{said.says} ({said.detail})" if said.detail else said.says


PROMISES: Final[Mapping[str, Callable[[Probe], str | None]]] = {
    "a signed request is issued (200 or 201 with a reference) or taken on (202)": _issues,
    "the same key and body again give the same reference": _same_twice,
    "the same key with another body is refused (409 or 422)": _other_body,
    "a wrong signature is refused (401 or 403)": _unsigned,
    "another's secret is refused": _others_secret,
    "a body that was changed after it was signed is refused": _changed_body,
    "a timestamp of an hour ago is refused": _old,
    "what was refused for its signature was not done": _refused_is_not_done,
    "GET {url}/{key} tells how it stands": _status_of_done,
    'GET of a key that never came is 404 with {"status": "unknown"}': _status_of_unheard,
    "GET with another's secret is refused": _status_signed,
    "a kind that it does not issue is refused for good (4xx), each time": _refusal_is_final,
}
"""What a provider promises, and what tells whether it keeps it: None, or what came instead."""
