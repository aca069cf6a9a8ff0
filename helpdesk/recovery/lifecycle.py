"""The lifecycle of an offer, as a table, and what a state means for the two books beside it.

`drafted -> pending_approval -> approved -> offered -> accepted -> issuing -> issued -> redeemed`, and the ways out. Money
and the complaint's counters are not part of a transition but follow from the states on both sides of it (`money_effect`,
`complaint_effect`), so no action can forget them and the audit needs no second list.
"""

from dataclasses import dataclass
from typing import Final, TypedDict

from helpdesk.kernel.state_machine import Lifecycle, Requirement, Transition, states
from helpdesk.recovery.kinds import CONFIRMED, DELIVERED_AT_ONCE, HANDED_OVER, TABLE

UNANSWERED: Final = states("drafted", "pending_approval", "approved", "offered", "countered")
RESERVED: Final = states("approved", "offered", "countered", "accepted", "issuing")
"""Money is set aside for it."""
BEFORE_CUSTOMER: Final = states("offered", "countered")
"""The customer has it in hand, and its time runs."""
SPENT: Final = states("issued", "redeemed")
"""Money is gone, and the customer has what was promised."""
ENDED: Final = states("declined", "expired", "revoked", "reversed")
"""Nobody waits for it any more. `failed` is not among these: the customer accepted it, and has not got it."""
COPIED: Final = ENDED - states("reversed")
"""What came to nothing, and can be offered anew."""
GRANTED: Final = RESERVED | SPENT | states("failed")
"""Was approved and still stands: it counts against somebody's authority. A failure does not undo an approval, so a retry
needs no second one.
"""
SHOWN_TO_CUSTOMER: Final = states(
    "offered",
    "countered",
    "accepted",
    "issuing",
    "issued",
    "redeemed",
    "declined",
    "expired",
    "revoked",
    "failed",
    "reversed",
)

MOST_COUNTERS: Final = 3
"""How often the customer can ask for something else instead of one offer."""
COUNTER_OUTCOMES: Final = {
    "keep": "kept",
    "take_back_counter": "taken_back",
    "decline": "declined",
    "revoke": "revoked",
    "expire": "expired",
}
"""What came of a counter-offer, by the step that ended it. `revoked`: the offer was, also where another replaced it."""

NOBODY: Final = "nobody"
"""The permission of steps that follow by themselves; it is not in the vocabulary, so no role and no caller holds it."""

SYSTEM_ACTIONS: Final = frozenset(
    {
        "endorse",
        "begin_issuing",
        "doubt",
        "hand_over",
        "book_issued",
        "note_mailed",
        "note_seen",
        "expire",
        "redeem",
        "unredeem",
    }
)
"""Steps without a route: parts of another act, the outcome of a job, a sweep, or a voucher at the till."""

