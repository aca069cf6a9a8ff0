"""The CFPB's complaints as examples: what people wrote, and the category that the shipped mapping gives their product and
issue. Those without a narrative say nothing, and neither does the subject that the mapping makes of the issue.
"""

import csv
from functools import cache
from uuid import NAMESPACE_OID, uuid5

from helpdesk.integrations.mapping import load_mapping
from helpdesk.suggestions.queries import Example
from tests.integrations.conftest import SAMPLE


@cache
def _records() -> tuple[tuple[str, str, str], ...]:
    """Number, narrative, category."""
    mapping = load_mapping("cfpb")
    found = []
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            mapped = mapping.apply(row)
            (issue,) = mapped.payload["issues"]
            category = issue.get("category") or issue["issue"].partition(".")[0]
            if "description" not in mapped.source_data.get("_import", {}):
                found.append((row["Complaint ID"], mapped.payload["description"], category))
    return tuple(found)


def examples(deal: int = 0) -> list[Example]:
    """With ids by which each `deal` holds out others."""
    return [
        Example(uuid5(NAMESPACE_OID, f"{deal} {number}"), None, text, category, ())
        for number, text, category in _records()
    ]
