"""Signed messages between systems, as Standard Webhooks has them: three headers, HMAC-SHA-256 over id, time and body.

The signed text is `{webhook-id}.{webhook-timestamp}.{body}`. Several signatures may stand in the header, with blanks
between, so that a secret can be exchanged without a moment in which neither counts. A verifier refuses what is too old or
too new, and remembers the id for as long, so that what was overheard counts once.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
TOLERANCE: Final = 300
"""Seconds by which the clocks of two systems may differ."""
_SECRET_BYTES: Final = 32
_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")
_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_TIME: Final = re.compile(r"[0-9]{1,12}")


class BadSignature(ValueError):
    """It is not signed, not by whom it should be, or not now. Which of these is not told to the sender."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """`whsec_` and the base64 of 24 to 64 bytes."""
    if not _SECRET.fullmatch(text):
        return False
    try:
        return 24 <= len(_key(text)) <= 64
    except binascii.Error:
        return False


def sign(keys: Sequence[str], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers. `keys`: secrets, the newest first. `at`: seconds since 1970."""
    signatures = " ".join(f"v1,{_signature(key, message_id, str(at), body)}" for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signatures}


def verify(keys: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The message's id. `headers`: by names in small letters. Raises `BadSignature`. Every pair of key and
    signature is compared, each in constant time.
    """
    message_id, at = headers.get("webhook-id") or "", headers.get("webhook-timestamp") or ""
    offered = (headers.get("webhook-signature") or "")[:2000].split()
    if not _ID.fullmatch(message_id) or not _TIME.fullmatch(at):
        raise BadSignature
    expected = [f"v1,{_signature(key, message_id, at, body)}" for key in keys]
    matches = [hmac.compare_digest(one.encode(), two.encode()) for one in expected for two in offered]
    if not any(matches) or abs(now.timestamp() - int(at)) > TOLERANCE:
        raise BadSignature
    return message_id


def _signature(key: str, message_id: str, at: str, body: bytes) -> str:
    signed = f"{message_id}.{at}.".encode() + body
    return base64.b64encode(hmac.new(_key(key), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
