"""Bodies of the actions that triggers have beside the steps of a complaint."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.message_schemas import MessageIn
from helpdesk.kernel.schemas import ByName, Flag, Line, Pattern, Schema, Text

MOST_NAMED: Final = 50
MOST_DATA: Final = 20
_NAME: Final = Pattern(
    r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", error="Write words of small letters, digits and _, with dots between."
)


def _ids(what: str) -> fields.List[Any]:
    return fields.List(
        fields.UUID(),
        load_default=list,
        validate=validate.Length(max=MOST_NAMED),
        metadata={"description": what, "example": []},
    )


class NotifyIn(Schema):
    """Told as by every notification: only to who is active and may see the complaint."""

    agent_ids = _ids("These agents.")
    team_ids = _ids("Whoever is in these teams.")
    assignee = Flag(load_default=False, metadata={"description": "Whoever has the complaint.", "example": True})
    watchers = Flag(load_default=False, metadata={"description": "Whoever watches it.", "example": False})
    text = Text(required=True, max_length=500, metadata={"example": "A key customer waits since yesterday."})

    @validates_schema
    def _somebody(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.get(name) for name in ("agent_ids", "team_ids", "assignee", "watchers")):
            raise ValidationError("Say whom to tell: agent_ids, team_ids, assignee or watchers.", "agent_ids")


class RaiseEventIn(Schema):
    """A word for other systems, which read it in the feed of events as `automation.event_raised`."""

    name = Line(required=True, max_length=100, validate=_NAME, metadata={"example": "crm.call_back"})
    data = ByName(
        keys=Text(max_length=100),
        values=Text(max_length=500, min_length=0),
        load_default=dict,
        validate=validate.Length(max=MOST_DATA),
        metadata={"description": f"At most {MOST_DATA} texts by name.", "example": {"reason": "key customer"}},
    )


class WriteIn(MessageIn):
    """As any message, but nothing that the complainant is said to have written."""

    @validates_schema
    def _not_inbound(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("kind") == "inbound":
            raise ValidationError("A trigger does not speak for the complainant.", "kind")

    @validates_schema
    def _nothing_to_be_filled_in(self, data: dict[str, Any], **_: Any) -> None:
        """Variables are of canned replies; here the complainant would read the braces."""
        for name in ("body", "body_html"):
            if "{{" in (data.get(name) or ""):
                text = "Variables are filled in from canned replies only: write one, and name it in canned_reply_id."
                raise ValidationError(text, name)
