"""Voucher codes: readable on the telephone, with a check character that catches a slip at the till.

Sixteen characters of five random bits are 80 bits of entropy; the check character follows from them and adds none. With a
million vouchers out, a guess hits one of them once in 10^18 tries.
"""

import secrets
from typing import Final

from helpdesk.kernel.ids import ALPHABET, check_character

_RANDOM_CHARS: Final = 16
_GROUP: Final = 4
_LOOKALIKES: Final = str.maketrans("OIL", "011", "- ")


def new_code() -> str:
    """`7K3M-9QX2-TA5V-0C4E-0`: sixteen random characters and the check character."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM_CHARS))
    return _grouped(body + check_character(body))


def parse_code(text: str) -> str | None:
    """The canonical form of what somebody typed (any case, O for 0, dashes or blanks anywhere); None if it is no code."""
    chars = text.upper().translate(_LOOKALIKES)
    if len(chars) != _RANDOM_CHARS + 1 or any(char not in ALPHABET for char in chars):
        return None
    return _grouped(chars) if check_character(chars[:-1]) == chars[-1] else None


def _grouped(chars: str) -> str:
    return "-".join(chars[start : start + _GROUP] for start in range(0, len(chars), _GROUP))
