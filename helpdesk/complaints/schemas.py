"""Payloads of complaints, in and out."""

from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from helpdesk.complaints.custom_field_schemas import DESCRIPTION as CUSTOM_VALUES
from helpdesk.complaints.custom_field_schemas import EXAMPLE as CUSTOM_EXAMPLE
from helpdesk.complaints.custom_field_schemas import Conditions, CustomValues
from helpdesk.complaints.lifecycle import LIFECYCLE, MAX_ISSUES, MAX_LEVEL, RECORD_TYPES, STAGES, WAITING_ON
from helpdesk.complaints.list_queries import NEWEST_FIRST, SORTS
from helpdesk.complaints.person_schemas import Need, NeedIn, Person, PersonIn, RepresentativeIn
from helpdesk.complaints.tag_schemas import AT_ONCE, TagName
from helpdesk.complaints.taxonomy import (
    DISMISSALS,
    FAULTS,
    ISSUE_OUTCOMES,
    SEVERITIES,
    TRACKS,
)
from helpdesk.customers.schemas import LANGUAGE
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.schemas import (
    Choice,
    CommaList,
    Flag,
    Line,
    MoneyField,
    Names,
    PageQuery,
    Pattern,
    Schema,
    Several,
    Text,
    Timestamp,
    Whole,
)
from helpdesk.taxonomy.term_schemas import TermCode
from helpdesk.taxonomy.terms import category_of

LONG = 100_000
"""Characters a description or a message may have; the longest real narrative seen had 21 928."""

TEXT_FORMATS = ("text", "html")

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

REFERENCE = "7K3M-9QX2-TAM"
EXAMPLE_ID = "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"

COUNTRY = Pattern("^[A-Z]{2}$", error="Write an ISO 3166 country code, for example GB.")


class IssueIn(Schema):
    category = TermCode("category", metadata={"example": "DEL"})
    issue = TermCode("issue", metadata={"example": "DEL.LATE"})
    detail = Text(max_length=2000, metadata={"example": "Promised for Monday, came on Friday."})

    @validates_schema
    def _belongs(self, data: dict[str, Any], **_: Any) -> None:
        issue_fits_category(data)


class IssuePatch(Schema):
    """What is left out stays; null forgets it."""

    category = TermCode("category", allow_none=True, metadata={"example": "DEL"})
    issue = TermCode("issue", allow_none=True, metadata={"example": "DEL.LATE"})
    detail = Text(max_length=2000, allow_none=True, metadata={"example": "Promised for Monday, came on Friday."})

    @validates_schema
    def _belongs(self, data: dict[str, Any], **_: Any) -> None:
        issue_fits_category(data)


def issue_fits_category(data: dict[str, Any]) -> None:
    """An issue code begins with its category's: `DEL.LATE` is of `DEL`."""
    category, issue = data.get("category"), data.get("issue")
    if issue and category and category_of(issue) != category:
        raise ValidationError(f"{issue} is not an issue of the category {category}.", "issue")


