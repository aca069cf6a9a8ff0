"""What names a code of the taxonomy in the settings of this domain: forms by their channel, routing rules in their
conditions. A category is named by its issues too, which are retired with it.

Macros are not asked: they may be somebody's own, which nobody else can mend. One that gives a retired code is refused when it is
applied, and says so.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import form_queries, routing_queries
from helpdesk.complaints.facts import OF_TAXONOMY
from helpdesk.taxonomy.terms import category_of

_GIVEN_AS: Final[Mapping[str, str]] = {
    "category": "category",
    "issue": "issue",
    "channel": "channel",
    "root_cause": "root_cause",
    "cause": "root_cause",
    "contributing_causes": "root_cause",
    "flag": "vulnerability",
}
"""Fields of bodies by the kind of code that they take."""


def of_term(session: Session, kind: str, code: str) -> Iterator[dict[str, str]]:
    """Each as what it is, its id and its name."""
    if kind == "channel":
        for form in form_queries.forms_of_channel(session, code):
            yield {"what": "form", "id": str(form.id), "name": form.name}
    for rule in routing_queries.rules_in_force(session):
        if names(rule.spec["condition"], kind, code):
            yield {"what": "routing_rule", "id": str(rule.id), "name": rule.name}


def names(condition: Any, kind: str, code: str) -> bool:
    """Whether a comparison in a condition is with that code."""
    if isinstance(condition, list):
        return any(names(part, kind, code) for part in condition)
    if not isinstance(condition, dict):
        return False
    if "field" not in condition:
        return any(names(part, kind, code) for part in condition.values())
    value = condition.get("value")
    named = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    asked = OF_TAXONOMY.get(condition["field"])
    if kind == "category" and asked == "issue":
        return any(category_of(item) == code for item in named)
    return asked == kind and code in named


def gives(body: Any, kind: str, code: str) -> bool:
    """Whether the body of a step, as it was written, gives that code to a complaint."""
    if isinstance(body, list):
        return any(gives(part, kind, code) for part in body)
    if not isinstance(body, dict):
        return False
    return any(
        (_GIVEN_AS.get(name) == kind and (value == code or (isinstance(value, list) and code in value)))
        or (
            kind == "category"
            and _GIVEN_AS.get(name) == "issue"
            and isinstance(value, str)
            and category_of(value) == code
        )
        or gives(value, kind, code)
        for name, value in body.items()
    )
