from helpdesk.kernel.errors import DomainError


class NotExtensible(DomainError):
    status = 409
    code = "not_extensible"
    title = "This deadline cannot be extended"
    advice = (
        "Only a regulator's deadline whose rule allows for it can be, while it runs; the clock shows what it allows."
    )


class ExtensionUsed(DomainError):
    status = 409
    code = "extension_used"
    title = "The rule allows no further extension"
    advice = "It was extended as often as the rule allows."


class DeadlinePassed(DomainError):
    status = 409
    code = "deadline_passed"
    title = "The deadline has passed"
    advice = "A notice counts only before the deadline that it moves. Tell the complainant why it takes longer, and record that."


class AmountOfTheLaw(DomainError):
    status = 409
    code = "amount_of_the_law"
    title = "The rule says this amount itself"
    advice = "Only a default can be set. Switch the rule off, with a reason, if it is wrong or not yours."


class AlreadySwitched(DomainError):
    status = 409
    code = "already_switched"
    title = "The rule is switched that way already"
    advice = "Read it again."


class FactKnown(DomainError):
    status = 409
    code = "fact_known"
    title = "This fact is recorded already"
    advice = "The same fact at the same time counts once. Withdraw the one that is wrong."


class FactWithdrawn(DomainError):
    status = 409
    code = "fact_withdrawn"
    title = "This fact was withdrawn before"
    advice = "Record it again if it was so after all."


class FactElsewhere(DomainError):
    status = 409
    code = "fact_elsewhere"
    title = "This fact was recorded of another complaint"
    advice = (
        "It counts here because the two are, or were, one matter. Withdraw it where it was recorded, or, where that was merged, "
        "in the complaint in which it goes on; that changes both."
    )


class NotRegulated(DomainError):
    status = 409
    code = "not_regulated"
    title = "The rule is not for this complaint"
    advice = "A rule is for the jurisdiction and the sector of the complaint; correct these first. `GET .../regime` shows which are."
