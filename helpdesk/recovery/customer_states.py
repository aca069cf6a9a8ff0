"""The states of an offer in the customer's words."""

from typing import Final

from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER

_TOLD: Final = {"accepted": "accepted", "issuing": "accepted", "failed": "accepted"}


def told_to_customer(state: str, *, in_time: bool) -> str:
    """The state in the customer's words: what goes on behind `accepted` is ours to mend, and late is late at once."""
    if state in BEFORE_CUSTOMER and not in_time:
        return "expired"
    return _TOLD.get(state, state)


CUSTOMER_STATES: Final = (
    "offered",
    "countered",
    "accepted",
    "issued",
    "redeemed",
    "declined",
    "expired",
    "revoked",
    "reversed",
)
