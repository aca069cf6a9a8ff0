"""One-time codes by time (RFC 6238: SHA-1, six digits, thirty seconds, what every app can do) and recovery codes."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Final

import pyotp

from helpdesk.kernel.ids import ALPHABET

PERIOD: Final = 30
DRIFT: Final = 1
"""Steps before and after the present one that count too: clocks differ, and people take time."""
RECOVERY_CODES: Final = 10
_RECOVERY_CHARS: Final = 16
_DIGITS: Final = re.compile(r"[0-9]{6}")
_READ_AS: Final = str.maketrans("OIL", "011")


def new_seed() -> str:
    """160 random bits, as base32."""
    return pyotp.random_base32()


def enrolment_uri(seed: str, email: str, issuer: str) -> str:
    """What an app reads from a QR code."""
    return pyotp.TOTP(seed).provisioning_uri(name=email, issuer_name=issuer)


def step_of(seed: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, of those that count at `now`; None when it is of none of them."""
    present = int(now.timestamp()) // PERIOD
    generator = pyotp.HOTP(seed)
    found = None
    for step in range(present - DRIFT, present + DRIFT + 1):
        if hmac.compare_digest(generator.at(step).encode(), code.encode()):
            found = step  # the others are compared too: which one it was shows in no time
    return found


def is_by_time(code: str) -> bool:
    """Whether somebody typed a code of an app, and not a recovery code. `code`: as by `tidied`."""
    return _DIGITS.fullmatch(code) is not None


def tidied(code: str) -> str:
    """Without the blanks and dashes that people put between."""
    return re.sub(r"[\s-]+", "", code).upper()


def new_recovery_codes() -> list[str]:
    """`7K3M-9QX2-TA5V-0C4E`, 80 bits each."""
    return [_grouped("".join(secrets.choice(ALPHABET) for _ in range(_RECOVERY_CHARS))) for _ in range(RECOVERY_CODES)]


def recovery_hash(code: str) -> bytes:
    """Of a code however it is typed."""
    return hashlib.sha256(tidied(code).translate(_READ_AS).encode()).digest()


def _grouped(chars: str) -> str:
    return "-".join(chars[place : place + 4] for place in range(0, len(chars), 4))
