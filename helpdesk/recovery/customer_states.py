"""The states of an offer in the customer's words, and what they may say of it."""

from typing import Final

from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER

ANSWERING: Final = frozenset({"offer:answer"})
"""What the link is the right to, on its offer alone."""
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
DELAYS: Final = ("failed", "unknown")
"""Why they wait for what they accepted: it could not be issued so far, or nobody knows whether it was."""
VALIDITIES: Final = ("valid", "used", "expired")
"""Of a voucher or points that were issued: they can be used, all of it was, or what was left is past its time."""
