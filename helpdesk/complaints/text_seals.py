"""Salted digests of what people wrote, for the hash chain: the events of a text carry them, the text itself they do not.

The salt stands beside the text, in its own row, and nowhere else. Whoever has both can compare them with the chain; once a
redaction has taken a text out, the salt goes with it, and nobody can try out what a short one may have been. What is left
of the text is sealed anew, with another salt, by the event of the redaction.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from helpdesk.kernel.event_log import canonical
from helpdesk.kernel.schemas import json_safe

OF_COMPLAINT: Final = ("subject", "description")
OF_MESSAGE: Final = ("body", "html", "html_given")
_SALT_BYTES: Final = 16

CUSTOM_FIELDS: Final = "custom_fields"
"""Of a complaint too, where a redaction says what is left of them: as canonical JSON."""

FACTS: Final = ("kind", "purpose", "channel", "mentions", "author_kind", "author_id", "created_at")
"""What else the events tell of a message, as its row has it."""

TOLD_OF_MESSAGE: Final = FACTS[:-1]
"""Those that its own event has in its payload; its time is the event's."""

Facts = dict[str, Any]
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


def seal_fields(salt: bytes, values: Mapping[str, Any]) -> Seals:
    """Of a complaint's custom fields."""
    return {CUSTOM_FIELDS: digest(salt, CUSTOM_FIELDS, canonical(values).decode())}


def seal_row(salt: bytes, row: Any, names: tuple[str, ...]) -> Seals:
    """Of a row of a table, whose columns have these names."""
    return seal(salt, {name: getattr(row, name) for name in names})


def differing(salt: bytes | None, row: Any, names: tuple[str, ...], said: Mapping[str, str]) -> Seals:
    """What is `said` of those texts of a row that are not what it says: to be said again when the row is sealed anew, so
    that a redaction makes nothing good that was done past the program.
    """
    now = seal_row(salt or b"", row, names)
    return {name: said[name] for name in names if name in said and now.get(name) != said[name]}


def message_facts(row: Any) -> Facts:
    """`FACTS` of a row of a message, JSON-safe."""
    return dict(json_safe({name: getattr(row, name) for name in FACTS}))


@dataclass(frozen=True, slots=True)
class Written:
    """The texts of one row, with what the chain says of them. `reference`: of the complaint; `said`: the last seals, None
    where there are none; `place`: of the event that has them; `erased`: what could have told more was erased since. `facts`
    and `facts_said`: what else is known, and told, of a message. `fault`: it is not where it has to be.
    """

    complaint_id: UUID
    reference: str
    subject: str
    texts: Mapping[str, str | None]
    salt: bytes | None
    said: Mapping[str, str] | None
    place: int = 0
    erased: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    facts_said: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """What was changed, put in or taken away past the program, each by its name."""
        wrong = () if self.fault is None else (self.fault,)
        if wrong and not self.texts:
            return wrong
        differing = (name for name, value in self.facts_said.items() if value != self.facts.get(name))
        return wrong + tuple(dict.fromkeys(_CHANGED[name] for name in differing)) + self._wrong_texts()

    def _wrong_texts(self) -> tuple[str, ...]:
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


_CHANGED: Final = {name: f"its {name} was changed" for name in FACTS} | {
    "author_kind": "its author was changed",
    "author_id": "its author was changed",
    "created_at": "its time was changed",
}


def _how(now: str | None, said: str | None) -> Literal["put in", "removed", "changed"]:
    return "put in" if said is None else "removed" if now is None else "changed"
