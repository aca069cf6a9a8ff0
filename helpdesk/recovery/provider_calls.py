"""Asking a provider: over HTTP, signed with its secret, or the recording one, which stands in for it and moves nothing.

Both keep one promise: the same key is answered the same. Call with no transaction open. Nothing is raised for a provider
that is away: nothing sent is `busy`, sent and not answered is `unclear`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote
from uuid import UUID

import orjson
from sqlalchemy.dialects.postgresql import insert

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, outgoing, signatures
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import provider_answers, provider_queries
from helpdesk.recovery.issuers import IN_PROVIDER, MADE
from helpdesk.recovery.provider_answers import BUSY, CLOSED, ISSUED, UNHEARD, Answer
from helpdesk.recovery.provider_models import RecordedRemedy

_AGENT: Final = "Helpdesk"


class Provider(Protocol):
    def issue(self, key: str, body: str) -> Answer:
        """Ask it to issue; `body` is JSON."""

    def status(self, key: str) -> Answer:
        """Ask it what became of that."""


@dataclass(frozen=True, slots=True)
class HttpProvider:
    """`keys`: secrets that sign, the newest first. `timeout`: seconds. `private`: also to addresses that are not public."""

    url: str
    keys: Sequence[str]
    timeout: float
    private: bool

    def issue(self, key: str, body: str) -> Answer:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        found = self._ask("POST", self.url, f"issue-{key}", headers, body.encode())
        return found if isinstance(found, Answer) else provider_answers.of_issue(found)

    def status(self, key: str) -> Answer:
        found = self._ask("GET", f"{self.url.rstrip('/')}/{quote(key, safe='')}", f"status-{key}", {}, b"")
        return found if isinstance(found, Answer) else provider_answers.of_status(found)

    def _ask(
        self, method: str, url: str, message_id: str, headers: Mapping[str, str], body: bytes
    ) -> outgoing.Answered | Answer:
        signed = signatures.sign(self.keys, message_id, int(time.time()), body)
        told = {"Accept": "application/json", "User-Agent": _AGENT, **headers, **signed}
        try:
            return outgoing.ask(method, url, headers=told, body=body, timeout=self.timeout, private=self.private)
        except outgoing.NotReached as error:
            return Answer(BUSY, detail=f"not reached: {error}", silent=error.timed_out)
        except outgoing.Unanswered as error:
            return provider_answers.of_none(method, error)


@dataclass(frozen=True, slots=True)
class RecordingProvider:
    """Keeps what it is asked, in a table, and answers as if it had done it."""

    database: Database
    provider_id: UUID

    def issue(self, key: str, body: str) -> Answer:
        with self.database.unit_of_work(SYSTEM) as uow:
            made = new_id()
            row = {
                "id": made,
                "provider_id": self.provider_id,
                "key": key,
                "body": orjson.loads(body),
                "reference": f"recorded-{made.hex[-12:]}",
            }
            uow.session.execute(insert(RecordedRemedy).values(row).on_conflict_do_nothing(index_elements=["key"]))
            faults.point(IN_PROVIDER)
        faults.point(MADE)
        return self.status(key)

    def status(self, key: str) -> Answer:
        with self.database.reader() as session:
            reference = provider_queries.recorded_reference(session, key)
        return Answer(UNHEARD) if reference is None else Answer(ISSUED, reference=reference)


class ClosedProvider:
    """One that was switched off: it is asked nothing new."""

    def issue(self, _key: str, _body: str) -> Answer:
        return Answer(CLOSED)

    def status(self, _key: str) -> Answer:
        return Answer(CLOSED)
