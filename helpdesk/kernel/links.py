"""Signed, expiring links for people without an account: the right to one thing, and nothing else.

The token names its purpose, so that a link to one kind of page is none to another. Whether it still counts (an offer
withdrawn, already answered) is for the row to say; the signature only proves that we gave it out.
"""

from datetime import datetime
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from helpdesk.kernel.errors import Gone, NotFound


def sign(key: str, purpose: str, subject_id: UUID, expires_at: datetime) -> str:
    return URLSafeSerializer(key, salt=f"helpdesk.link.{purpose}").dumps([subject_id.hex, int(expires_at.timestamp())])


def read(key: str, purpose: str, token: str, now: datetime) -> UUID:
    """Raises `NotFound` for a token that is not ours, `Gone` for one past its time."""
    try:
        subject, expires = URLSafeSerializer(key, salt=f"helpdesk.link.{purpose}").loads(token)
        subject_id, past = UUID(subject), now.timestamp() > expires
    except (BadData, ValueError, TypeError, AttributeError) as error:
        raise NotFound("This link is not valid; check that it was copied whole.") from error
    if past:
        raise Gone("This link has expired.")
    return subject_id
