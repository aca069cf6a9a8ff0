"""What is suggested for a text, and why: by the model where it has learned, by the shipped lists of words elsewhere.

A category that the model has too few examples of is not lost: it is suggested by its list, after what the model says. A
suggestion without a word that speaks for it is none, however frequent its category is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaint_queries
from helpdesk.complaints.models import Issue
from helpdesk.identity.actors import Actor
from helpdesk.suggestions import categories, features, following, keywords
from helpdesk.suggestions.categories import Labels
from helpdesk.suggestions.classifier import Classifier
from helpdesk.suggestions.in_use import model_in_use
from helpdesk.taxonomy.terms import category_of

LANGUAGES: Final = ("en", "zh")
MOST: Final = 3
WORDS: Final = 5
"""Words that are shown for one suggestion."""
LEAST_PROBABILITY: Final = 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """`word` as it stands in the text. `here`, `elsewhere`: complaints of the category, and of others, that it stood in;
    None where it is from a list.
    """

    word: str
    weight: float
    here: int | None = None
    elsewhere: int | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`probability` is the model's; a list has none."""

    category: str
    basis: str
    probability: float | None
    evidence: tuple[Evidence, ...]


def suggest(text: str, model: Classifier | None, allowed: Mapping[str, Labels]) -> list[Suggestion]:
    """The likeliest first, at most `MOST`; none where no word speaks for any of the `allowed` categories."""
    found = features.read(text)
    spelled = features.spelled(text, found)
    learned = [] if model is None else _by_model(model, spelled, allowed)
    unknown = set(allowed).difference(() if model is None else model.categories)
    listed = [_by_list(item) for item in keywords.judge(text, found, unknown)]
    return [*learned, *listed][:MOST]


def _by_model(model: Classifier, spelled: Mapping[str, str], allowed: Mapping[str, Labels]) -> list[Suggestion]:
    judged = [item for item in model.judge(spelled.keys()) if item.category in allowed]
    certain = sum(item.probability for item in judged)
    suggestions = []
    for item in judged:
        witnesses = model.witnesses(item.category, spelled.keys(), WORDS)
        probability = item.probability / certain
        if witnesses and probability >= LEAST_PROBABILITY:
            evidence = tuple(Evidence(spelled[one.word], one.weight, one.here, one.elsewhere) for one in witnesses)
            suggestions.append(Suggestion(item.category, "model", probability, evidence))
    return suggestions


def _by_list(found: keywords.Found) -> Suggestion:
    evidence = tuple(Evidence(word, float(points)) for word, points in found.evidence[:WORDS])
    return Suggestion(found.category, "rules", None, evidence)


def for_complaint(session: Session, actor: Actor, ref: str, language: str) -> dict[str, Any]:
    """Of a complaint that this actor sees. What an agent who may judge it is shown is noted, so that it can be counted
    whether they follow.
    """
    complaint = complaint_queries.get_visible(session, actor, ref)
    allowed = categories.in_use()
    model = model_in_use(session)
    text = features.whole(complaint.subject, complaint.description)
    suggestions = suggest(text, None if model is None else model.classifier, allowed)
    version = None if model is None else model.version
    if suggestions and complaint.status == "received":
        shown = following.Shown(suggestions[0].basis, version, [item.category for item in suggestions])
        following.note_shown(session, actor, complaint.id, shown)
    issues = complaint_queries.issues_of(session, complaint.id)
    return {
        "complaint_id": complaint.id,
        "reference": complaint.reference,
        "category": _category_of(issues[0]) if issues else None,
        "suggestions": [_shown(item, allowed[item.category].in_language(language)) for item in suggestions],
        "model": None if model is None else {
            "version": model.version, "trained_at": model.trained_at, "examples": model.examples
        },
    }  # fmt: skip


def _category_of(issue: Issue) -> str | None:
    return issue.category or (None if issue.issue is None else category_of(issue.issue))


def _shown(item: Suggestion, label: str) -> dict[str, Any]:
    return {
        "category": item.category,
        "label": label,
        "basis": item.basis,
        "probability": None if item.probability is None else round(item.probability, 3),
        "evidence": [
            {"word": one.word, "weight": round(one.weight, 3), "here": one.here, "elsewhere": one.elsewhere}
            for one in item.evidence
        ],
    }
