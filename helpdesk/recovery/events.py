"""What happens to offers. Offer events are recorded on the complaint's chain: they are part of its story."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferEvent(Event):
    """`amount_minor` and `currency` are null for what costs nothing. `complaint_changes`: field of the complaint ->
    [before, after], its counters of offers above all.
    """

    complaint_id: UUID
    reference: str
    offer_id: UUID
    kind: str
    amount_minor: int | None
    currency: str | None
    complaint_changes: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def subject_id(self) -> UUID:
        return self.offer_id


def of_offer(complaint: Any, offer: Any) -> dict[str, Any]:
    """What every event of an offer names, of the rows of both."""
    return {
        "complaint_id": complaint.id,
        "reference": complaint.reference,
        "offer_id": offer.id,
        "kind": offer.kind,
        "amount_minor": offer.amount_minor,
        "currency": offer.currency,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDrafted(OfferEvent):
    """`options`: number, kind, amount_minor and currency of each, where the customer has a choice; else
    empty. `successor_of`: the countered offer that it is to replace. `copied_from`: one that came to nothing, of which it
    is a copy.
    """

    type: ClassVar[str] = "offer.drafted"
    options: list[dict[str, Any]] = field(default_factory=list)
    successor_of: UUID | None = None
    copied_from: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateAllowed(OfferEvent):
    """It was drafted though `offers` others compensate the same matter, with `given_minor` in its currency. They may be on
    complaints that a reader of this one does not see, and are not named.
    """

    type: ClassVar[str] = "offer.duplicate_allowed"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    offers: int
    given_minor: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMoved(OfferEvent):
    """With its complaint, which was merged into another, or back; told in both stories."""

    type: ClassVar[str] = "offer.moved"
    moved_from: UUID
    moved_to: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCarried(OfferEvent):
    """Its budget was closed, and the money set aside for it went on into the successor."""

    type: ClassVar[str] = "offer.carried"
    from_budget_id: UUID
    to_budget_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReminded(OfferEvent):
    """The customer was written that it ends soon, at `valid_until`."""

    type: ClassVar[str] = "offer.reminded"
    valid_until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLeftOwed(OfferEvent):
    """The offer covered what is laid down and has ended, while goodwill stands: so much of it is not offered any more. None of both:
    nobody can tell how much.
    """

    type: ClassVar[str] = "offer.left_owed"
    missing_minor: int | None
    missing_currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferActed(OfferEvent):
    """A step of the lifecycle. `given` is what the caller supplied."""

    personal: ClassVar[frozenset[str]] = frozenset({"given"})
    action: str
    from_status: str
    to_status: str
    given: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSubmitted(OfferActed):
    type: ClassVar[str] = "offer.submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferApproved(OfferActed):
    type: ClassVar[str] = "offer.approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferEndorsed(OfferActed):
    type: ClassVar[str] = "offer.endorsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRefused(OfferActed):
    type: ClassVar[str] = "offer.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawn(OfferActed):
    type: ClassVar[str] = "offer.withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSent(OfferActed):
    type: ClassVar[str] = "offer.sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted(OfferActed):
    type: ClassVar[str] = "offer.accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCountered(OfferActed):
    """The customer asks for something else; `given` has their words, and what they wish."""

    type: ClassVar[str] = "offer.countered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferKept(OfferActed):
    """In spite of a counter-offer."""

    type: ClassVar[str] = "offer.kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCounterTakenBack(OfferActed):
    type: ClassVar[str] = "offer.counter_taken_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferProlonged(OfferActed):
    type: ClassVar[str] = "offer.prolonged"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferUndelivered(OfferActed):
    """Of what is sent or done: the customer says that it did not come."""

    type: ClassVar[str] = "offer.undelivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDeclined(OfferActed):
    type: ClassVar[str] = "offer.declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferExpired(OfferActed):
    type: ClassVar[str] = "offer.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferIssuing(OfferActed):
    type: ClassVar[str] = "offer.issuing"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferIssued(OfferActed):
    """`delivered`: the customer has it with that; else `offer.delivered` tells when it came."""

    type: ClassVar[str] = "offer.issued"
    delivered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDoubted(OfferActed):
    """Nobody knows whether the provider has done it."""

    type: ClassVar[str] = "offer.issuance_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPosted(OfferActed):
    """A letter, or the code of a voucher, went out by post, or was read out."""

    type: ClassVar[str] = "offer.letter_posted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSentAgain(OfferActed):
    """Its letter, which the customer had not got, or lost."""

    type: ClassVar[str] = "offer.sent_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLetterSentAgain(OfferActed):
    """Of what was issued: a letter, or the one with a voucher's code."""

    type: ClassVar[str] = "offer.letter_sent_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMailed(OfferActed):
    """The mail server has taken a letter, or the one with a voucher's code."""

    type: ClassVar[str] = "offer.letter_mailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSeen(OfferActed):
    """The customer has seen the code of their voucher by their link, or has used it: no mail had brought it before."""

    type: ClassVar[str] = "offer.voucher_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferHandedOver(OfferActed):
    """Its provider was switched off before it was asked, or says that an earlier round was issued: it waits for a person."""

    type: ClassVar[str] = "offer.handed_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAskedAgain(OfferActed):
    """Of the provider, with the same key."""

    type: ClassVar[str] = "offer.asked_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferContradicted(OfferEvent):
    """A provider says something else of an issuance than what is recorded. `round`: of which issuance."""

    type: ClassVar[str] = "offer.issuance_contradicted"
    personal: ClassVar[frozenset[str]] = frozenset({"says"})
    provider_id: UUID
    round: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferContradictionSettled(OfferEvent):
    """Somebody has seen to what a provider says against what is recorded, and says what holds: it was `issued`, or `not_issued`, or
    `issued_beside` what is recorded. `issued_reference`: what was booked by it is called so.
    """

    type: ClassVar[str] = "offer.contradiction_settled"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    provider_id: UUID
    round: int
    reason: str
    outcome: str | None = None
    issued_reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDelivered(OfferActed):
    """Of what is sent or done: somebody said that the customer has it."""

    type: ClassVar[str] = "offer.delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFailed(OfferActed):
    type: ClassVar[str] = "offer.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRetried(OfferActed):
    type: ClassVar[str] = "offer.retried"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRedeemed(OfferActed):
    type: ClassVar[str] = "offer.redeemed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferUnredeemed(OfferActed):
    """A redemption that had used the voucher up was taken back."""

    type: ClassVar[str] = "offer.unredeemed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRevoked(OfferActed):
    type: ClassVar[str] = "offer.revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReversed(OfferActed):
    type: ClassVar[str] = "offer.reversed"


