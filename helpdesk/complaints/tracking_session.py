"""What reference and secret are exchanged for: a signed token for one complaint, for half an hour.

It names the number of the secret that opened it, so that a new secret ends it at once; the row says which number is in
force. The signature only proves that we gave it out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

LIFE: Final = timedelta(minutes=30)
_SALT: Final = "helpdesk.tracking.session"


@dataclass(frozen=True, slots=True)
class Session:
    complaint_id: UUID
    number: int
    expires_at: datetime


def sign(key: str, complaint_id: UUID, number: int, now: datetime) -> tuple[str, datetime]:
    """The token, and when it ends."""
    ends = (now + LIFE).replace(microsecond=0)
    return URLSafeSerializer(key, salt=_SALT).dumps([complaint_id.hex, number, int(ends.timestamp())]), ends


def read(key: str, token: str) -> Session | None:
    """None for what we have not given out; whether it still counts is for the caller to look up."""
    try:
        complaint_id, number, ends = URLSafeSerializer(key, salt=_SALT).loads(token)
        return Session(UUID(complaint_id), int(number), datetime.fromtimestamp(ends).astimezone())
    except (BadData, ValueError, TypeError, AttributeError, OverflowError):
        return None
