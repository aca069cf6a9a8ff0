"""The lifecycle of a complaint, as a table. Everything that depends on it is read off it: the guard, `allowed_actions`,
the routes and their bodies, the check constraint, the diagram in the README, and the grid test.

Source: the handling stages of ISO 10002:2018 (receipt, acknowledgement, assessment, investigation, response, closing).
"""

from typing import Any, Final

from helpdesk.kernel.state_machine import Lifecycle, Requirement, Transition, states

OPEN: Final = states("received", "investigated")
CLOSED: Final = states("resolved", "followed_up", "withdrawn", "dismissed")
CLOSING: Final = frozenset(
    {"resolve", "resolve_on_the_spot", "answer", "follow_up", "dismiss", "withdraw", "convert", "merge"}
)
"""Actions that nobody takes on a complaint about themselves."""
RECORD_TYPES: Final = ("complaint", "inquiry", "request", "suggestion", "compliment")
"""What comes in by one door: a complaint, and what is none. The latter is answered, and that is all: no severity is
judged of it, nothing is found or offered, and no clock of a regulator or a policy runs.
"""
PAIRED: Final = frozenset({"merge", "unmerge"})
"""Acts on two complaints at once: with routes of their own, and never a step of a macro or a bulk change."""
WAITING_ON: Final = ("us", "customer", "third_party", "nobody")
STAGES: Final = ("1", "2", "external")
MAX_LEVEL: Final = 3
MAX_ISSUES: Final = 20
"""On one complaint: every one of them is to be named in one `investigate` and one `resolve`."""

MILD: Final = frozenset({"S3", "S4", "S5"})


_COMPLAINTS: Final = Requirement(
    "only_complaints", "it is no complaint; convert it first.", lambda row: row.record_type == "complaint"
)
_OTHERS: Final = Requirement(
    "no_complaints",
    "a complaint is resolved, which tells what was decided.",
    lambda row: row.record_type != "complaint",
)
_UNDECIDED: Final = Requirement(
    "decided",
    "it was decided as a complaint; reopen it first.",
    lambda row: not (row.record_type == "complaint" and row.status == "resolved"),
)


def _to_convert(row: Any) -> str | None:
    """To say of a complaint that it is none ends what was promised about it: whoever may dismiss it decides that."""
    return "complaint:dismiss" if row.record_type == "complaint" else None


ON_THE_SPOT: Final = (
    Requirement(
        "too_severe",
        "on the spot only severity S3 or milder.",
        lambda row: row.severity in MILD,
    ),
    Requirement(
        "several_issues",
        "on the spot only one issue; each of several wants a finding of its own.",
        lambda row: row.issue_count == 1,
    ),
    Requirement(
        "amount_beyond_authority",
        "the offers on it come to more than you may give on one complaint.",
        lambda row: row.offers_minor <= row.case_limit,
    ),
    Requirement("safety", "it is about safety, which is investigated.", lambda row: not row.safety),
    Requirement("vulnerable", "a need is recorded; see first what it asks for.", lambda row: not row.vulnerable),
    Requirement("regulator", "it came through a regulator or ombudsman.", lambda row: not row.regulator),
)
"""The triage rule: when a complaint may be settled at the first contact. `row.case_limit`: of who would
settle it (`remedies.case_limit`).
"""


BY_THE_COMPLAINT: Final = tuple(
    need for need in ON_THE_SPOT if need.code in {"too_severe", "safety", "vulnerable", "regulator"}
)
"""What of it the complaint itself decides at triage: issues come and go, and another one may have the authority."""
ON_THE_SPOT_TRACK: Final = "on_the_spot"


def _empty_fields(row: Any, action: str) -> list[dict[str, str]]:
    """`row.demanded`: the custom fields that an action may wait for, as `queries.DEMANDED` has them."""
    return [
        {"code": "custom_field_missing", "detail": f"the field {field['label']} ({field['key']}) is empty."}
        for field in getattr(row, "demanded", None) or ()
        if action in field["required_for"] and field["key"] not in row.custom_fields
    ]


_CHILDREN: Final = Requirement(
    "children_open",
    "complaints under it are open; decide them first, or say in `children_open_because` why this one comes before them.",
    lambda row: row.children_open == 0,
    unless="children_open_because",
)

_BY_ITSELF: Final = Requirement(
    "merged",
    "it goes on in the complaint that it was merged into; undo the merge, or act on that one.",
    lambda row: row.merged_into_id is None,
)