ISSUING_ACTIONS: Final = frozenset({"record_issued", "book_issued"})
"""Steps with which it is issued."""
DELAYING: Final = frozenset({"fail", "doubt"})
"""Steps after which the customer waits: it could not be issued so far, or nobody knows whether it was."""
ISSUANCES: Final = ("automatic", "by_hand", "unknown")
"""How it is issued, while it is `issuing`: by Helpdesk; by hand, by a person for whom it waits; or nobody knows whether the
provider that was asked has done it, and a person is to find out.
"""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the requirements below ask about an offer at one moment. `used`: something was bought with its voucher,
    or with its points. `ended`: their time is over. `settles`: who asks may say what came of its issuance: the program always, a person while it waits for one.
    `delivered`: the customer has it. `unknown`: nobody knows whether its provider has done it. `asked`: its provider is asked,
    again and again. `contradicted`: its provider says something else than what is recorded. `counters`: how often the customer
    asked for something else. `reported`: they said that it did not come.
    """

    kind: str
    in_time: bool
    used: bool = False
    ended: bool = False
    settles: bool = True
    delivered: bool = False
    unknown: bool = False
    asked: bool = False
    contradicted: bool = False
    counters: int = 0
    reported: bool = False


_IN_TIME: Final = Requirement("offer_expired", "the offer has expired.", lambda row: row.in_time)
_AT_WORK: Final = Requirement(
    "being_issued", "Helpdesk is issuing it by itself; what comes of it is recorded by itself.", lambda row: row.settles
)
_NOT_DELIVERED: Final = Requirement(
    "delivered_already",
    "the customer has it: it was mailed, posted, read out, seen or used.",
    lambda row: not row.delivered,
)
_NOT_ARRIVED: Final = Requirement("delivered_already", "the customer has it.", lambda row: not row.delivered)
_NOT_CONTRADICTED: Final = Requirement(
    "contradicted",
    "its provider says that it was issued; look at the dead letters, and settle that first.",
    lambda row: not row.contradicted,
)
_HANDED_OVER: Final = Requirement(
    "no_letter", "it is neither a letter nor a code.", lambda row: row.kind in HANDED_OVER
)
_CODE: Final = Requirement("no_code", "it has no code.", lambda row: row.kind == "voucher")


LIFECYCLE: Final = Lifecycle(
    name="offer",
    states=(
        "drafted",
        "pending_approval",
        "approved",
        "offered",
        "countered",
        "accepted",
        "issuing",
        "issued",
        "redeemed",
        "declined",
        "expired",
        "revoked",
        "failed",
        "reversed",
    ),
    initial="drafted",
    transitions=(
        Transition(
            "submit",
            states("drafted"),
            "pending_approval",
            "offer:draft",
            "Ask for approval; within one's own authority it is approved at once",
        ),
        Transition(
            "approve",
            states("pending_approval"),
            "approved",
            "offer:approve",
            "Approve somebody else's draft; its money is set aside",
        ),
        Transition(
            "endorse",
            states("pending_approval"),
            None,
            NOBODY,
            "The first of two approvals, where the amount is beyond any single authority",
        ),
        Transition(
            "refuse",
            states("pending_approval"),
            "drafted",
            "offer:approve",
            "Give a draft back, with the reason",
            ("reason",),
        ),
        Transition(
            "withdraw",
            states("drafted", "pending_approval"),
            "revoked",
            "offer:draft",
            "Take back a draft that nobody has approved",
        ),
        Transition(
            "offer",
            states("approved"),
            "offered",
            "offer:send",
            "Put it before the customer, with a signed link by mail where there is an address",
        ),
        Transition(
            "accept",
            states("offered"),
            "accepted",
            "offer:answer",
            "Record that the customer accepts; issuing begins at once",
            ("said_by",),
            (_IN_TIME,),
        ),
        Transition(
            "counter",
            states("offered"),
            "countered",
            "offer:answer",
            "Record that the customer asks for something else; the offer stands until somebody answers, or its time ends",
            ("said_by", "words"),
            (
                _IN_TIME,
                Requirement(
                    "countered_enough",
                    f"the customer has asked for something else {MOST_COUNTERS} times.",
                    lambda row: row.counters < MOST_COUNTERS,
                ),
            ),
        ),
        Transition(
            "keep",
            states("countered"),
            "offered",
            "offer:send",
            "Keep the offer as it is, and tell the customer; they have a week at least to answer",
            (),
            (_IN_TIME,),
        ),
        Transition(
            "take_back_counter",
            states("countered"),
            "offered",
            "offer:answer",
            "Record that the customer asks for nothing else any more",
            ("said_by",),
            (_IN_TIME,),
        ),
        Transition(
            "prolong",
            BEFORE_CUSTOMER,
            None,
            "offer:send",
            "Give the customer more time to answer, up to 90 days from now",
            ("days",),
            (_IN_TIME,),
        ),
        Transition(
            "send_again",
            states("offered"),
            None,
            "offer:send",
            "Send the offer's letter again, to the address of now: it says what the first one said, with the link that serves as long",
            (),
            (_IN_TIME,),
        ),
        Transition(
            "decline",
            BEFORE_CUSTOMER,
            "declined",
            "offer:answer",
            "Record that the customer declines",
            ("said_by",),
        ),
        Transition(
            "expire",
            BEFORE_CUSTOMER,
            "expired",
            NOBODY,
            "The customer did not answer in time",
            (),
            (Requirement("still_valid", "the offer is still valid.", lambda row: not row.in_time),),
        ),
        Transition("begin_issuing", states("accepted"), "issuing", NOBODY, "Issuing begins with the acceptance"),
        Transition(
            "record_issued",
            states("issuing"),
            "issued",
            "offer:issue",
            "Record that it was issued by hand, with the reference that it has outside; the money is spent",
            ("reference",),
            (_AT_WORK,),
        ),
        Transition(
            "fail",
            states("issuing"),
            "failed",
            "offer:issue",
            "Record that it cannot be issued, and why; the money is free again",
            ("reason",),
            (_AT_WORK,),
        ),
        Transition(
            "doubt",
            states("issuing"),
            None,
            NOBODY,
            "Nobody knows whether the provider has done it; a person is to find out, and its money stays set aside",
        ),
        Transition(
            "post_letter",
            states("issued"),
            None,
            "offer:send",
            "Record that a letter or a voucher's code went out by post or was read out, where no mail reached them",
            (),
            (_NOT_DELIVERED,),
            only=_HANDED_OVER,
        ),
        Transition(
            "send_letter_again",
            states("issued"),
            None,
            "offer:send",
            "Mail a letter, or a voucher's code, once more, to the address of now; the code is the same",
            only=_HANDED_OVER,
        ),
        Transition(
            "note_mailed",
            states("issued"),
            None,
            NOBODY,
            "The mail server has taken the letter",
            (),
            (_NOT_DELIVERED,),
            only=_HANDED_OVER,
        ),
        Transition(
            "note_seen",
            states("issued"),
            None,
            NOBODY,
            "The customer has seen the voucher's code by their link, or has used it",
            (),
            (_NOT_DELIVERED,),
            only=_CODE,
        ),
        Transition("hand_over", states("issuing"), None, NOBODY, "Its provider is not asked; it waits for a person"),
        Transition(
            "ask_again",
            states("issuing"),
            None,
            "offer:issue",
            "Ask the provider now, with the same key: how it stands, and to issue it if it has not",
            (),
            (
                Requirement("not_in_doubt", "no provider is asked for it.", lambda row: row.unknown or row.asked),
                _NOT_CONTRADICTED,
            ),
        ),
        Transition(
            "confirm_delivery",
            states("issued"),
            None,
            "offer:answer",
            "Record that the customer has got what was sent or done",
            ("said_by",),
            (_NOT_ARRIVED,),
            only=Requirement(
                "delivered_at_once",
                "what is delivered with its issuance is not confirmed.",
                lambda row: row.kind in CONFIRMED,
            ),
        ),
        Transition(
            "report_undelivered",
            states("issued"),
            None,
            "offer:answer",
            "Record that the customer says it did not come",
            ("said_by",),
            (
                _NOT_ARRIVED,
                Requirement("reported_already", "they have said so.", lambda row: not row.reported),
            ),
            only=Requirement(
                "delivered_at_once",
                "what is delivered with its issuance cannot fail to come.",
                lambda row: row.kind in CONFIRMED,
            ),
        ),
        Transition(
            "retry",
            states("failed"),
            "issuing",
            "offer:approve",
            "Issue again what failed; its money is set aside anew. What was accepted is owed, whatever became of the complaint",
            (),
            (_NOT_CONTRADICTED,),
        ),
        Transition(
            "book_issued",
            states("failed"),
            "issued",
            NOBODY,
            "Its provider did issue it, though it was recorded as failed: its money is set aside anew and spent",
        ),
        Transition("redeem", states("issued"), "redeemed", NOBODY, "All of the voucher was used"),
        Transition(
            "unredeem", states("redeemed"), "issued", NOBODY, "A redemption was taken back: the voucher is good again"
        ),
        Transition(
            "revoke",
            UNANSWERED | states("failed"),
            "revoked",
            "offer:revoke",
            "Take back what the customer has not answered, or what cannot be issued",
            ("reason",),
            (_NOT_CONTRADICTED,),
        ),
        Transition(
            "reverse",
            states("issued"),
            "reversed",
            "offer:revoke",
            "Take back an unused voucher, or record that money or goods came back; the amount is in the budget again",
            ("reason",),
            (
                Requirement(
                    "stays_done",
                    "what was said or done cannot be taken back.",
                    lambda row: TABLE[row.kind].taken_back != "never",
                ),
                Requirement(
                    "voucher_used",
                    "something was bought with it; take back its redemptions first.",
                    lambda row: row.kind == "points" or not row.used,
                ),
                Requirement(
                    "points_used",
                    "some of its points were used; reverse those uses first (POST /customers/{id}/points/burns/{id}/reverse).",
                    lambda row: row.kind != "points" or not row.used,
                ),
                Requirement(
                    "has_ended", "its time is over, and nothing is left to take back.", lambda row: not row.ended
                ),
            ),
        ),
    ),
)

COMPLAINT_TAKES_OFFERS: Final = states("received", "investigated", "resolved")
"""Complaint states in which a remedy can be promised; after `followed_up` the promise was declared kept."""


def money_effect(source: str, target: str) -> str | None:
    """What a paying offer's step does in its budget's ledger: reserve, commit, release, reverse, spend (reserve and commit: of
    what was issued though it was recorded as failed) or None.

    Raises ValueError for another step that would spend what was never set aside.
    """
    before, after = _purse(source), _purse(target)
    if before == after:
        return None
    effects = {
        ("free", "reserved"): "reserve",
        ("reserved", "free"): "release",
        ("reserved", "spent"): "commit",
        ("spent", "free"): "reverse",
    }
    if source == "failed" and after == "spent":
        return "spend"
    if (before, after) not in effects:
        raise ValueError(f"{source} -> {target} would move money from {before} to {after}")
    return effects[before, after]


def _purse(state: str) -> str:
    if state in RESERVED:
        return "reserved"
    return "spent" if state in SPENT else "free"


class OfferCounts(TypedDict):
    """What offers add to their complaint's counters; see `complaints.remedies`."""

    live: int
    drafts: int
    approved: int
    undelivered: int


