"""What a provider's answer means. Pure: from status, headers and body to one `Answer`.

Asked to issue (POST): 200 or 201 with a `reference` is issued; 202 is pending, with the provider's own `id`; 429 and 425
are busy; another 4xx is a refusal for good, with the provider's words; everything else (408, 409, 5xx, a redirect, an answer
that cannot be read) is unclear: it may have been done. Asked how it stands (GET): `status` is issued, pending, failed or
unknown (404), which says that the provider never heard of the key. A 404 without that word says nothing.

A 2xx to the POST claims that it was taken on or done, also where it cannot be read. That the key is unknown, said later, does
not undo such a claim: where the status is kept may lag behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from helpdesk.kernel.outgoing import Answered, Unanswered

ISSUED: Final = "issued"
PENDING: Final = "pending"
FAILED: Final = "failed"
"""Tried over there, and it did not work: sure."""
REFUSED: Final = "refused"
"""This request is refused for good; what came of an earlier one it does not say."""
BUSY: Final = "busy"
UNCLEAR: Final = "unclear"
UNHEARD: Final = "unheard"
"""The provider never heard of the key."""
CLOSED: Final = "closed"
"""It was switched off, and not asked."""

MOST_REFERENCE: Final = 200
_MOST_WORDS: Final = 300
_MOST_WAIT: Final = 3600


@dataclass(frozen=True, slots=True)
class Answer:
    """`says`: one of the words above. `detail`: the provider's words, or what is wrong with its answer. `wait`: seconds that it
    asks for before the next request. `claim`: what it said where that says, or may say, that it has done it; empty otherwise.
    `silent`: it kept whoever asked waiting for all the time that there was.
    """

    says: str
    reference: str | None = None
    external_id: str | None = None
    detail: str = ""
    wait: int = 0
    claim: str = ""
    silent: bool = False


def of_issue(answered: Answered) -> Answer:
    """To a POST."""
    said, status = _object(answered.body), answered.status
    if status in {200, 201}:
        return _issued(said, status)
    if status == 202:
        return Answer(PENDING, external_id=_line(said.get("id")), claim="answered 202")
    detail = _words(said, status)
    if 200 <= status < 300:
        return Answer(UNCLEAR, detail=detail, claim=detail)
    if status in {425, 429}:
        return Answer(BUSY, detail=detail, wait=_wait(answered.headers))
    if 400 <= status < 500 and status not in {408, 409}:
        return Answer(REFUSED, detail=detail)
    return Answer(UNCLEAR, detail=detail, wait=_wait(answered.headers))


def of_none(method: str, why: Unanswered) -> Answer:
    """To a request that may have come, where no whole answer did."""
    if why.status is None:
        return Answer(UNCLEAR, detail=f"no answer: {why}", silent=why.timed_out)
    detail = f"answered {why.status}, and it cannot be read: {why}"
    claim = detail if method == "POST" and 200 <= why.status < 300 else ""
    return Answer(UNCLEAR, detail=detail, claim=claim, silent=why.timed_out)


def of_status(answered: Answered) -> Answer:
    """To a GET."""
    said, status = _object(answered.body), answered.status
    word = said.get("status")
    if status == 404 and word == "unknown":
        return Answer(UNHEARD, detail="the provider does not know the key")
    if status != 200:
        return Answer(UNCLEAR, detail=_words(said, status), wait=_wait(answered.headers))
    if word == ISSUED:
        return _issued(said, status)
    if word == PENDING:
        return Answer(PENDING, external_id=_line(said.get("id")), claim="said that it was pending")
    if word == FAILED:
        return Answer(FAILED, detail=_words(said, None))
    return Answer(UNCLEAR, detail="answered a status that cannot be read")


def _issued(said: Mapping[str, Any], status: int) -> Answer:
    reference = _line(said.get("reference"))
    if reference is None:
        detail = f"answered {status} without a `reference` that can be read"
        return Answer(UNCLEAR, external_id=_line(said.get("id")), detail=detail, claim=detail)
    return Answer(ISSUED, reference=reference, external_id=_line(said.get("id")))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _line(value: object) -> str | None:
    """A text of one line that can be kept, or a whole number as its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= MOST_REFERENCE and text.isprintable() else None


def _words(said: Mapping[str, Any], status: int | None) -> str:
    words = next(
        (said[name] for name in ("detail", "reason", "error", "message") if isinstance(said.get(name), str)), ""
    )
    words = "".join(char for char in words if char.isprintable())[:_MOST_WORDS]
    return ": ".join(part for part in (None if status is None else f"answered {status}", words) if part)


def _wait(headers: Mapping[str, str]) -> int:
    told = headers.get("retry-after", "").strip()
    return min(int(told), _MOST_WAIT) if told.isascii() and told.isdigit() else 0
