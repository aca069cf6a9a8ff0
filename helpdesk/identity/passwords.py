"""Passwords: which ones will do, and their hashes.

**Rules** after NIST SP 800-63B: long, not among the common ones, not one's own name or address; no rules of composition
and no expiry. Lengths are in characters after NFC, so that a password typed on another keyboard is the same one.

**Hashes** are argon2id with the parameters that OWASP recommends first (19 MiB, two passes, one lane). A hash costs its
memory on purpose, so only so many are made at once in one process; who has to wait too long is told to come again. To
check a password where there is none costs the same: a hash that nothing matches stands in.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from helpdesk.kernel.errors import TemporarilyUnavailable

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_ONCE: Final = 4
"""Hashes made at the same time in one process: 76 MiB at most."""
PATIENCE: Final = 5.0
"""Seconds to wait for one's turn."""

_turns = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=PATIENCE):
        raise TemporarilyUnavailable("Too many people are signing in at this moment.")
    try:
        yield
    finally:
        _turns.release()


def hashed(password: str) -> str:
    """Raises `TemporarilyUnavailable` when too many are being made."""
    with _turn():
        return _HASHER.hash(_normal(password))


def fits(kept: str | None, password: str) -> bool:
    """Whether this is the password of that hash; of None, after the same work, never. Raises `TemporarilyUnavailable`."""
    with _turn():
        try:
            _HASHER.verify(kept or _nobodys(), _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether the hash was made with other parameters than are used now."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody's password, which is never compared with success")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def weakness(password: str, own_words: Iterable[str]) -> str | None:
    """Why this password will not do, or None. `own_words`: the e-mail address and the name of whose it would be."""
    password = _normal(password)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return f"Write {MIN_LENGTH} to {MAX_LENGTH} characters."
    folded = unicodedata.normalize("NFKC", password).casefold()
    if _repeats(folded) or _counts(folded):
        return "Do not repeat or count: choose something that nobody guesses."
    words = _words(folded)
    if words & _common():
        return "This is one of the most common passwords."
    own_words = list(own_words)
    if words & _own(own_words) or _contains(folded, own_words):
        return "Do not use your name or your address, nor a part of them."
    return None


_AROUND: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_BETWEEN: Final = re.compile(r"[\W\d_]+")
_AS_LETTERS: Final = str.maketrans("013457@$!|", "oleastasil")


def _words(folded: str) -> set[str]:
    """What is left without the figures and signs around it, and without or instead of those inside, each once where it
    is written several times over. `P@ssw0rd!2024` is `password`.
    """
    inner = _AROUND.sub("", folded) or folded
    found = {folded, _BETWEEN.sub("", inner), _BETWEEN.sub("", inner.translate(_AS_LETTERS))}
    return {word[: _period(word)] for word in found if word}


def _period(text: str) -> int:
    """The length of the piece that repeated makes the whole text; its own length where it is no repetition."""
    return (text + text).find(text, 1)


def _repeats(folded: str) -> bool:
    return _period(folded) <= 4 or len(set(folded)) <= 4


def _counts(folded: str) -> bool:
    """A run of the alphabet, of figures or of keys, there and back, however often: at most three breaks in it."""
    breaks = sum(abs(ord(left) - ord(right)) > 1 and not _neighbours(left, right) for left, right in pairwise(folded))
    return breaks <= min(3, len(folded) // 6)


_ROWS: Final = (
    "1234567890",
    "!@#$%^&*()_+",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
)


def _neighbours(left: str, right: str) -> bool:
    return any(left + right in row or right + left in row for row in _ROWS)


def _own(words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        folded = unicodedata.normalize("NFKC", word).casefold()
        name, _, host = folded.partition("@")
        for part in (folded, name, host, name + host.partition(".")[0]):
            found |= _words(part) if part else set()
    return found


_LEAST_PART: Final = 4
"""Shorter names stand in many words by chance."""


def _contains(folded: str, own_words: Iterable[str]) -> bool:
    """Whether the address, what stands before its @, the name or a part of it stands in the password, whatever is between its
    letters and whatever stands for some of them.
    """
    joined = _BETWEEN.sub("", folded)
    written = (folded, joined, _BETWEEN.sub("", folded.translate(_AS_LETTERS)))
    for word in own_words:
        own = unicodedata.normalize("NFKC", word).casefold()
        name, at, _ = own.partition("@")
        for part in {own, name} if at else {own, *own.split()}:
            letters = _BETWEEN.sub("", part)
            if len(letters) >= _LEAST_PART and any(letters in text or part in text for text in written):
                return True
    return False


@cache
def _common() -> frozenset[str]:
    text = resources.files("helpdesk.identity").joinpath("data/common_passwords.txt").read_text(encoding="utf-8")
    words = [line.strip().casefold() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return frozenset({*words, *(word[: _period(word)] for word in words)})
