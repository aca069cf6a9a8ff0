"""What the model is worth, to be shown: how often it is right, what it confuses, and whether people follow."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.kernel.pagination import Listed, Page
from helpdesk.suggestions import categories, classifier, queries, training
from helpdesk.suggestions.in_use import model_in_use

TYPICAL: Final = 10
_TOLD: Final = (
    "held_out",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "among_three",
    "baseline",
    "by_rules",
    "macro_f1",
)


def model_figures(session: Session, language: str) -> dict[str, Any]:
    known = model_in_use(session)
    row = None if known is None else queries.version_in_full(session, known.id)
    return {
        "in_use": None if row is None else _version(row),
        "categories": [] if row is None or known is None else _categories(row, known.classifier, language),
        "confused": [] if row is None else [_confusion(*pair) for pair in row["figures"]["confused"]],
        "followed": queries.followed(session),
        "needed": training.LEAST_EXAMPLES,
        "needed_per_category": classifier.LEAST_EXAMPLES,
        "training_job_id": queries.training_under_way(session, training.KIND),
    }


def versions(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    rows, cursor, total = queries.list_versions(session, page, given)
    return [_version(row) for row in rows], cursor, total


def _version(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("version", "created_at", "trained_by", "examples", "words")}
    return shown | {name: row["figures"][name] for name in _TOLD}


def _categories(row: Mapping[str, Any], model: classifier.Classifier, language: str) -> list[dict[str, Any]]:
    labels, figures, typical = categories.in_use(), row["figures"], model.typical(TYPICAL)
    found = []
    for code, examples in figures["examples"].items():
        held_out, right, guessed = figures["per_category"].get(code, (0, 0, 0))
        label = labels.get(code)
        found.append(
            {
                "code": code,
                "label": None if label is None else label.in_language(language),
                "examples": examples,
                "held_out": held_out,
                "right": right,
                "guessed": guessed,
                "words": typical.get(code, []),
            }
        )
    return found


def _confusion(actual: str, guessed: str, count: int) -> dict[str, Any]:
    return {"actual": actual, "guessed": guessed, "count": count}
