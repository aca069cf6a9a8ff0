"""The tracking secret: what the complainant has, with the reference, instead of an account.

130 bits, written like the reference. It is kept nowhere, only its hash is; it can be made again from our own key, the
complaint and the number of the secret, and so a mail that tells it need not hold it while it waits to be sent. A new one
has the next number, and the one before it opens nothing any more.

Where our key has changed since, the secret that was given out still opens (the hash says so), and cannot be told again:
then a new one is issued.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from helpdesk.kernel.ids import code_of, parse_code

_CHARS: Final = 26
_NOTHING: Final = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Secrets:
    """Makes them. `key` is the program's signing key."""

    key: str

    def of(self, complaint_id: UUID, number: int) -> str:
        text = f"helpdesk.tracking/{complaint_id}/{number}"
        digest = hmac.digest(self.key.encode(), text.encode(), "sha256")
        return code_of(int.from_bytes(digest), _CHARS)

    def told_again(self, complaint_id: UUID, number: int, hashed: bytes | None) -> str | None:
        """The secret that is in force, where it can still be made; else None."""
        if hashed is None:
            return None
        secret = self.of(complaint_id, number)
        return secret if hmac.compare_digest(hash_of(secret), hashed) else None


def hash_of(secret: str) -> bytes:
    """Of a canonical secret: it is random, so one hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def fits(given: str, hashed: bytes | None) -> bool:
    """Whether somebody typed the secret of this hash. It takes as long whether there is a hash or not."""
    canonical = parse_code(given, _CHARS)
    right = hmac.compare_digest(hash_of(canonical or "no secret"), hashed or _NOTHING)
    return right and canonical is not None and hashed is not None