LIFECYCLE: Final = Lifecycle(
    name="complaint",
    further=_empty_fields,
    states=("received", "investigated", "resolved", "followed_up", "withdrawn", "dismissed"),
    initial="received",
    transitions=(
        Transition(
            "acknowledge",
            states("received"),
            None,
            "complaint:acknowledge",
            "Acknowledge receipt to the complainant",
            ("channel",),
            (
                Requirement(
                    "already_acknowledged",
                    "this complaint has been acknowledged already.",
                    lambda row: row.acknowledged_at is None,
                ),
            ),
        ),
        Transition(
            "triage",
            states("received"),
            None,
            "complaint:triage",
            "Judge impact and urgency (which give the severity), category and track",
            ("impact", "urgency", "category", "issue", "track"),
            only=_COMPLAINTS,
        ),
        Transition(
            "set_severity",
            OPEN,
            None,
            "complaint:triage",
            "Set another severity than the one that follows from the rules, and say why",
            ("severity", "reason"),
            only=_COMPLAINTS,
        ),
        Transition(
            "ask_customer",
            OPEN,
            None,
            "complaint:ask",
            "Ask the complainant and wait for the answer",
            ("message",),
        ),
        Transition(
            "ask_third_party",
            OPEN,
            None,
            "complaint:ask",
            "Note what was asked of a third party and wait for it",
            ("note",),
        ),
        Transition(
            "resume",
            OPEN,
            None,
            "complaint:ask",
            "Stop waiting; automatic when the complainant replies",
            (),
            (
                Requirement(
                    "not_waiting",
                    "nobody is being waited for.",
                    lambda row: row.waiting_on in {"customer", "third_party"},
                ),
            ),
        ),
        Transition(
            "investigate",
            states("received"),
            "investigated",
            "complaint:investigate",
            "Record findings, causes and fault",
            ("findings", "root_cause", "fault"),
            only=_COMPLAINTS,
        ),
        Transition(
            "resolve",
            states("investigated"),
            "resolved",
            "complaint:resolve",
            "Decide the outcome and tell the complainant",
            ("outcomes", "letter", "remedy"),
            (_CHILDREN,),
            only=_COMPLAINTS,
        ),
        Transition(
            "resolve_on_the_spot",
            states("received"),
            "resolved",
            "complaint:resolve",
            "Settle a mild complaint at the first contact, with the complainant's acceptance",
            ("fault", "outcomes", "letter", "remedy", "accepted_by_complainant"),
            (
                *ON_THE_SPOT,
                Requirement(
                    "offer_not_approved",
                    "an offer on it is not approved; submit it (within your authority that approves it), or withdraw it.",
                    lambda row: row.offers_drafted == 0,
                ),
                _CHILDREN,
            ),
            only=_COMPLAINTS,
        ),
        Transition(
            "answer",
            states("received"),
            "resolved",
            "complaint:reply",
            "Answer what is no complaint",
            ("text",),
            only=_OTHERS,
        ),
        Transition(
            "follow_up",
            states("resolved"),
            "followed_up",
            "complaint:follow_up",
            "Record how it went for the complainant",
            ("result",),
            (
                Requirement(
                    "remedy_undelivered",
                    "a remedy is not delivered yet.",
                    lambda row: row.remedies_undelivered == 0,
                ),
            ),
            only=_COMPLAINTS,
        ),
        Transition(
            "reopen",
            CLOSED,
            "received",
            "complaint:reopen",
            "Take a closed complaint up again (a double deviation)",
            ("reason",),
            (_BY_ITSELF,),
        ),
        Transition(
            "withdraw",
            OPEN,
            "withdrawn",
            "complaint:withdraw",
            "Record that the complainant withdrew",
            ("reason",),
        ),
        Transition(
            "dismiss",
            OPEN,
            "dismissed",
            "complaint:dismiss",
            "Close what is not a complaint to us",
            ("reason_code",),
        ),
        Transition(
            "convert",
            states("received", "investigated", "resolved"),
            "received",
            "complaint:convert",
            "Say that a complaint is none, or that something else is one",
            ("record_type", "reason"),
            (
                Requirement(
                    "offers_live", "there are offers on it; take them back first.", lambda row: row.offers_live == 0
                ),
            ),
            only=_UNDECIDED,
            also=_to_convert,
        ),
        Transition(
            "merge",
            OPEN,
            "dismissed",
            "complaint:merge",
            "Merge a duplicate into the complaint that goes on",
            ("into", "reason"),
            (
                Requirement(
                    "remedies_unsettled",
                    "an offer on it is not settled; have it delivered, or take it back.",
                    lambda row: row.remedies_undelivered == 0,
                ),
            ),
        ),
        Transition(
            "unmerge",
            states("dismissed"),
            None,
            "complaint:merge",
            "Undo a merge: the complaint goes on by itself, from where it stood",
            ("reason",),
            back_to=OPEN,
            only=Requirement(
                "not_merged", "it was not merged into another.", lambda row: row.merged_into_id is not None
            ),
        ),
        Transition(
            "escalate",
            OPEN,
            None,
            "complaint:escalate",
            "Raise the level of escalation by one",
            ("reason",),
            (
                Requirement(
                    "highest_level",
                    "it is at the highest level already.",
                    lambda row: row.escalation_level < MAX_LEVEL,
                ),
            ),
            only=_COMPLAINTS,
        ),
        Transition(
            "de_escalate",
            OPEN,
            None,
            "complaint:escalate",
            "Lower the level of escalation by one",
            ("reason",),
            (Requirement("lowest_level", "it is not escalated.", lambda row: row.escalation_level > 0),),
            only=_COMPLAINTS,
        ),
        Transition(
            "refer_externally",
            OPEN | CLOSED,
            None,
            "complaint:refer",
            "Record that the complaint went to an outside body (ISO 10003)",
            ("body", "reference"),
            (_BY_ITSELF,),
            only=_COMPLAINTS,
        ),
    ),
)
