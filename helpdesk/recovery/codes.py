"""Voucher codes: readable on the telephone, with a check character that catches a slip at the till.

Sixteen characters of five random bits are 80 bits of entropy; the check character follows from them and adds none. With a
million vouchers out, a guess hits one of them once in 10^18 tries.
"""

import secrets
from typing import Final

from helpdesk.kernel import ids

_RANDOM_CHARS: Final = 16


def new_code() -> str:
    """`7K3M-9QX2-TA5V-0C4E-0`: sixteen random characters and the check character."""
    return ids.code_of(secrets.randbits(5 * _RANDOM_CHARS), _RANDOM_CHARS)


def parse_code(text: str) -> str | None:
    """The canonical form of what somebody typed, as `ids.parse_reference`; None if it is no code."""
    return ids.parse_code(text, _RANDOM_CHARS)