def delivers(action: str, kind: str) -> bool:
    """Whether the customer has the remedy with this step."""
    if action in ISSUING_ACTIONS:
        return kind in DELIVERED_AT_ONCE
    return action in {"confirm_delivery", "post_letter", "note_mailed", "note_seen"}


def complaint_effect(
    source: str, target: str, *, this_round: bool, delivered: tuple[bool, bool] = (False, False)
) -> OfferCounts:
    """By how much the complaint's counters change with a step. `this_round`: the offer was approved since the complaint
    was last reopened; what was decided before is no decision of this round. `delivered`: before and after.
    """
    before, after = counted(source, delivered=delivered[0]), counted(target, delivered=delivered[1])
    return OfferCounts(
        live=after["live"] - before["live"],
        drafts=after["drafts"] - before["drafts"],
        approved=after["approved"] - before["approved"] if this_round else 0,
        undelivered=after["undelivered"] - before["undelivered"],
    )


def counted(state: str, *, delivered: bool) -> OfferCounts:
    """What one offer in this state adds to its complaint's counters. `delivered`: the customer has it."""
    return OfferCounts(
        live=int(state not in ENDED),
        drafts=int(state not in ENDED | GRANTED),
        approved=int(state in GRANTED),
        undelivered=int(state not in ENDED and not delivered),
    )


def moves_money(action: str) -> bool:
    """Whether some path through this action touches a budget."""
    step = LIFECYCLE.by_action(action)
    return any(money_effect(source, step.target or source) for source in step.sources)
