"""The categories that may be suggested, as the taxonomy has them: the one place that asks for them."""

from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from helpdesk.complaints import taxonomy


class Labels(NamedTuple):
    en: str
    zh: str

    def in_language(self, language: str) -> str:
        return self.zh if language == "zh" else self.en


def in_use(_session: Session) -> dict[str, Labels]:
    """Code -> labels, in the order of the taxonomy. One that is retired is not among them, and so never suggested."""
    found: list[dict[str, Any]] = taxonomy.taxonomy()["categories"]
    return {item["code"]: Labels(item["en"], item["zh"]) for item in found}