class ComplaintIn(Schema):
    record_type = Choice(
        RECORD_TYPES,
        load_default="complaint",
        metadata={"description": "Only a complaint has clocks, findings and remedies.", "example": "complaint"},
    )
    channel = TermCode("channel", required=True, metadata={"example": "EMAIL"})
    subject = Line(required=True, max_length=500, metadata={"example": "Parcel a week late"})
    description = Text(
        required=True,
        max_length=LONG,
        metadata={"example": "My parcel was promised for Monday and came on Friday. I had taken the day off for it."},
    )
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "en"})
    received_at = Timestamp(
        metadata={"description": "When it reached you; now, when absent.", "example": "2026-03-02T09:30:00Z"}
    )
    source = Line(max_length=100, metadata={"description": "The system that sends it.", "example": "shop"})
    external_id = Line(max_length=200, metadata={"description": "Its number there.", "example": "shop-4711"})
    complainant = fields.Nested(PersonIn)
    affected = fields.Nested(
        PersonIn, metadata={"description": "Who was harmed, if not the complainant.", "example": None}
    )
    representative = fields.Nested(RepresentativeIn, metadata={"example": None})
    customer_id = fields.UUID(metadata={"example": None})
    issues = fields.List(fields.Nested(IssueIn), validate=validate.Length(1, MAX_ISSUES))
    needs = fields.List(fields.Nested(NeedIn), validate=validate.Length(max=20), metadata={"example": []})
    impact = Whole(validate=validate.Range(1, 5), metadata={"description": "1 negligible, 5 critical", "example": 3})
    urgency = Whole(validate=validate.Range(1, 4), metadata={"description": "1 can wait, 4 now", "example": 2})
    team_id = fields.UUID(metadata={"example": None})
    custom_fields = CustomValues(metadata={"description": CUSTOM_VALUES, "example": {}})
    tags = fields.List(TagName(), validate=validate.Length(max=AT_ONCE), metadata={"example": []})
    price = MoneyField(metadata={"description": "What was paid for what failed."})
    loss = MoneyField(positive=False, metadata={"description": "Proven loss beside it.", "example": None})
    jurisdiction = Text(
        max_length=2, validate=COUNTRY, metadata={"description": "Whose regulatory deadlines apply.", "example": None}
    )
    sector = Line(
        max_length=50,
        metadata={
            "description": "Chooses among the rules of the jurisdiction: as in `GET /sla/sectors`, in any spelling.",
            "example": None,
        },
    )
    acknowledge = Flag(
        load_default=False,
        metadata={
            "description": "Acknowledge receipt at once, by mail, with the reference and the way to follow it. Refused where there "
            "is no address (`no_address`) or no mail server (`no_mail_server`): whoever was told otherwise is acknowledged by the "
            "action, with the channel.",
            "example": True,
        },
    )

    @validates_schema
    def _together(self, data: dict[str, Any], **_: Any) -> None:
        if "received_at" in data and data["received_at"] < EARLIEST:
            raise ValidationError("Deadlines are computed from 1990 on.", "received_at")
        if data.get("external_id") and not data.get("source"):
            raise ValidationError("An external id needs the system it is from.", "source")
        if ("impact" in data) != ("urgency" in data):
            raise ValidationError("Give impact and urgency together.", "urgency" if "impact" in data else "impact")
        if "impact" in data and data["record_type"] != "complaint":
            raise ValidationError("These are judged of complaints.", "impact")
        price, loss = data.get("price"), data.get("loss")
        if price and loss and price.currency != loss.currency:
            raise ValidationError("Price and loss must be in one currency.", "loss")


class ComplaintPatch(Schema):
    """What is left out stays."""

    custom_fields = CustomValues(
        metadata={"description": f"{CUSTOM_VALUES} null empties one, and what is left out stays.", "example": {}}
    )
    subject = Line(max_length=500, metadata={"example": "Parcel a week late"})
    description = Text(max_length=LONG, metadata={"example": "My parcel came on Friday."})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "en"})
    jurisdiction = Text(
        allow_none=True,
        max_length=2,
        validate=COUNTRY,
        metadata={"description": "Regulatory deadlines are chosen anew.", "example": "GB"},
    )
    sector = Line(
        allow_none=True,
        max_length=50,
        metadata={
            "description": "As in `GET /sla/sectors`. Regulatory deadlines are chosen anew.",
            "example": "social housing",
        },
    )
    price = MoneyField()
    loss = MoneyField(positive=False)


_SEVERAL = "Repeated, any of these."


