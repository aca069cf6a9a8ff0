"""Salted digests of what people wrote, for the hash chain: the events of a text carry them, the text itself they do not.

The salt stands beside the text, in its own row, and nowhere else. Whoever has both can compare them with the chain; once a
redaction has taken a text out, the salt goes with it, and nobody can try out what a short one may have been. What is left
of the text is sealed anew, with another salt, by the event of the redaction.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

OF_COMPLAINT: Final = ("subject", "description")
OF_MESSAGE: Final = ("body", "html", "html_given")
_SALT_BYTES: Final = 16

Seals = dict[str, str]
"""Name of a text of one row -> its digest in hexadecimal. A text that there is none of has none."""


def new_salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)


def digest(salt: bytes, name: str, text: str) -> str:
    """SHA-256 of the salt, the text's name, a zero byte and the text in UTF-8: two texts of a row cannot be exchanged.
    `pack_check` computes the same.
    """
    return hashlib.sha256(salt + name.encode() + b"\0" + text.encode()).hexdigest()


def seal(salt: bytes, texts: Mapping[str, str | None]) -> Seals:
    return {name: digest(salt, name, text) for name, text in texts.items() if text is not None}


def seal_row(salt: bytes, row: Any, names: tuple[str, ...]) -> Seals:
    """Of a row of a table, whose columns have these names."""
    return seal(salt, {name: getattr(row, name) for name in names})


def differing(salt: bytes | None, row: Any, names: tuple[str, ...], said: Mapping[str, str]) -> Seals:
    """What is `said` of those texts of a row that are not what it says: to be said again when the row is sealed anew, so
    that a redaction makes nothing good that was done past the program.
    """
    now = seal_row(salt or b"", row, names)
    return {name: said[name] for name in names if name in said and now.get(name) != said[name]}


@dataclass(frozen=True, slots=True)
class Written:
    """The texts of one row, with what the chain says of them. `reference`: of the complaint; `said`: the last seals, None where there are none; `place`: of
    the event that has them; `erased`: what could have told more was erased since; `gone`: there is no such row any more.
    """

    complaint_id: UUID
    reference: str
    subject: str
    texts: Mapping[str, str | None]
    salt: bytes | None
    said: Mapping[str, str] | None
    place: int = 0
    erased: bool = False
    gone: bool = False

    @property
    def faults(self) -> tuple[str, ...]:
        """What was changed, put in or taken away past the program, each by its name."""
        if self.gone:
            return ("it was removed",)
        if self.said is None:
            sealed = self.salt is not None and not self.erased
            return ("no event knows of it",) if sealed else ()
        if self.erased:
            return ()
        if self.salt is None:
            return ("its salt was removed",)
        now = seal(self.salt, self.texts)
        return tuple(
            f"its {name} was {_how(now.get(name), self.said.get(name))}"
            for name in self.texts
            if now.get(name) != self.said.get(name)
        )

    @property
    def proven(self) -> bool:
        return self.said is not None and not self.erased and not self.faults


def _how(now: str | None, said: str | None) -> Literal["put in", "removed", "changed"]:
    return "put in" if said is None else "removed" if now is None else "changed"
