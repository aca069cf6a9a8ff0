"""Proof of work instead of a picture puzzle: a small computation that costs one sender a second and a thousand of them a
quarter of an hour. Altcha's second version; its widget solves it in the page, and nobody else is asked.

A challenge is signed by us, for one form, and ends after ten minutes. It is taken once: which ones were, the database
knows (`form_models.UsedChallenge`), so that it holds in every process.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import altcha

from helpdesk.complaints.form_models import IntakeForm

LIFE: Final = timedelta(minutes=10)
ALGORITHM: Final = "PBKDF2/SHA-256"
_ROUNDS: Final = 1_000
LONGEST: Final = 4_000
"""Characters of a solution; ours have about 700."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A challenge of ours whose answer is right. `id` is what it is known by."""

    id: bytes
    expires_at: datetime


class Unsolved(Exception):
    """`code` and what to tell."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Challenges:
    """`key`: the program's signing key."""

    key: str

    def new(self, form: IntakeForm, now: datetime) -> dict[str, Any]:
        challenge = altcha.create_challenge(
            ALGORITHM,
            max(1, form.difficulty) * _ROUNDS,
            expires_at=now + LIFE,
            data={"form": str(form.id)},
            hmac_secret=self._secret,
        )
        return challenge.to_dict()

    def solved(self, form: IntakeForm, payload: str, now: datetime) -> Solved:
        """Raises `Unsolved`. That it was not used before is for the caller to make sure of."""
        if not 1 <= len(payload) <= LONGEST:
            raise Unsolved("invalid", "This is no solution.")
        try:
            found = altcha.verify_solution(payload, self._secret)
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            raise Unsolved("invalid", "This is no solution.") from None
        if found.expired:
            raise Unsolved("expired", "The challenge has ended; ask for a new one.")
        if not found.verified:
            raise Unsolved("invalid", "This is no solution of a challenge of ours.")
        challenge = altcha.Payload.from_base64(payload).challenge
        ends = datetime.fromtimestamp(challenge.parameters.expires_at or 0, tz=now.tzinfo)
        if (challenge.parameters.data or {}).get("form") != str(form.id):
            raise Unsolved("other_form", "The challenge was for another form.")
        if ends <= now:
            raise Unsolved("expired", "The challenge has ended; ask for a new one.")
        return Solved(hashlib.sha256((challenge.signature or "").encode()).digest(), ends)

    @property
    def _secret(self) -> bytes:
        """A key of its own: what is signed here must be of no use elsewhere."""
        return hmac.digest(self.key.encode(), b"helpdesk.challenge", "sha256")
