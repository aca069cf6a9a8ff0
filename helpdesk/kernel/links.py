"""Signed, expiring links for people without an account: the right to one thing, and nothing else.

The token names its purpose, so that a link to one kind of page is none to another. Whether it still counts (an offer
withdrawn, already answered) is for the row to say; the signature only proves that we gave it out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from helpdesk.kernel.errors import Gone, NotFound


def sign(key: str, purpose: str, subject_id: UUID, expires_at: datetime) -> str:
    return URLSafeSerializer(key, salt=f"helpdesk.link.{purpose}").dumps([subject_id.hex, int(expires_at.timestamp())])


def read(key: str, purpose: str, token: str, now: datetime) -> UUID:
    """Raises `NotFound` for a token that is not ours, `Gone` for one past its time."""
    subject_id, expires_at = opened(key, purpose, token)
    if now > expires_at:
        raise Gone("This link has expired.")
    return subject_id


def opened(key: str, purpose: str, token: str) -> tuple[UUID, datetime]:
    """What it is to, and its time: for whoever may have given more of it since. Raises `NotFound` for a token that is not ours."""
    try:
        subject, expires = URLSafeSerializer(key, salt=f"helpdesk.link.{purpose}").loads(token)
        return UUID(subject), datetime.fromtimestamp(expires, UTC)
    except (BadData, ValueError, TypeError, AttributeError) as error:
        raise NotFound("This link is not valid; check that it was copied whole.") from error


def seal(key: str, purpose: str, parts: Sequence[str], expires_at: datetime) -> str:
    """As `sign`, for a right that it takes several words to say: whose, to what, of which."""
    return URLSafeSerializer(key, salt=f"helpdesk.seal.{purpose}").dumps([*parts, int(expires_at.timestamp())])


def unseal(key: str, purpose: str, token: str, now: datetime, *, parts: int) -> list[str]:
    """Raises `NotFound` for a token that is not ours, `Gone` for one past its time."""
    try:
        *found, expires = URLSafeSerializer(key, salt=f"helpdesk.seal.{purpose}").loads(token)
        past = now.timestamp() > expires
    except (BadData, ValueError, TypeError) as error:
        raise NotFound("This link is not valid; check that it was copied whole.") from error
    if past:
        raise Gone("This link has expired.")
    if len(found) != parts:
        raise NotFound("This link is not valid; check that it was copied whole.")
    return [str(part) for part in found]
