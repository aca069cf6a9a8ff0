"""What the routes answer, read by tests."""

from typing import Any
from uuid import UUID

LETTER = {"kind": "apology_letter"}
NO_ID = UUID(int=0)


def codes(answer: Any) -> list[tuple[str, str]]:
    return [(item.get("pointer") or item["parameter"], item["code"]) for item in answer.json["errors"]]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]
