"""Whether what a draft gives can be given on this complaint: every bad field named with its pointer."""

from collections.abc import Iterator, Sequence

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.words import with_article
from helpdesk.recovery.kinds import ISSUABLE, PAYING
from helpdesk.recovery.option_terms import Terms


def check_options(complaint: Complaint, placed: Sequence[tuple[str, Terms]]) -> None:
    """`placed`: as `option_terms.options_of` gives them. Raises `ValidationFailed`."""
    problems = [problem for at, terms in placed for problem in _unfit(complaint, at, terms)]
    problems += _twice(placed)
    problems += _two_currencies(placed) if complaint.currency is None else []
    if problems:
        raise ValidationFailed(errors=problems)


def _unfit(complaint: Complaint, at: str, terms: Terms) -> Iterator[FieldError]:
    a_kind = with_article(terms.kind).capitalize()
    if terms.kind not in ISSUABLE:
        detail = f"Nobody can issue {terms.kind} yet; write one of {', '.join(ISSUABLE)}."
        yield FieldError.at(f"{at}/kind", "not_issuable", detail)
    elif terms.kind in PAYING and terms.amount is None:
        yield FieldError.at(f"{at}/amount", "required", f"{a_kind} needs an amount.")
    elif terms.kind == "points" and complaint.customer_id is None:
        detail = (
            "Points are credited to a customer, and this complaint has none: whose it is was to be said when it was taken in. Offer "
            "something else, such as a voucher."
        )
        yield FieldError.at(f"{at}/kind", "no_customer", detail)
    elif terms.kind not in PAYING and terms.amount is not None:
        yield FieldError.at(f"{at}/amount", "not_paid", f"{a_kind} has no amount.")
    # One currency per case: the authority for a case could be evaded by splitting it over two.
    if terms.amount is not None and complaint.currency not in {None, terms.amount.currency}:
        detail = f"This complaint is reckoned in {complaint.currency}."
        yield FieldError.at(f"{at}/amount/currency", "currency", detail)


def _twice(placed: Sequence[tuple[str, Terms]]) -> list[FieldError]:
    detail = "An option above has the same kind and amount; make them differ, or leave one out."
    before, found = [], []
    for at, terms in placed:
        if terms.remedy in before:
            found.append(FieldError.at(at, "twice", detail))
        before.append(terms.remedy)
    return found


def _two_currencies(placed: Sequence[tuple[str, Terms]]) -> list[FieldError]:
    paid = [(at, terms.amount) for at, terms in placed if terms.amount is not None]
    return [
        FieldError.at(f"{at}/amount/currency", "currency", f"An option above is in {paid[0][1].currency}.")
        for at, amount in paid[1:]
        if amount.currency != paid[0][1].currency
    ]
