from marshmallow import fields, validate

from helpdesk.complaints.timeline_schemas import OF_PAYLOAD, OF_WITHHELD
from helpdesk.integrations.mapping import shipped
from helpdesk.integrations.mapping_schemas import ENCODINGS, FORMATS
from helpdesk.integrations.models import OUTCOMES, STATES
from helpdesk.kernel.schemas import Choice, CommaList, Flag, Line, PageQuery, Schema, Timestamp, Whole

MAX_FEED = 500


class ImportIn(Schema):
    mapping = Choice(
        shipped(), required=True, metadata={"description": "See `GET /import-mappings`.", "example": "cfpb"}
    )
    file_name = Line(required=True, max_length=200, metadata={"example": "complaints.csv"})
    dry_run = Flag(
        load_default=False, metadata={"description": "Check everything and take nothing in.", "example": False}
    )
    again = Flag(
        load_default=False,
        metadata={
            "description": "Import a file once more although it was imported before, and with a mapping that is not "
            "`repeatable`: records without an external id are then there twice.",
            "example": False,
        },
    )
    route = Flag(
        load_default=False,
        metadata={
            "description": "Have each complaint routed to a team and somebody there, as if it had come in by itself. It is "
            "done one by one, after they are taken in.",
            "example": False,
        },
    )
    size = Whole(
        validate=validate.Range(1, 2**53),
        metadata={"description": "Bytes; another size of the content is then refused.", "example": 3899345},
    )


class ImportQuery(PageQuery):
    state = Choice(STATES, metadata={"example": "running"})


class RejectionQuery(PageQuery):
    outcome = Choice(OUTCOMES, metadata={"example": "rejected"})


class Import(Schema):
    id = fields.UUID(required=True)
    state = Choice(STATES, required=True, metadata={"example": "running"})
    mapping = fields.String(required=True, metadata={"example": "cfpb"})
    file_name = fields.String(required=True, metadata={"example": "complaints.csv"})
    dry_run = fields.Boolean(required=True, metadata={"example": False})
    again = fields.Boolean(
        required=True,
        metadata={"description": "Whether it may repeat an earlier import of the same file.", "example": False},
    )
    route = fields.Boolean(
        required=True, metadata={"description": "Whether its complaints are routed.", "example": False}
    )
    checksum = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "SHA-256 of the content; null until it has been sent.", "example": "9f2c" * 16},
    )
    size_bytes = fields.Integer(required=True, allow_none=True, metadata={"example": 3899345})
    byte_done = fields.Integer(required=True, metadata={"example": 1949672})
    line_done = fields.Integer(required=True, metadata={"example": 4980})
    records_read = fields.Integer(
        required=True, metadata={"description": "accepted + skipped + rejected", "example": 3312}
    )
    accepted = fields.Integer(required=True, metadata={"example": 3310})
    skipped = fields.Integer(
        required=True, metadata={"description": "Known before, or twice in the file.", "example": 1}
    )
    rejected = fields.Integer(required=True, metadata={"example": 1})
    progress = fields.Float(
        required=True, allow_none=True, metadata={"description": "0 to 1, by bytes.", "example": 0.5}
    )
    records_per_second = fields.Float(
        required=True, allow_none=True, metadata={"description": "In the present run.", "example": 1800.5}
    )
    remaining_seconds = fields.Integer(required=True, allow_none=True, metadata={"example": 2})
    created_at = Timestamp(required=True)
    started_at = Timestamp(required=True, allow_none=True)
    progress_at = Timestamp(required=True, allow_none=True)
    finished_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    error = fields.String(required=True, allow_none=True, metadata={"description": "Why it failed.", "example": None})
    created_by = fields.UUID(required=True, allow_none=True, metadata={"description": "null: from the command line."})


class Rejection(Schema):
    id = fields.UUID(required=True)
    line = fields.Integer(
        required=True, metadata={"description": "First line of the record in the file, from 1.", "example": 44}
    )
    outcome = Choice(OUTCOMES, required=True)
    code = fields.String(required=True, metadata={"example": "columns"})
    detail = fields.String(required=True, metadata={"example": "17 columns where the header has 18."})
    excerpt = fields.String(
        required=True,
        metadata={"description": "Its beginning, at most 500 characters.", "example": "2020-03-18,Mortgage"},
    )


class FileMapping(Schema):
    name = fields.String(required=True, metadata={"example": "cfpb"})
    title = fields.String(required=True, metadata={"example": "US CFPB Consumer Complaint Database"})
    format = Choice(FORMATS, required=True)
    encodings = fields.List(Choice(ENCODINGS), required=True, metadata={"example": ["utf-8"]})
    header = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Columns that must be there.", "example": ["Date received", "Complaint ID"]},
    )
    code_maps = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Systems whose words it goes by (`GET /code-maps`).", "example": ["cfpb"]},
    )
    repeatable = fields.Boolean(
        required=True,
        metadata={"description": "Every record has an external id, so importing a file twice doubles nothing."},
    )


class FileMappings(Schema):
    items = fields.List(fields.Nested(FileMapping), required=True)


class FeedQuery(Schema):
    cursor = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "`next_cursor` of the page before; from the beginning, when absent.", "example": None},
    )
    limit = fields.Integer(
        load_default=100,
        validate=validate.Range(1, MAX_FEED),
        metadata={"description": f"Events per page, 1 to {MAX_FEED}.", "example": 100},
    )
    types = CommaList(metadata={"description": "Only these, separated by commas.", "example": "complaint.received"})


class FeedEvent(Schema):
    id = fields.UUID(required=True, metadata={"description": "The same whenever the event is read again."})
    type = fields.String(required=True, metadata={"example": "complaint.received"})
    subject_id = fields.UUID(required=True, metadata={"description": "What it is about."})
    stream_id = fields.UUID(required=True, allow_none=True, metadata={"description": "The complaint it belongs to."})
    sequence = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Place in that complaint's timeline."}
    )
    occurred_at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True, metadata={"example": "0f3f9a5c2b7d4e61a8c0d2e4"})
    payload = fields.Dict(
        required=True,
        allow_none=True,
        metadata=OF_PAYLOAD,
    )
    withheld = fields.Boolean(
        required=True,
        metadata=OF_WITHHELD,
    )
    hash = fields.String(required=True, metadata={"example": "9f2c" * 16})


class Feed(Schema):
    items = fields.List(fields.Nested(FeedEvent), required=True)
    next_cursor = fields.String(
        required=True,
        metadata={"description": "Keep it; it stays valid at the end too.", "example": "4f1d09c2.1093.20481"},
    )
    end_of_stream = fields.Boolean(
        required=True, metadata={"description": "Nothing more for now. A page may be empty although there is more."}
    )