class ComplaintQuery(PageQuery):
    record_type = Several(
        Choice(RECORD_TYPES, metadata={"example": "complaint"}),
        metadata={"description": f"All of them when absent. {_SEVERAL}", "example": ["complaint"]},
    )
    status = Several(
        Choice(LIFECYCLE.states, metadata={"example": "received"}),
        metadata={"description": _SEVERAL, "example": ["received", "investigated"]},
    )
    severity = Several(
        Choice(SEVERITIES, metadata={"example": "S2"}), metadata={"description": _SEVERAL, "example": ["S1", "S2"]}
    )
    channel = Several(
        TermCode("channel", ever=True, metadata={"example": "EMAIL"}),
        metadata={"description": _SEVERAL, "example": ["EMAIL"]},
    )
    waiting_on = Several(
        Choice(WAITING_ON, metadata={"example": "us"}), metadata={"description": _SEVERAL, "example": ["us"]}
    )
    stage = Several(Choice(STAGES), metadata={"description": _SEVERAL, "example": ["1"]})
    team_id = Several(fields.UUID(), metadata={"description": _SEVERAL, "example": [EXAMPLE_ID]})
    assignee_id = Several(fields.UUID(), metadata={"description": _SEVERAL, "example": [EXAMPLE_ID]})
    escalation_level = fields.Integer(validate=validate.Range(0, MAX_LEVEL), metadata={"example": 1})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "en"})
    vulnerable = fields.Boolean(metadata={"description": "Whether a need is recorded that holds."})
    watched = fields.Boolean(metadata={"description": "true: those that the caller watches; false: the others."})
    customer_id = fields.UUID()
    mine = fields.Boolean(metadata={"description": "true: assigned to the caller; false: to another, or to nobody."})
    unassigned = fields.Boolean(metadata={"description": "true: what nobody has; false: what somebody has."})
    source = Several(
        Line(max_length=100, metadata={"example": "shop"}), metadata={"description": _SEVERAL, "example": ["shop"]}
    )
    external_id = CommaList(metadata={"description": "Several, separated by commas.", "example": "shop-4711"})
    ref = CommaList(metadata={"description": "Several references, separated by commas.", "example": REFERENCE})
    category = Several(
        TermCode("category", ever=True, metadata={"example": "DEL"}),
        metadata={"description": _SEVERAL, "example": ["DEL"]},
    )
    issue = TermCode("issue", ever=True, metadata={"example": "DEL.LATE"})
    received_from = Timestamp(metadata={"description": "Received at or after."})
    received_before = Timestamp(metadata={"description": "Received before."})
    updated_from = Timestamp(metadata={"description": "Changed at or after."})
    updated_before = Timestamp(metadata={"description": "Changed before."})
    open = fields.Boolean(metadata={"description": "true: still to be decided; false: closed."})
    overdue = fields.Boolean(metadata={"description": "Whether a promise is open whose time is over."})
    tag = CommaList(
        most=AT_ONCE,
        metadata={"description": "Tags, separated by commas: those that carry all of them.", "example": "urgent"},
    )
    any_tag = CommaList(
        most=AT_ONCE,
        metadata={"description": "Tags, separated by commas: those that carry any of them.", "example": "urgent,late"},
    )
    custom = Conditions(
        metadata={
            "description": "Custom fields, separated by commas: `key:value`, or `key:from..to` (either end may be left out, "
            "both belong to it) of a number, a day or an amount. A value that holds a comma stands in double quotes. Only "
            "fields that are `filterable`.",
            "example": "order_number:A-1042",
        }
    )
    has_tag = fields.Boolean(metadata={"description": "Whether there is any tag on it."})
    sort = Choice(
        SORTS,
        metadata={
            "description": "`-received_at` when absent; with `updated_from` or `updated_before`, `-updated_at`. `severity`: "
            "the worst first, and of those the oldest; `next_due_at`: what is to be done first.",
            "example": "-received_at",
        },
    )

    @validates_schema
    def _fits(self, data: dict[str, Any], **_: Any) -> None:
        sound_filters(data)
        fitting_sort(data)

    @post_load
    def _in_an_order(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "sort": sort_of(data)}


def sound_filters(data: dict[str, Any]) -> None:
    """What filters ask of one another. Raises `ValidationError`."""
    wrong = [ref for ref in data.get("ref", []) if parse_reference(ref) is None]
    if wrong:
        raise ValidationError(f"Not a reference: {', '.join(wrong[:5])}.", "ref")
    if {"received_from", "received_before"} & data.keys() and {"updated_from", "updated_before"} & data.keys():
        raise ValidationError("Give a span of times of receipt or of change, not both.", "updated_from")


def fitting_sort(data: dict[str, Any]) -> None:
    """What was changed long ago was received long ago: in the order of the other, all that is newer would have to be gone
    through to find the first. Raises `ValidationError`.
    """
    sort = data.get("sort", "").lstrip("-")
    for cut, others in (("received", {"updated_at"}), ("updated", {"received_at", "severity", "next_due_at"})):
        if {f"{cut}_from", f"{cut}_before"} & data.keys() and sort in others:
            raise ValidationError(f"{cut}_from and {cut}_before go with the order {cut}_at.", "sort")


def sort_of(data: dict[str, Any]) -> str:
    """The order that was asked for, or the one that goes with the filters."""
    by_change = {"updated_from", "updated_before"} & data.keys()
    return str(data.get("sort") or ("-updated_at" if by_change else NEWEST_FIRST))


class Requirement(Schema):
    code = fields.String(required=True, metadata={"example": "remedy_undelivered"})
    detail = fields.String(required=True, metadata={"example": "a remedy is not delivered yet."})
    unless = fields.String(
        metadata={"description": "A field of the body that lifts it, where there is one.", "example": "reason"}
    )


class AllowedAction(Schema):
    action = Choice(LIFECYCLE.actions, required=True)
    supplies = fields.List(fields.String(), required=True, metadata={"example": ["channel"]})
    missing = fields.List(fields.Nested(Requirement), required=True, metadata={"example": []})


class Issue(Schema):
    id = fields.UUID(required=True)
    category = TermCode("category", required=True, allow_none=True, metadata={"example": "DEL"})
    issue = TermCode("issue", required=True, allow_none=True, metadata={"example": "DEL.LATE"})
    detail = fields.String(required=True, allow_none=True)
    finding = fields.String(required=True, allow_none=True, metadata={"example": None})
    evidence = fields.String(required=True, allow_none=True, metadata={"example": None})
    no_evidence_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    cause = TermCode("root_cause", required=True, allow_none=True, metadata={"example": None})
    outcome = Choice(ISSUE_OUTCOMES, required=True, allow_none=True, metadata={"example": None})


