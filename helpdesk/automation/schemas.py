"""Payloads of triggers, of what they did, and of trials."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.automation.action_schemas import MOST_DATA
from helpdesk.automation.actions import ACTIONS
from helpdesk.automation.actions import MOST as MOST_ACTIONS
from helpdesk.automation.dry_running import MOST as MOST_LOOKED_AT
from helpdesk.automation.happenings import WATCHED
from helpdesk.automation.models import OUTCOMES
from helpdesk.automation.timing import ANCHORS, COUNTED, MOST_MINUTES
from helpdesk.complaints.fact_schemas import Vocabulary
from helpdesk.kernel.expressions import ALWAYS
from helpdesk.kernel.positions import LARGEST
from helpdesk.kernel.schemas import ByName, Choice, Flag, Line, PageQuery, Schema, Text, Timestamp, Whole, shallow

CONDITION: Final = (
    '`{"all": [...]}`, `{"any": [...]}`, `{"not": ...}` or `{"field": ..., "operator": ..., "value": ...}`, nested up to 8 '
    "deep. Fields and operators: `GET /triggers/vocabulary`. Everything, when absent."
)
GIVEN: Final = (
    "The body that the route of the same name takes; `draft_offer`: that of `POST /complaints/{ref}/offers`; `notify`: "
    "`text`, and whom to tell: any of `agent_ids`, `team_ids` (lists of ids), `assignee`, `watchers` (true or false); "
    f"`raise_event`: `name` (a word like `crm.call_back`), and `data`: at most {MOST_DATA} texts by name."
)
IMPORTS: Final = (
    "It also answers to what an import brings: events recorded with the complaint, promises that were over by then, and moments "
    "that count from a time before. What happens afterwards, it answers to in any case."
)
_EXAMPLE: Final = {"all": [{"field": "severity", "operator": "le", "value": "S2"}]}
_NOTE: Final = {"kind": "internal_note", "body": "Please call them today."}
PARTS_OF_ACTIONS: Final = ("done", "undone", "refused", "not_tried")


class TriggerTime(Schema):
    """So long after a time that the complaint has."""

    since = Choice(ANCHORS, required=True, metadata={"example": "last_inbound_at"})
    minutes = Whole(
        required=True,
        validate=validate.Range(-MOST_MINUTES, MOST_MINUTES),
        metadata={"description": "Below 0, before it: of `next_due_at` alone.", "example": 240},
    )
    counted = Choice(
        COUNTED,
        load_default="clock",
        metadata={
            "description": "By the clock, or in the business time of the default policy's calendar.",
            "example": "business",
        },
    )

    @validates_schema
    def _possible(self, data: dict[str, Any], **_: Any) -> None:
        if data["minutes"] < 0 and data["since"] != "next_due_at":
            raise ValidationError("Only what is still to come has a time before it.", "minutes")
        if data["minutes"] < 0 and data["counted"] == "business":
            raise ValidationError("Before it, minutes count by the clock.", "counted")


class TriggerListens(Schema):
    """Either events or time."""

    events = fields.List(
        Choice(WATCHED),
        validate=validate.Length(1, len(WATCHED)),
        metadata={"description": "Any of these.", "example": ["complaint.received"]},
    )
    time = fields.Nested(TriggerTime, metadata={"example": None})

    @validates_schema
    def _one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        if len(data.keys() & {"events", "time"}) != 1:
            raise ValidationError("Give either events or time.", "events")
        seen: set[str] = set()
        for place, name in enumerate(data.get("events", ())):
            if name in seen:
                raise ValidationError({"events": {place: ["It stands there already."]}})
            seen.add(name)


class TriggerActionIn(Schema):
    step = Choice(ACTIONS, required=True, metadata={"example": "write_message"})
    given = ByName(
        keys=fields.String(),
        load_default=dict,
        validate=shallow,
        metadata={
            "description": GIVEN,
            "example": _NOTE,
        },
    )


class TriggerAction(Schema):
    step = fields.String(required=True, metadata={"example": "write_message"})
    given = fields.Dict(required=True, metadata={"example": _NOTE})


class TriggerPatch(Schema):
    """What is left out stays."""

    name = Line(max_length=200, metadata={"example": "Key customers wait"})
    description = Text(
        max_length=2000, allow_none=True, metadata={"description": "What it is for.", "example": "Agreed in March."}
    )
    position = Whole(
        validate=validate.Range(0, LARGEST),
        metadata={"description": "Smaller ones come first. At the end, when absent.", "example": 10},
    )
    active = Flag(
        metadata={
            "description": "true also ends a pause after failures, and begins the count of them anew.",
            "example": True,
        }
    )
    on = fields.Nested(TriggerListens)
    condition = fields.Dict(metadata={"description": CONDITION, "example": _EXAMPLE})
    actions = fields.List(
        fields.Nested(TriggerActionIn),
        validate=validate.Length(1, MOST_ACTIONS),
        metadata={"description": "In order; all of them are done, or none."},
    )
    stop_after = Flag(
        metadata={
            "description": "Once it has fired for an event, no trigger after it is asked about that event.",
            "example": False,
        }
    )
    own_changes = Flag(
        metadata={
            "description": "It also answers to what it did itself just before. The other guards against loops hold.",
            "example": False,
        }
    )
    imports = Flag(metadata={"description": IMPORTS, "example": False})


class TriggerIn(TriggerPatch):
    name = Line(required=True, max_length=200, metadata={"example": "Key customers wait"})
    active = Flag(load_default=True, metadata={"example": True})
    on = fields.Nested(TriggerListens, required=True)
    condition = fields.Dict(load_default=lambda: dict(ALWAYS), metadata={"description": CONDITION, "example": _EXAMPLE})
    actions = fields.List(
        fields.Nested(TriggerActionIn),
        required=True,
        validate=validate.Length(1, MOST_ACTIONS),
        metadata={"description": "In order; all of them are done, or none."},
    )
    stop_after = Flag(
        load_default=False,
        metadata={
            "description": "Once it has fired for an event, no trigger after it is asked about that event.",
            "example": False,
        },
    )
    own_changes = Flag(
        load_default=False,
        metadata={
            "description": "It also answers to what it did itself just before. The other guards against loops hold.",
            "example": False,
        },
    )
    imports = Flag(load_default=False, metadata={"description": IMPORTS, "example": False})


class TriggerVersion(Schema):
    version = fields.Integer(required=True)
    name = fields.String(required=True, metadata={"example": "Key customers wait"})
    description = fields.String(required=True, allow_none=True, metadata={"example": None})
    position = fields.Integer(required=True, metadata={"example": 10})
    active = fields.Boolean(required=True)
    on = fields.Nested(TriggerListens, required=True, metadata={"example": {"events": ["complaint.received"]}})
    condition = fields.Dict(required=True, metadata={"example": _EXAMPLE})
    actions = fields.List(fields.Nested(TriggerAction), required=True)
    stop_after = fields.Boolean(required=True, metadata={"example": False})
    own_changes = fields.Boolean(required=True, metadata={"example": False})
    imports = fields.Boolean(required=True, metadata={"description": IMPORTS, "example": False})
    created_at = Timestamp(required=True)


class Trigger(TriggerVersion):
    id = fields.UUID(required=True)
    failures = fields.Integer(
        required=True, metadata={"description": "In a row, by now; what it does begins the count anew.", "example": 0}
    )
    paused_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={
            "description": "Since when it is out of force because it failed too often in a row.",
            "example": None,
        },
    )
    paused_because = fields.String(required=True, allow_none=True, metadata={"example": None})
    unreadable = fields.Boolean(
        required=True,
        metadata={
            "description": "Its condition asks for a field that is not there any more: it never fires.",
            "example": False,
        },
    )
    changed_by = fields.UUID(required=True, allow_none=True, metadata={"description": "Who wrote this version."})
    removed_at = Timestamp(required=True, allow_none=True, metadata={"example": None})


class FiringQuery(PageQuery):
    outcome = Choice(OUTCOMES, metadata={"example": "failed"})


class FiringAction(Schema):
    step = fields.String(required=True, metadata={"example": "write_message"})
    given = fields.Dict(
        required=True, allow_none=True, metadata={"description": "null without `automation:read`.", "example": _NOTE}
    )
    outcome = Choice(
        PARTS_OF_ACTIONS,
        required=True,
        metadata={"description": "`undone`: since one after it was refused.", "example": "done"},
    )


class Firing(Schema):
    id = fields.UUID(required=True)
    trigger_id = fields.UUID(required=True)
    trigger_name = fields.String(
        required=True, metadata={"description": "As it is called now.", "example": "Key customers wait"}
    )
    trigger_version = fields.Integer(required=True)
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    event_id = fields.UUID(required=True, allow_none=True)
    event_type = fields.String(required=True, allow_none=True, metadata={"example": "complaint.received"})
    occurrence_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Of a timed trigger: what its minutes were counted from.", "example": None},
    )
    outcome = Choice(
        OUTCOMES,
        required=True,
        metadata={
            "description": "`failed`: nothing of it was done. `stopped`: the guard against loops did not let it begin.",
            "example": "done",
        },
    )
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The code of what was refused; or `own_change`, `too_deep`, `too_often`, and `complaint_merged` "
            "where it goes on in another complaint and takes no changes itself.",
            "example": None,
        },
    )
    detail = fields.String(required=True, allow_none=True, metadata={"example": None})
    depth = fields.Integer(
        required=True,
        metadata={"description": "1, and one more for each trigger that led to it.", "example": 1},
    )
    chain = fields.List(
        fields.UUID(),
        required=True,
        metadata={"description": "The triggers that led to it, the first of them first.", "example": []},
    )
    why = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "The condition, with `holds` and what was `found` at each part; of texts nothing. null without "
            "`automation:read`.",
            "example": {
                "all": [{"field": "severity", "operator": "le", "value": "S2", "found": "S1", "holds": True}],
                "holds": True,
            },
        },
    )
    actions = fields.List(fields.Nested(FiringAction), required=True)
    at = Timestamp(required=True)
    duration_ms = fields.Integer(required=True, metadata={"example": 12})


class TriggerVocabulary(Vocabulary):
    """All that a trigger can be made of."""

    events = fields.List(fields.String(), required=True, metadata={"example": ["complaint.received"]})
    steps = fields.List(fields.String(), required=True, metadata={"example": ["write_message", "notify"]})
    times = fields.List(fields.String(), required=True, metadata={"example": ["received_at", "last_inbound_at"]})


class DryRunIn(Schema):
    trigger_id = fields.UUID(
        metadata={"description": "One that is there, as it is now; or `trigger`.", "example": None}
    )
    trigger = fields.Nested(TriggerIn, metadata={"description": "One that need not be there."})
    since = Timestamp(required=True, metadata={"example": "2026-03-01T00:00:00Z"})
    until = Timestamp(metadata={"description": "Now, when absent.", "example": "2026-03-08T00:00:00Z"})
    limit = Whole(
        load_default=MOST_LOOKED_AT,
        validate=validate.Range(1, MOST_LOOKED_AT),
        metadata={
            "description": "So many events, or moments, are looked at; the oldest of the period.",
            "example": 1000,
        },
    )

    @validates_schema
    def _one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        if len(data.keys() & {"trigger_id", "trigger"}) != 1:
            raise ValidationError("Give either trigger_id or trigger.", "trigger_id")


class DryRunCase(Schema):
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    at = Timestamp(required=True)
    event_id = fields.UUID(required=True, allow_none=True)
    event_type = fields.String(required=True, allow_none=True, metadata={"example": "complaint.received"})
    matched = fields.Boolean(required=True)
    why = fields.Dict(
        required=True,
        metadata={
            "description": "The condition, with `holds` and what was `found` at each part; `as_of`: `then`, or `today` where "
            "the log does not tell how it was.",
            "example": {
                "field": "severity",
                "operator": "le",
                "value": "S2",
                "found": "S1",
                "holds": True,
                "as_of": "then",
            },
        },
    )
    actions = fields.List(
        fields.Nested(TriggerAction), required=True, metadata={"description": "What would have been tried."}
    )


class DryRun(Schema):
    """The counts are of all complaints, also of those that the reader does not see; of the sample only those seen are shown."""

    id = fields.UUID(required=True)
    looked_at = fields.Integer(required=True, metadata={"description": "Events, or moments.", "example": 310})
    matched = fields.Integer(
        required=True, metadata={"description": "Of these, where the condition held.", "example": 12}
    )
    complaints = fields.Integer(required=True, metadata={"description": "On so many complaints.", "example": 11})
    cut_off = fields.Boolean(
        required=True, metadata={"description": "There were more in the period than `limit`.", "example": False}
    )
    sample = fields.List(
        fields.Nested(DryRunCase),
        required=True,
        metadata={
            "description": "At most 20: those where it held, then such where it did not. Of complaints that you see."
        },
    )
