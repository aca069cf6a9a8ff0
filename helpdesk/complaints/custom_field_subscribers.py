"""What names a custom field in the settings of this domain: routing rules, in their conditions. Others ask `names` of theirs."""

from collections.abc import Iterator, Sequence
from typing import Any

from helpdesk.complaints import routing_queries
from helpdesk.complaints.custom_field_events import CustomFieldDeleted
from helpdesk.complaints.facts import CUSTOM
from helpdesk.kernel.unit_of_work import UnitOfWork


def uses(uow: UnitOfWork, events: Sequence[CustomFieldDeleted]) -> Iterator[dict[str, str]]:
    """A rule that asks for a field which is not there decides nothing, and nobody is told."""
    for rule in routing_queries.rules_in_force(uow.session):
        if any(names(rule.spec["condition"], event.key) for event in events):
            yield {"what": "routing_rule", "id": str(rule.id), "name": rule.name}


def names(written: Any, key: str) -> bool:
    """Whether a condition asks for the field, or the body of a step sets it."""
    if isinstance(written, list):
        return any(names(part, key) for part in written)
    if not isinstance(written, dict):
        return False
    own = written.get("custom_fields")
    return (
        written.get("field") == f"{CUSTOM}{key}"
        or (isinstance(own, dict) and key in own)
        or any(names(part, key) for part in written.values())
    )
