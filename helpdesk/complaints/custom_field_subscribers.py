"""What names a custom field in the settings of this domain: routing rules, in their conditions. Others ask `names` of theirs."""

from collections.abc import Sequence
from typing import Any

from helpdesk.complaints import routing_queries
from helpdesk.complaints.custom_field_errors import FieldNamed
from helpdesk.complaints.custom_field_events import CustomFieldDeleted
from helpdesk.complaints.facts import CUSTOM
from helpdesk.kernel.unit_of_work import UnitOfWork


def refuse_named(uow: UnitOfWork, events: Sequence[CustomFieldDeleted]) -> None:
    """Raises `FieldNamed`: a rule that asks for a field which is not there decides nothing, and nobody is told."""
    found = [
        {"what": "routing_rule", "id": str(rule.id), "name": rule.name}
        for event in events
        for rule in routing_queries.rules_in_force(uow.session)
        if names(rule.spec["condition"], event.key)
    ]
    if found:
        raise FieldNamed(uses=found)


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
