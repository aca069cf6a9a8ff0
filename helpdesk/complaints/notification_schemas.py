from marshmallow import fields, validate

from helpdesk.complaints.notification_models import NOTIFICATION_KINDS
from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Timestamp


class Watcher(Schema):
    agent_id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Ana Souza"})
    added_by = fields.UUID(required=True, allow_none=True)
    created_at = Timestamp(required=True)


class NotificationQuery(PageQuery):
    unread = fields.Boolean(metadata={"description": "Only what was not read, or only what was."})
    kind = Choice(NOTIFICATION_KINDS, metadata={"example": "mentioned"})


class Notification(Schema):
    id = fields.UUID(required=True)
    kind = Choice(NOTIFICATION_KINDS, required=True)
    complaint_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Null where it is about no complaint."}
    )
    reference = fields.String(required=True, allow_none=True, metadata={"example": "7K3M-9QX2-TAM"})
    subject = fields.String(required=True, allow_none=True, metadata={"example": "Parcel a week late"})
    message_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Of a message or a mention: which.", "example": None}
    )
    actor_kind = fields.String(required=True, metadata={"description": "Who did it.", "example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    detail = fields.Dict(
        required=True,
        metadata={
            "description": "`from_status` and `to_status`; of a `promise` its `due_at`, the `rung` that it came to, how late that rang and a "
            "`text` that says it; of a trigger its "
            "`trigger_id`, its name, and the `text` that it has for you or why it was paused; of an approval its `offer_id` and `due_at`; of an offer its `offer_id`, and what is `missing` (null: nobody can tell how much); "
            "of a `budget` its `budget_id`, the `percent` of it that are used, and a `text` that says it.",
            "example": {},
        },
    )
    created_at = Timestamp(required=True)
    read_at = Timestamp(required=True, allow_none=True, metadata={"example": None})


class Unread(Schema):
    unread = fields.Integer(required=True, metadata={"description": "Counted up to 1000.", "example": 3})
    more = fields.Boolean(required=True, metadata={"description": "There are more than that.", "example": False})


class ReadAllIn(Schema):
    up_to = fields.UUID(
        metadata={"description": "The newest one that was seen; all there are when absent.", "example": None}
    )


class ReadAll(Schema):
    marked = fields.Integer(required=True, metadata={"example": 3})


def _kinds(description: str, example: list[str]) -> fields.List[str]:
    return fields.List(
        Choice(NOTIFICATION_KINDS),
        required=True,
        validate=validate.Length(max=len(NOTIFICATION_KINDS)),
        metadata={"description": description, "example": example},
    )


class PreferencesIn(Schema):
    mail = _kinds("Also told by mail, unless it is read before.", ["mentioned"])
    muted = _kinds("Not told at all.", [])


class Preferences(PreferencesIn):
    version = fields.Integer(required=True, metadata={"description": "0 where nothing was chosen yet.", "example": 1})
