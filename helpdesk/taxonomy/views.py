"""The taxonomy as it is shown: with the labels of one language."""

from collections.abc import Iterable
from typing import Any, Final

from helpdesk.taxonomy.terms import Taxonomy, Term, label_in

LISTS: Final = {
    "root_cause": "root_causes",
    "outcome": "outcomes",
    "remedy": "remedies",
    "channel": "channels",
    "vulnerability": "vulnerabilities",
}


def shown(taxonomy: Taxonomy, language: str, *, retired: bool) -> dict[str, Any]:
    """`retired`: with what is."""

    def labelled(terms: Iterable[Term]) -> list[dict[str, Any]]:
        return [_term(term, language) for term in terms if retired or term.in_force]

    categories = [
        _term(term, language) | {"issues": labelled(taxonomy.issues_of(term.code))}
        for term in taxonomy.known("category").values()
        if retired or term.in_force
    ]
    lists = {name: labelled(taxonomy.known(kind).values()) for kind, name in LISTS.items()}
    return {"language": language, "categories": categories, **lists, "severity": taxonomy.content["severity"]}


def _term(term: Term, language: str) -> dict[str, Any]:
    return {
        "code": term.code,
        "label": label_in(term.labels, language),
        "retired": not term.in_force,
        "traits": term.traits,
    }


def offered(taxonomy: Taxonomy, language: str) -> list[dict[str, Any]]:
    """Categories with their issues, as whoever has to choose one is offered them."""
    return [
        {
            "code": category.code,
            "label": label_in(category.labels, language),
            "issues": [
                {"code": issue.code, "label": label_in(issue.labels, language)}
                for issue in taxonomy.issues_of(category.code)
                if issue.in_force
            ],
        }
        for category in taxonomy.known("category").values()
        if category.in_force
    ]
