"""The facts that start and stop a regulator's clocks, by name, and which of them our own acts tell.

Some are known from what is done here (receipt, acknowledgement, the decision, a question, a reply, a refund that was issued).
What happens elsewhere (a portal, another body, a payment of somebody else's) a person records, with its time. Any of them may
be recorded: what was done on paper counts as well, and a receipt that is recorded goes before the one that we noted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

AT_RECEIPT: Final[Mapping[str, str]] = {
    "complaint_received": "the complaint reached the firm",
    "complaint_first_raised": "the complaint was raised for the first time",
    "grievance_received": "the grievance reached the firm",
    "dispute_received": "the dispute reached the firm",
    "notice_of_error_received": "the notice of error reached the firm",
    "billing_error_notice_received": "the billing error notice reached the firm",
    "written_complaint_received": "the complaint reached the firm in writing",
    "report_received": "the report reached the authority",
}
"""Known from the receipt of the complaint, unless somebody records another time."""

BY_ACTS: Final[Mapping[str, str]] = {
    "acknowledged": "receipt was acknowledged",
    "acknowledged_any_channel": "receipt was acknowledged, in whatever way",
    "acknowledged_defined_logged": "the complaint was acknowledged, defined and logged",
    "acknowledgement_sent": "the acknowledgement was sent",
    "written_acknowledgement_sent": "receipt was acknowledged in writing",
    "details_requested": "further details were asked for",
    "complainant_reply": "the complainant replied",
    "resolved": "the complaint was decided",
    "resolved_within_30_days": "the complaint was decided before it had to be acknowledged",
    "final_response_sent": "the final response was sent",
    "reply_sent": "the reply was sent",
    "idr_response_sent": "the response of internal dispute resolution was sent",
    "final_decision_sent": "the final decision was sent",
    "final_resolution_letter": "the letter of resolution was sent",
    "correction_or_explanation_sent": "the correction or the explanation was sent",
    "determination_made": "it was determined whether there was an error",
    "results_determined": "the reinvestigation has its result",
    "decision_notified": "the decision was notified",
    "resolution_sent": "the resolution was sent",
    "substantive_written_response_sent": "the substantive response was sent in writing",
    "dispositive_written_response_sent": "the dispositive response was sent in writing",
    "stage1_response_sent": "the response of stage 1 was sent",
    "stage2_response_sent": "the response of stage 2 was sent",
    "fully_upheld": "the complaint was upheld in full",
    "complainant_accepts_resolution": "the complainant accepts the resolution",
    "closed_to_satisfaction": "the complaint was closed to the complainant's satisfaction",
    "response_posted_in_portal": "the response was posted in the regulator's portal",
    "final_explanation_posted": "the final explanation was posted in the regulator's portal",
    "refund_issued": "the refund was issued",
    "refund_issued_original_form": "the refund was issued in the form in which was paid",
    "refund_paid": "the refund was paid",
    "compensation_credited": "the compensation was credited",
}
"""Known from what is done with the complaint."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "acceptance_decision_notified": "the complainant was told whether the complaint is accepted",
    "agreement_reached": "an agreement was reached",
    "case_filed_or_not": "it was decided whether a case is filed",
    "complaint_accepted": "the complaint was accepted for mediation",
    "complaint_forwarded_solely": "the complaint was forwarded to who is solely responsible",
    "complaint_sent_to_company": "the regulator sent the complaint to the company",
    "complaint_served": "the regulator served the complaint",
    "deadlock_letter": "the deadlock letter was sent",
    "delay_letter_sent": "the complainant was told in writing why it takes longer",
    "escalated_to_io": "the complaint went to the internal ombudsman",
    "escalation_requested": "the complainant asked for the next stage",
    "evidence_submitted": "the evidence was submitted",
    "final_decision_accepted": "the complainant accepted the final decision",
    "mediation_terminated": "the mediation was terminated",
    "passenger_chooses_refund": "the passenger chose the refund",
    "provisional_credit_posted": "the provisional credit was posted",
    "refund_due": "the refund became due",
    "stage2_acknowledged": "stage 2 was acknowledged",
    "standard_failed": "a guaranteed standard was failed",
    "statement_sent": "the statement that shows the error was sent",
    "status_in_progress": "the complaint is in progress in the regulator's portal",
    "written_acceptance_by_complainant": "the complainant accepted in writing",
    "written_response_to_fcc_and_consumer": "the response went to the FCC and to the consumer in writing",
}
"""Only a person knows them."""

