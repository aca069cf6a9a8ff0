"""The field that takes a code of the taxonomy, for the payloads of every domain."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from helpdesk.kernel.schemas import Code, Line, Pattern
from helpdesk.taxonomy.in_force import in_force
from helpdesk.taxonomy.terms import PATTERNS, REQUIRED_LANGUAGE

NAMES: Final[Mapping[str, str]] = {
    "category": "IssueCategory",
    "issue": "IssueCode",
    "root_cause": "RootCause",
    "outcome": "OutcomeCode",
    "remedy": "RemedyCode",
    "channel": "Channel",
    "vulnerability": "Vulnerability",
}
"""What the document calls the codes of each kind."""

DOCUMENTED: Final = ("category", "issue", "root_cause", "channel", "vulnerability")
"""Kinds whose codes stand in payloads."""

CODES: Final[Mapping[str, Mapping[str, Any]]] = {
    NAMES[kind]: {
        "type": "string",
        "pattern": PATTERNS[kind],
        "description": f"A {kind.replace('_', ' ')}, by its code. Those in force, with labels: `GET /taxonomy`. What is given "
        "must be in force; old complaints may have one that was retired since.",
    }
    for kind in DOCUMENTED
}

_SHOWN: Final = 30


class TermCode(Code):
    """A code of a kind that is in force; `ever`: or was, for filters and for what looks at old complaints."""

    def __init__(self, kind: str, *, ever: bool = False, **kwargs: Any) -> None:
        super().__init__(NAMES[kind], **kwargs)
        self.kind = kind
        self.ever = ever

    def wrong(self, value: str) -> str | None:
        taxonomy = in_force()
        term = taxonomy.known(self.kind).get(value)
        if term is not None and (self.ever or term.in_force):
            return None
        codes = taxonomy.codes(self.kind)
        shown = ", ".join(codes[:_SHOWN]) + (" ..." if len(codes) > _SHOWN else "")
        retired = "" if term is None else f" {value} was retired."
        return f"Must be one of: {shown}.{retired}"

    def of_any_time(self) -> "TermCode":
        """The same, for what was checked when it was written."""
        return TermCode(self.kind, ever=True, allow_none=self.allow_none)


MOST_LABELS: Final = 50
_TAG: Final = Pattern(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", error="Write a BCP 47 tag, for example en or zh-TW.")


class LanguageTag(fields.String):
    """BCP 47 makes no difference between capitals; it is kept as RFC 5646 (2.1.1) writes it: `zh-Hant-TW`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        first, *others = str(super()._deserialize(value, attr, data, **kwargs)).lower().split("-")
        cased = {2: str.upper, 4: str.title}
        return "-".join([first, *(cased.get(len(part), str)(part) for part in others)])


class _ByLanguage(fields.Dict):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]  # marshmallow's
        if len(found) < len(value):
            raise ValidationError("Give each language once, however it is written.")
        return found


class Labels(_ByLanguage):
    """Language -> text; English at least."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            keys=LanguageTag(validate=_TAG),
            values=Line(max_length=200),
            validate=[validate.Length(1, MOST_LABELS), _in_english],
            **kwargs,
        )


class LabelChanges(_ByLanguage):
    """Language -> text, or null to take it away. What is left out stays."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            keys=LanguageTag(validate=_TAG),
            values=Line(max_length=200, allow_none=True),
            validate=[validate.Length(1, MOST_LABELS), _english_stays],
            **kwargs,
        )


def _english_stays(labels: Mapping[str, str | None]) -> None:
    if REQUIRED_LANGUAGE in labels and labels[REQUIRED_LANGUAGE] is None:
        raise ValidationError(f"The label in English ({REQUIRED_LANGUAGE}) stays; give another one.")


def _in_english(labels: Mapping[str, str]) -> None:
    if REQUIRED_LANGUAGE not in labels:
        raise ValidationError(f"Give a label in English ({REQUIRED_LANGUAGE}) at least.")
