"""The body of each action of the lifecycle. The required ones are what the table's `supplies` lists; a test compares."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.lifecycle import MAX_ISSUES, RECORD_TYPES
from helpdesk.complaints.schemas import LONG, REFERENCE, TEXT_FORMATS, issue_fits_category
from helpdesk.complaints.taxonomy import (
    FAULTS,
    ISSUE_OUTCOMES,
    NO_COMPLAINT,
    SEVERITIES,
    TRACKS,
)
from helpdesk.kernel.schemas import Choice, Flag, Line, Schema, Text, Whole, check_html
from helpdesk.taxonomy.term_schemas import TermCode


class AcknowledgeIn(Schema):
    channel = TermCode(
        "channel",
        required=True,
        metadata={"description": "By which they are told, or were; EMAIL needs an address.", "example": "EMAIL"},
    )
    text = Text(
        max_length=LONG,
        metadata={"description": "The standard acknowledgement when absent.", "example": "Thank you, we are on it."},
    )


class TriageIn(Schema):
    impact = Whole(
        required=True, validate=validate.Range(1, 5), metadata={"description": "1 negligible, 5 critical", "example": 3}
    )
    urgency = Whole(
        required=True, validate=validate.Range(1, 4), metadata={"description": "1 can wait, 4 now", "example": 2}
    )
    category = TermCode("category", required=True, metadata={"example": "DEL"})
    issue = TermCode("issue", required=True, metadata={"example": "DEL.LATE"})
    track = Choice(TRACKS, required=True, metadata={"example": "investigate"})

    @validates_schema
    def _belongs(self, data: dict[str, Any], **_: Any) -> None:
        issue_fits_category(data)


class SetSeverityIn(Schema):
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S2"})
    reason = Text(required=True, max_length=2000, metadata={"example": "A second family was hurt by the same model."})


class AskCustomerIn(Schema):
    message = Text(required=True, max_length=LONG, metadata={"example": "Which day suits you?"})


class AskThirdPartyIn(Schema):
    note = Text(required=True, max_length=LONG, metadata={"example": "Asked the carrier for its scan."})


class ResumeIn(Schema):
    note = Text(max_length=LONG, metadata={"example": "The carrier answered by phone."})


class FindingIn(Schema):
    issue_id = fields.UUID(metadata={"description": "Not needed when there is one issue.", "example": None})
    finding = Text(required=True, max_length=LONG, metadata={"example": "The depot missed the scan."})
    cause = TermCode("root_cause", metadata={"description": "The root cause when absent.", "example": "RC.HAND"})
    evidence = Text(max_length=LONG, metadata={"example": "Carrier log of 2 March."})
    no_evidence_reason = Text(max_length=2000, metadata={"example": None})

    def _asked_for(self, _data: dict[str, Any]) -> bool:
        return True

    @validates_schema
    def _evidenced(self, data: dict[str, Any], **_: Any) -> None:
        if self._asked_for(data) and not data.get("evidence") and not data.get("no_evidence_reason"):
            raise ValidationError("Give the evidence, or the reason why there is none.", "evidence")


class InvestigateIn(Schema):
    findings = fields.List(fields.Nested(FindingIn), required=True, validate=validate.Length(1, MAX_ISSUES))
    root_cause = TermCode("root_cause", required=True, metadata={"example": "RC.HAND"})
    contributing_causes = fields.List(
        TermCode("root_cause"), validate=validate.Length(max=10), metadata={"example": ["RC.COMMS"]}
    )
    fault = Choice(FAULTS, required=True, metadata={"example": "firm"})


class OutcomeIn(FindingIn):
    """The finding is for an issue that was added after the investigation; it must have one, and no other may."""

    outcome = Choice(ISSUE_OUTCOMES, required=True, metadata={"example": "upheld"})
    finding = Text(
        max_length=LONG,
        metadata={"description": "For an issue that was added after the investigation.", "example": None},
    )
    cause = TermCode("root_cause", metadata={"description": "The root cause when absent.", "example": None})
    evidence = Text(max_length=LONG, metadata={"example": None})

    def _asked_for(self, data: dict[str, Any]) -> bool:
        return "finding" in data


class LetterIn(Schema):
    finding = Text(required=True, max_length=LONG, metadata={"example": "Your parcel was late."})
    reasons = Text(required=True, max_length=LONG, metadata={"example": "Our depot missed a scan."})
    remedy = Text(required=True, max_length=LONG, metadata={"example": "We offer you a voucher."})
    next_stage = Text(
        required=True,
        max_length=LONG,
        metadata={"example": "If you disagree, write to our complaints director within two months."},
    )
    format = Choice(
        TEXT_FORMATS,
        metadata={"description": "What the four parts are written in; text when absent.", "example": "text"},
    )

    @validates_schema
    def _readable(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("format") == "html":
            check_html(data, ("finding", "reasons", "remedy", "next_stage"))


class RemedyIn(Schema):
    none_because = Text(
        max_length=2000,
        metadata={"description": "Why there is no remedy; leave it out when there is an offer.", "example": None},
    )


class ResolveIn(Schema):
    outcomes = fields.List(fields.Nested(OutcomeIn), required=True, validate=validate.Length(1, MAX_ISSUES))
    letter = fields.Nested(LetterIn, required=True)
    remedy = fields.Nested(RemedyIn, required=True)
    children_open_because = Text(
        max_length=2000,
        metadata={
            "description": "Why it is decided before the complaints under it; needed only while some are open.",
            "example": None,
        },
    )


class ResolveOnTheSpotIn(ResolveIn):
    fault = Choice(FAULTS, required=True, metadata={"example": "firm"})
    accepted_by_complainant = Flag(
        required=True,
        validate=validate.Equal(True, error="On the spot means that the complainant accepted it."),
        metadata={"example": True},
    )


class FollowUpIn(Schema):
    result = Choice(
        ("survey_answered", "contact_made", "attempts_exhausted"), required=True, metadata={"example": "contact_made"}
    )
    note = Text(max_length=LONG, metadata={"example": "Called; they are content with the outcome."})


class AnswerIn(Schema):
    text = Text(required=True, max_length=LONG, metadata={"example": "We are open until eight on Thursdays."})


class ConvertIn(Schema):
    record_type = Choice(RECORD_TYPES, required=True, metadata={"example": "inquiry"})
    reason = Text(required=True, max_length=2000, metadata={"example": "They ask when we are open, and are content."})


class ReasonIn(Schema):
    reason = Text(required=True, max_length=2000, metadata={"example": "The voucher never arrived."})


class DismissIn(Schema):
    reason_code = Choice(NO_COMPLAINT, required=True, metadata={"example": "out_of_scope"})
    note = Text(max_length=2000, metadata={"example": "About another company of the same name."})


class MergeIn(Schema):
    into = fields.String(
        required=True,
        validate=validate.Length(1, 100),
        metadata={
            "description": "Reference or id of the complaint that goes on; where that one was merged itself, its own "
            "survivor is meant.",
            "example": REFERENCE,
        },
    )
    reason = Text(
        required=True, max_length=2000, metadata={"example": "The same parcel, written about by mail and phone."}
    )
    silent = Flag(load_default=False, metadata={"description": "Do not tell the complainant.", "example": False})
    other_complainant = Flag(
        load_default=False,
        metadata={
            "description": "The two are of different people, or nobody knows whether they are, and are answered together.",
            "example": False,
        },
    )


class UnmergeIn(Schema):
    reason = Text(required=True, max_length=2000, metadata={"example": "They were two parcels after all."})
    silent = Flag(load_default=False, metadata={"description": "Do not tell the complainant.", "example": False})


class ReferIn(Schema):
    body = Text(required=True, max_length=200, metadata={"example": "Financial Ombudsman Service"})
    reference = Line(required=True, max_length=200, metadata={"example": "FOS-2026-0099"})


BODIES: Final[dict[str, type[Schema]]] = {
    "acknowledge": AcknowledgeIn,
    "triage": TriageIn,
    "set_severity": SetSeverityIn,
    "ask_customer": AskCustomerIn,
    "ask_third_party": AskThirdPartyIn,
    "resume": ResumeIn,
    "investigate": InvestigateIn,
    "resolve": ResolveIn,
    "resolve_on_the_spot": ResolveOnTheSpotIn,
    "answer": AnswerIn,
    "follow_up": FollowUpIn,
    "reopen": ReasonIn,
    "withdraw": ReasonIn,
    "dismiss": DismissIn,
    "convert": ConvertIn,
    "merge": MergeIn,
    "unmerge": UnmergeIn,
    "escalate": ReasonIn,
    "de_escalate": ReasonIn,
    "refer_externally": ReferIn,
}
