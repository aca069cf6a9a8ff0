"""The grid of states and actions, written out a second time by hand, and all that an act may touch."""

from typing import Final

from sqlalchemy import Engine, text

from helpdesk.complaints.lifecycle import LIFECYCLE, PAIRED

ANY_TIME: Final = {"refer_externally"}
WHILE_OPEN: Final = ANY_TIME | {
    "ask_customer",
    "ask_third_party",
    "resume",
    "withdraw",
    "dismiss",
    "merge",
    "escalate",
    "de_escalate",
    "set_severity",
}
MOVES: Final[dict[str, set[str]]] = {
    "received": WHILE_OPEN | {"acknowledge", "triage", "investigate", "resolve_on_the_spot", "convert"},
    "investigated": WHILE_OPEN | {"resolve", "convert"},
    "resolved": ANY_TIME | {"follow_up", "reopen"},
    "followed_up": ANY_TIME | {"reopen"},
    "withdrawn": ANY_TIME | {"reopen"},
    "dismissed": ANY_TIME | {"reopen"},
}
"""What is possible from where with a complaint that was never merged, written down once more from the design, not read off the
table. Of what is none, `test_record_types` tells.
"""
_OTHERS_OPEN: Final = {"ask_customer", "ask_third_party", "resume", "withdraw", "dismiss", "merge"}
OTHER_MOVES: Final[dict[str, set[str]]] = {
    "received": _OTHERS_OPEN | {"acknowledge", "answer", "convert"},
    "resolved": {"reopen", "convert"},
    "withdrawn": {"reopen"},
    "dismissed": {"reopen"},
}
"""The same with what is no complaint."""
LEADS_TO: Final = {
    "investigate": "investigated",
    "resolve": "resolved",
    "resolve_on_the_spot": "resolved",
    "follow_up": "followed_up",
    "reopen": "received",
    "convert": "received",
    "answer": "resolved",
    "withdraw": "withdrawn",
    "dismiss": "dismissed",
    "merge": "dismissed",
}
ALONE: Final = [action for action in LIFECYCLE.actions if action not in PAIRED]
"""Acts on one complaint; what takes two is done in `test_merging`."""
EVERYTHING: Final = ("complaint", "complaint_transition", "complaint_message", "complaint_issue", "event", "duty")


def everything(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table that an act could touch, as text."""
    with engine.connect() as connection:
        return {
            name: list(connection.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1")).scalars())
            for name in (*EVERYTHING, "outbound_mail", "sla_clock")
        }
