"""The words of a complaint that the program itself goes by, and that nobody edits. All others: `helpdesk.taxonomy`."""

from typing import Final

from helpdesk.taxonomy.severities import SEVERITIES, worst

TRACKS: Final = ("on_the_spot", "investigate")
FAULTS: Final = ("firm", "shared", "none")
ISSUE_OUTCOMES: Final = ("upheld", "partly_upheld", "not_upheld")
NO_COMPLAINT: Final = ("spam", "not_a_complaint", "out_of_scope")
"""Why somebody dismisses a complaint."""

DISMISSALS: Final = (*NO_COMPLAINT, "duplicate")
"""A duplicate ends through a merge, which names the surviving complaint."""


def case_outcome(outcomes: list[str]) -> str:
    """Derived from the issues': any upheld and any not makes partly."""
    kinds = set(outcomes)
    if kinds == {"upheld"}:
        return "upheld"
    if kinds == {"not_upheld"}:
        return "not_upheld"
    return "partly_upheld"


__all__ = ["DISMISSALS", "FAULTS", "ISSUE_OUTCOMES", "NO_COMPLAINT", "SEVERITIES", "TRACKS", "case_outcome", "worst"]