BY_ACTION: Final[dict[str, type[OfferActed]]] = {
    "submit": OfferSubmitted,
    "approve": OfferApproved,
    "endorse": OfferEndorsed,
    "refuse": OfferRefused,
    "withdraw": OfferWithdrawn,
    "offer": OfferSent,
    "accept": OfferAccepted,
    "counter": OfferCountered,
    "keep": OfferKept,
    "take_back_counter": OfferCounterTakenBack,
    "prolong": OfferProlonged,
    "send_again": OfferSentAgain,
    "decline": OfferDeclined,
    "expire": OfferExpired,
    "begin_issuing": OfferIssuing,
    "record_issued": OfferIssued,
    "book_issued": OfferIssued,
    "fail": OfferFailed,
    "doubt": OfferDoubted,
    "post_letter": OfferPosted,
    "send_letter_again": OfferLetterSentAgain,
    "note_mailed": OfferMailed,
    "note_seen": OfferSeen,
    "hand_over": OfferHandedOver,
    "ask_again": OfferAskedAgain,
    "confirm_delivery": OfferDelivered,
    "report_undelivered": OfferUndelivered,
    "retry": OfferRetried,
    "redeem": OfferRedeemed,
    "unredeem": OfferUnredeemed,
    "revoke": OfferRevoked,
    "reverse": OfferReversed,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherEvent(OfferEvent):
    """An entry in a voucher's ledger. `amount_minor`: of the entry, not of the offer; `balance_minor`: what is left."""

    entry_id: UUID
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherUsed(VoucherEvent):
    """`external_id`: the till's own reference."""

    type: ClassVar[str] = "offer.voucher_used"
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherUseReversed(VoucherEvent):
    """`reverses_id`: the entry that is taken back."""

    type: ClassVar[str] = "offer.voucher_use_reversed"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    reverses_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherExpired(VoucherEvent):
    type: ClassVar[str] = "offer.voucher_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherVoided(VoucherEvent):
    type: ClassVar[str] = "offer.voucher_voided"