KINDS: Final[Mapping[str, str]] = {**AT_RECEIPT, **BY_ACTS, **ELSEWHERE}

SPOKEN: Final = frozenset({"PHONE", "STORE"})
"""Channels by which nothing is said in writing."""

_ACKNOWLEDGED: Final = frozenset(
    {"acknowledged", "acknowledged_any_channel", "acknowledged_defined_logged", "acknowledgement_sent"}
)
_DECIDED: Final = frozenset(
    {
        "resolved",
        "resolved_within_30_days",
        "final_response_sent",
        "reply_sent",
        "idr_response_sent",
        "final_decision_sent",
        "final_resolution_letter",
        "correction_or_explanation_sent",
        "determination_made",
        "results_determined",
        "decision_notified",
        "resolution_sent",
        "substantive_written_response_sent",
        "dispositive_written_response_sent",
        "stage1_response_sent",
        "stage2_response_sent",
        "response_posted_in_portal",
        "final_explanation_posted",
    }
)
"""A clock that a portal's answer stops was started by what came through that portal: the decision is answered there."""
_SETTLED: Final = frozenset({"complainant_accepts_resolution", "closed_to_satisfaction"})
_ISSUED: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        ("refund", "partial_refund"), frozenset({"refund_issued", "refund_issued_original_form", "refund_paid"})
    ),
    **dict.fromkeys(("goodwill_payment", "service_credit"), frozenset({"compensation_credited"})),
}
"""By the kind of the offer."""
OFFER_ISSUED: Final = "offer.issued"
TELLING: Final = (
    "complaint.acknowledged",
    "complaint.resolved",
    "complaint.customer_asked",
    "complaint.message_added",
    OFFER_ISSUED,
)
"""Types of the events that tell facts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """`recorded`: by a person, or brought by an import, and no act of ours."""

    kind: str
    at: datetime
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Birth:
    """What is known of a complaint from its receipt."""

    received_at: datetime
    channel: str | None

    def facts(self) -> list[Fact]:
        kinds = [
            kind for kind in AT_RECEIPT if kind != "written_complaint_received" or (self.channel or "") not in SPOKEN
        ]
        return [Fact(kind, self.received_at) for kind in kinds]


def told_by(kind: str, payload: Mapping[str, Any]) -> frozenset[str]:
    """Names of the facts that an event tells. `kind`: its type; `payload`: its fields."""
    if kind == "complaint.acknowledged":
        by = (payload.get("given") or {}).get("channel")
        return _ACKNOWLEDGED if by in SPOKEN else _ACKNOWLEDGED | {"written_acknowledgement_sent"}
    if kind == "complaint.resolved":
        return _decided(payload)
    if kind == "complaint.customer_asked":
        return frozenset({"details_requested"})
    if kind == "complaint.message_added" and payload.get("kind") == "inbound":
        return frozenset({"complainant_reply"})
    if kind == OFFER_ISSUED:
        return _ISSUED.get(str(payload.get("kind")), frozenset())
    return frozenset()


def _decided(payload: Mapping[str, Any]) -> frozenset[str]:
    """The decision letter is written, and acknowledges what nobody had acknowledged before."""
    found = _DECIDED
    changes = payload.get("changes") or {}
    if "acknowledged_at" in changes:
        found |= _ACKNOWLEDGED | {"written_acknowledgement_sent"}
    if (changes.get("outcome") or [None, None])[1] == "upheld":
        found |= {"fully_upheld"}
    if payload.get("action") == "resolve_on_the_spot":
        found |= _SETTLED
    return found


def brought(clock_starts: Mapping[str, datetime]) -> list[Fact]:
    """What an import says of them; its `complaint_received` is the receipt itself."""
    return [Fact(kind, at, recorded=True) for kind, at in clock_starts.items() if kind != "complaint_received"]


def earliest(facts: Iterable[Fact], kinds: Iterable[str], since: datetime | None = None) -> datetime | None:
    """When one of these first was so, not before `since`; None where none was."""
    wanted = frozenset(kinds)
    found = (fact.at for fact in facts if fact.kind in wanted and (since is None or fact.at >= since))
    return min(found, default=None)


def started(facts: Iterable[Fact], kind: str) -> datetime | None:
    """When a clock that starts with this fact starts: what a person recorded goes before what we noted."""
    found = [fact for fact in facts if fact.kind == kind]
    return min((fact.at for fact in found if fact.recorded), default=min((fact.at for fact in found), default=None))
