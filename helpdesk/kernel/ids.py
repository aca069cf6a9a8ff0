"""Identifiers: UUIDv7 inside, a short reference with a check character for people.

A UUIDv7 sorts by time of creation, which keeps B-tree inserts at the right-hand edge, and by the same property tells
that time to whoever sees it. What the public sees is therefore the reference: random, so that it cannot be counted
through, and checkable, so that a slip on the telephone is noticed instead of finding somebody else's complaint.
"""

import secrets
import unicodedata
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""

_VALUE = {char: value for value, char in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_RANDOM_CHARS = 10


def new_id() -> UUID:
    return _uuid7()


def id_at(moment: datetime) -> UUID:
    """An id that sorts where one made at that moment (to the millisecond) would."""
    then = (int(moment.timestamp() * 1000) & (1 << 48) - 1) << 80
    return UUID(int=new_id().int & (1 << 16) - 1 << 64 | secrets.randbits(62) | 0b10 << 62 | then)


def check_character(body: str) -> str:
    """Damm's scheme over GF(32): finds every single wrong character and every swap of two neighbours.

    Source: H. M. Damm, "Totally anti-symmetric quasigroups" (2004); the quasigroup used is `x * y = 2(x + y)` in GF(2^5)
    with the polynomial x^5 + x^2 + 1.
    """
    interim = 0
    for char in body:
        interim = _double(interim ^ _VALUE[char])
    return ALPHABET[interim]


def _double(value: int) -> int:
    value <<= 1
    return value ^ 0b100101 if value & 0b100000 else value


def new_reference() -> str:
    """Ten random characters (50 bits) and the check character, grouped for reading aloud: `7K3M-9QX2-TAM`."""
    bits = secrets.randbits(5 * _RANDOM_CHARS)
    body = "".join(ALPHABET[bits >> (5 * place) & 31] for place in range(_RANDOM_CHARS))
    return _grouped(body + check_character(body))


def parse_reference(text: str) -> str | None:
    """The canonical form of what somebody typed (any case, any dashes or blanks anywhere, O for 0, full-width as an input method
    for Chinese writes it), or None if it is not one.
    """
    chars = _typed(text)
    if len(chars) != _RANDOM_CHARS + 1 or any(char not in _VALUE for char in chars):
        return None
    canonical = "".join(ALPHABET[_VALUE[char]] for char in chars)
    if check_character(canonical[:-1]) != canonical[-1]:
        return None
    return _grouped(canonical)


def _typed(text: str) -> list[str]:
    """NFKC makes full-width letters, digits and blanks ordinary ones; dashes are many (category Pd, and the minus sign)."""
    plain = unicodedata.normalize("NFKC", text).upper()
    return [char for char in plain if char != "\N{MINUS SIGN}" and unicodedata.category(char) not in {"Pd", "Zs"}]


def code_of(number: int, chars: int) -> str:
    """`chars` characters of 5 bits each, from the lowest bits on, and the check character, in groups of four."""
    body = "".join(ALPHABET[number >> (5 * place) & 31] for place in range(chars))
    return _in_fours(body + check_character(body))


def parse_code(text: str, chars: int) -> str | None:
    """The canonical form of a code of `chars` characters that somebody typed, as `parse_reference`."""
    given = _typed(text)
    if len(given) != chars + 1 or any(char not in _VALUE for char in given):
        return None
    canonical = "".join(ALPHABET[_VALUE[char]] for char in given)
    return _in_fours(canonical) if check_character(canonical[:-1]) == canonical[-1] else None


def _in_fours(chars: str) -> str:
    return "-".join(chars[start : start + 4] for start in range(0, len(chars), 4))


def _grouped(chars: str) -> str:
    return f"{chars[:4]}-{chars[4:8]}-{chars[8:]}"
