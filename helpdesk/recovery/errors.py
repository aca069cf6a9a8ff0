from helpdesk.kernel.errors import Conflict, Forbidden


class DuplicateOffer(Conflict):
    code = "duplicate_offer"
    title = "The complaint has the same offer already"
    advice = "Use the offer named in `offer_id`, or send `allow_duplicate: true` if a second one is meant."


class AlreadyCompensated(Conflict):
    code = "already_compensated"
    title = "The same matter was compensated already, or is being"
    advice = (
        "`offers` are those that you may see, each with what it shares with this complaint, `hidden` counts others, `sums` is what all "
        "of them come to in each currency. If another "
        "one is right, send `allow_duplicate: true` and `duplicate_reason`."
    )


class ClaimUnderReview(Conflict):
    code = "claim_under_review"
    title = "The offer waits for a reviewer's word"
    advice = "Have it given (GET /claim-reviews, POST /claim-reviews/{review_id}/settle), then approve. What is owed waits for nothing."


class OwnReview(Forbidden):
    code = "own_review"
    title = "Nobody settles the review of an offer of their own"
    advice = "Have a colleague settle it."


class ReviewClosed(Conflict):
    code = "review_closed"
    title = "The review is not open any more"
    advice = "Read it again; `state` says what became of it."


class ComplaintTakesNoOffers(Conflict):
    code = "complaint_takes_no_offers"
    title = "No remedy can be promised on a complaint that is closed"
    advice = "Reopen the complaint first."


class BelowFloor(Conflict):
    code = "below_floor"
    title = "Less is offered in money than a law or tariff lays down"
    advice = "Offer what is `missing` in money first, or have somebody who may say why it is less (`floor_reason`)."


class OfferStands(Conflict):
    code = "offer_stands"
    title = "Only an offer that came to nothing is copied"
    advice = (
        "Wait until it was declined, has expired or was revoked, or draft another one (POST /complaints/{ref}/offers)."
    )


class PredecessorAccepted(Conflict):
    code = "predecessor_accepted"
    title = "The customer has accepted the offer that this one was to replace"
    advice = "Revoke this one; what was accepted is owed."


class NothingToOffer(Conflict):
    code = "nothing_to_offer"
    title = "The playbook suggests no goodwill"
    advice = "Name an amount."


class BeyondAuthority(Forbidden):
    code = "beyond_authority"
    title = "The amount is beyond your authority"
    advice = (
        "`limits` names each limit that would be passed; have somebody with more authority approve it. `lent` says of each "
        "authority that was lent to you why it does not count: whether it has ended, not begun, or is for less."
    )


class OwnApproval(Forbidden):
    code = "own_approval"
    title = "Nobody approves an offer of their own, or one offer twice"
    advice = "Have a colleague approve it."


class NoBudget(Conflict):
    code = "no_budget"
    title = "No budget covers this offer today"
    advice = "Open a budget in this currency for the complaint's team or for the firm (POST /budgets), then repeat."


class BudgetExhausted(Conflict):
    code = "budget_exhausted"
    title = "The budget has not enough left for this offer"
    advice = "Allocate more (POST /budgets/{id}/allocations), wait for offers to be answered, or offer less."


class NoAddress(Conflict):
    code = "no_address"
    title = "There is no address that the customer can be written to"
    advice = "Record one (PATCH /complaints/{ref}/people/{person_id}), or pass it on otherwise."


class NoMailServer(Conflict):
    code = "no_mail_server"
    title = "No mail server is set up, and nothing would go out"
    advice = "Set one up (HELPDESK_SMTP_URL), or pass it on otherwise."


class OnItsWay(Conflict):
    code = "on_its_way"
    title = "The letter before has not gone out to this address yet"
    advice = "Wait until it has gone out or has failed."


class VoucherNotValid(Conflict):
    code = "voucher_not_valid"
    title = "The voucher cannot be used"
    advice = "`voucher_status` says why: it is used up, past its time (`expires_at`), or withdrawn."


class VoucherTooSmall(Conflict):
    code = "voucher_too_small"
    title = "There is less on the voucher"
    advice = "Take at most `balance`, and the rest of the price otherwise."


class VoucherNotPartial(Conflict):
    code = "voucher_not_partial"
    title = "This voucher is used in one"
    advice = "Send its whole `balance`, or no amount at all."


class RedemptionDiffers(Conflict):
    code = "redemption_differs"
    title = "This `external_id` stands for another redemption of the voucher"
    advice = "A repeat names the same amount; another redemption has an `external_id` of its own."


class RedemptionReversed(Conflict):
    code = "redemption_reversed"
    title = "This redemption was taken back"
    advice = "Nothing is left to take back. To redeem once more, send an `external_id` of its own."


class TariffExists(Conflict):
    code = "tariff_exists"
    title = "There is a tariff of this code"
    advice = "Add a version to it (POST /tariffs/{tariff_code}/versions), or choose another code."


class DelegationOverlaps(Conflict):
    code = "delegation_overlaps"
    title = "Authority is lent to this person for some of that time already"
    advice = "Take the delegation named in `delegation_id` back first, or choose another time."


class DelegationEnded(Conflict):
    code = "delegation_ended"
    title = "This delegation is over"
    advice = "Nothing is left to take back."


class ConflictOver(Conflict):
    code = "conflict_over"
    title = "This conflict of interest has ended"
    advice = "Declare a new one where there is one again."


class DefaultPlaybookStays(Conflict):
    code = "default_playbook_stays"
    title = "The default playbook is for everything, and stands last"
    advice = "Make another playbook that stands before it."


class NotADraft(Conflict):
    code = "not_a_draft"
    title = "This version was published, and is never changed"
    advice = "Draft another one from it (`from_version`), and publish that."


class NotPublished(Conflict):
    code = "not_published"
    title = "Only a published version can be retired"
    advice = "A draft is discarded (DELETE); what is retired stays so."


class ValidityOverlaps(Conflict):
    code = "validity_overlaps"
    title = "Another version of the playbook holds on some of these days"
    advice = "`versions` names them. Choose other days, or retire what is in the way."


class BooksDiffer(Conflict):
    code = "books_differ"
    title = "What is recorded of this offer says otherwise"
    advice = (
        "What is recorded as issued and was not: `reverse` it, then settle this. What is being issued anew and was issued before: "
        "say so (`record_issued` with that reference, or `fail`), then settle this. What failed and was issued is `issued`, not `issued_beside`."
    )


class NothingContradicted(Conflict):
    code = "nothing_contradicted"
    title = "No provider says anything else of this offer than what is recorded"
    advice = "There is nothing to settle; `GET /recovery/dead-letters` lists what there is."