class ComplaintSummary(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": REFERENCE})
    record_type = Choice(RECORD_TYPES, required=True)
    status = Choice(LIFECYCLE.states, required=True)
    channel = TermCode("channel", required=True, metadata={"example": "EMAIL"})
    subject = fields.String(required=True, metadata={"example": "Parcel a week late"})
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S3"})
    track = Choice(TRACKS, required=True, allow_none=True, metadata={"example": None})
    waiting_on = Choice(WAITING_ON, required=True)
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    assignee_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    customer_id = fields.UUID(required=True, allow_none=True)
    source = fields.String(required=True, allow_none=True, metadata={"example": "shop"})
    external_id = fields.String(required=True, allow_none=True, metadata={"example": "shop-4711"})
    received_at = Timestamp(required=True)
    acknowledged_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    resolved_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    updated_at = Timestamp(required=True)
    next_due_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "The earliest promise that is still open."}
    )
    escalation_level = fields.Integer(required=True, metadata={"example": 0})
    stage = Choice(STAGES, required=True)
    vulnerable = fields.Boolean(required=True, metadata={"example": False})
    tags = fields.List(fields.String(), required=True, metadata={"example": ["damaged in transit"]})
    custom_fields = fields.Dict(required=True, metadata={"example": CUSTOM_EXAMPLE})
    version = fields.Integer(required=True)


class SeverityGround(Schema):
    """A rule by which the severity came about; what it found: `GET /complaints/{ref}/triage`."""

    rule = fields.String(required=True, metadata={"example": "breach"})
    severity = Choice(
        SEVERITIES,
        required=True,
        allow_none=True,
        metadata={"description": "What it asks for at least.", "example": "S2"},
    )


class MergedInto(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": REFERENCE})


class Complaint(ComplaintSummary):
    description = fields.String(required=True, metadata={"example": "My parcel came on Friday."})
    language = fields.String(required=True, allow_none=True, metadata={"example": "en"})
    impact = fields.Integer(required=True, allow_none=True, metadata={"example": 3})
    urgency = fields.Integer(required=True, allow_none=True, metadata={"example": 2})
    triaged_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    investigated_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    followed_up_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)
    severity_reasons = fields.List(
        fields.Nested(SeverityGround),
        required=True,
        metadata={"description": "As it was assessed last; none: nothing has told yet how severe it is."},
    )
    double_deviation = fields.Boolean(required=True, metadata={"example": False})
    dismissal = Choice(DISMISSALS, required=True, allow_none=True, metadata={"example": None})
    merged_into = fields.Nested(
        MergedInto,
        required=True,
        allow_none=True,
        metadata={"description": "Where a duplicate goes on; null for who may not see that one.", "example": None},
    )
    outcome = Choice(ISSUE_OUTCOMES, required=True, allow_none=True, metadata={"example": None})
    fault = Choice(FAULTS, required=True, allow_none=True, metadata={"example": None})
    root_cause = TermCode("root_cause", required=True, allow_none=True, metadata={"example": None})
    contributing_causes = fields.List(fields.String(), required=True, allow_none=True, metadata={"example": None})
    no_remedy_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    remedies_undelivered = fields.Integer(required=True, metadata={"example": 0})
    price = MoneyField(required=True, allow_none=True)
    loss = MoneyField(required=True, allow_none=True, metadata={"example": None})
    jurisdiction = fields.String(required=True, allow_none=True, metadata={"example": None})
    sector = fields.String(required=True, allow_none=True, metadata={"example": None})
    source_data = fields.Dict(required=True, allow_none=True, metadata={"example": None})
    issues = fields.List(fields.Nested(Issue), required=True)
    people = fields.List(fields.Nested(Person), required=True)
    needs = fields.List(fields.Nested(Need), required=True)
    allowed_actions = fields.List(fields.Nested(AllowedAction), required=True)
    included = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "With `include`: name -> what the address of that name answers, up to its first page.",
            "example": {"attachments": {"items": [], "next_cursor": None}},
        },
    )


INCLUDE = "include"
INCLUDES = (
    "assignments",
    "attachments",
    "clocks",
    "drafts",
    "evidence",
    "links",
    "messages",
    "offers",
    "timeline",
    "watchers",
)
"""What hangs on a complaint and can come with it; each is an address below it."""


class IncludeQuery(Schema):
    include = Names(
        INCLUDES,
        metadata={
            "description": f"Also these, separated by commas: {', '.join(INCLUDES)}.",
            "example": "messages,clocks",
        },
    )
