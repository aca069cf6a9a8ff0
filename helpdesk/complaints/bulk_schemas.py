"""Payloads of bulk changes."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.bulk_changes import AT_ONCE, MOST
from helpdesk.complaints.steps import StepIn
from helpdesk.complaints.view_schemas import ComplaintFilters
from helpdesk.kernel.jobs_api import JobItemOut, JobOut
from helpdesk.kernel.schemas import ByName, Flag, Text, Whole

MAX_VERSION: Final = 2**31 - 1
_WHICH = ("refs", "where", "view_id")


class BulkIn(StepIn):
    refs = fields.List(
        Text(max_length=50, metadata={"example": "7K3M-9QX2-TAM"}),
        validate=validate.Length(1, MOST),
        metadata={"description": f"References or ids; each once. {AT_ONCE} at most are done while you wait."},
    )
    where = fields.Nested(
        ComplaintFilters,
        metadata={"description": f"Or all that match, {MOST} at most, as they are now.", "example": None},
    )
    view_id = fields.UUID(metadata={"description": "Or all of a view.", "example": None})
    everything = Flag(
        load_default=False,
        metadata={
            "description": "Needed where `where` is empty, or the view has no filters: then it is every complaint that you see.",
            "example": None,
        },
    )
    versions = ByName(
        keys=fields.String(),
        values=Whole(validate=validate.Range(1, MAX_VERSION)),
        metadata={
            "description": "Of those in `refs`, as written there, the version that you looked at: another one is refused "
            "(412).",
            "example": {"7K3M-9QX2-TAM": 3},
        },
    )
    dry_run = Flag(
        load_default=False, metadata={"description": "Only try: every outcome as it would be, and nothing done."}
    )

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_: Any) -> None:
        if sum(name in data for name in _WHICH) != 1:
            raise ValidationError("Give either refs, or where, or view_id.", "refs")
        if data.get("where") == {} and not data.get("everything"):
            raise ValidationError('No filter means every complaint; say so with "everything": true.', "where")
        if data.get("everything") and (data.get("where") or "refs" in data):
            raise ValidationError("Filters and references say which; this is for where there are none.", "everything")
        refs = data.get("refs", [])
        seen: set[str] = set()
        for place, ref in enumerate(refs):
            if ref in seen:
                raise ValidationError({"refs": {place: ["It stands there already."]}})
            seen.add(ref)
        for ref in data.get("versions") or {}:
            if ref not in seen:
                raise ValidationError({"versions": {ref: ["It is not in refs."]}})


class BulkChange(JobOut):
    items = fields.List(
        fields.Nested(JobItemOut),
        required=True,
        metadata={
            "description": "An outcome for each, in order, once it has ended; see `GET /jobs/{job_id}/items` for more."
        },
    )
