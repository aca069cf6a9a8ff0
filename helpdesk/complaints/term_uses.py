"""What names a code of the taxonomy in the settings of this domain: forms by their channel, routing rules in their
conditions. A category is named by its issues too, which are retired with it.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import form_queries, routing_queries
from helpdesk.complaints.facts import OF_TAXONOMY
from helpdesk.taxonomy.terms import category_of


def of_term(session: Session, kind: str, code: str) -> Iterator[dict[str, str]]:
    """Each as what it is, its id and its name."""
    if kind == "channel":
        for form in form_queries.forms_of_channel(session, code):
            yield {"what": "form", "id": str(form.id), "name": form.name}
    for rule in routing_queries.rules_in_force(session):
        if _names(rule.spec["condition"], kind, code):
            yield {"what": "routing_rule", "id": str(rule.id), "name": rule.name}


def _names(condition: Any, kind: str, code: str) -> bool:
    """Whether a comparison in it is with that code."""
    if isinstance(condition, list):
        return any(_names(part, kind, code) for part in condition)
    if not isinstance(condition, dict):
        return False
    if "field" not in condition:
        return any(_names(part, kind, code) for part in condition.values())
    value = condition.get("value")
    named = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    asked = OF_TAXONOMY.get(condition["field"])
    if kind == "category" and asked == "issue":
        return any(category_of(item) == code for item in named)
    return asked == kind and code in named
