"""What an event says of a change: the fields that differ, before and after."""

from collections.abc import Mapping
from typing import Any

from helpdesk.kernel.schemas import json_safe

Changes = dict[str, list[Any]]
"""Field -> [before, after], JSON-safe."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """None stands for a field that was not there before, or is not any more; before and after may be empty."""
    pairs = ((name, [before.get(name), after.get(name)]) for name in {**before, **after})
    return {name: json_safe(pair) for name, pair in pairs if pair[0] != pair[1]}
