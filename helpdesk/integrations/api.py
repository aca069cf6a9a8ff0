from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import orjson
import structlog
from flask import Response, current_app, g, request
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.integrations import errors, models, queries, schemas, service
from helpdesk.integrations.mapping import load_mapping, shipped
from helpdesk.integrations.uploads import received
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import CursorExpired, MalformedRequest, NotFound, TemporarilyUnavailable
from helpdesk.kernel.http import JSON, Blueprint, caller, load_query, web
from helpdesk.kernel.openapi import describe, document_view
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.problems import BodyTooLarge, UnknownRoute
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("integrations", __name__, description="Other systems: imports, and the feed of what happens here.")

CONTENT_TYPES: Final = ("application/octet-stream", "text/csv", "application/x-ndjson")
"""What a file may be sent as; the mapping says what it is. The first is the one that generated clients can send."""


@blp.read(
    "/import-mappings",
    operation_id="list_import_mappings",
    summary="Mappings that an import can use",
    answer=schemas.FileMappings,
    permission="import:run",
)
def list_import_mappings(_session: Session, _actor: Actor) -> dict[str, Any]:
    return {"items": [load_mapping(name) for name in shipped()]}


@blp.read(
    "/imports",
    operation_id="list_imports",
    summary="Imports, newest first",
    answer=schemas.Import,
    query=schemas.ImportQuery,
    permission="import:run",
    paged=True,
)
def list_imports(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_jobs(session, actor, page, given)


def _show(session: Session, actor: Actor, job_id: UUID) -> dict[str, Any]:
    return queries.job_detail(session, actor, job_id)


@blp.write(
    "/imports",
    operation_id="create_import",
    summary="Create an import",
    description="Then send the file with `PUT /imports/{id}/content`; it is imported as soon as it is there whole.",
    body=schemas.ImportIn,
    answer=schemas.Import,
    status=201,
    permission="import:run",
    show=_show,
    location=lambda shown: f"/api/v1/imports/{shown['id']}",
)
def create_import(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return service.create(uow, actor, given)


@blp.read(
    "/imports/<uuid:job_id>",
    operation_id="get_import",
    summary="One import: its state, how far it is, and what became of the records",
    answer=schemas.Import,
    permission="import:run",
)
def get_import(session: Session, actor: Actor, job_id: UUID) -> dict[str, Any]:
    return queries.job_detail(session, actor, job_id)


@blp.read(
    "/imports/<uuid:job_id>/rejections",
    operation_id="list_import_rejections",
    summary="Records that were not taken in, in the order of the file",
    description="One entry for each rejected record and for each that is twice in the file, and a note for each line "
    "before the header. Records that were known before are only counted.",
    answer=schemas.Rejection,
    query=schemas.RejectionQuery,
    permission="import:run",
    paged=True,
)
def list_import_rejections(session: Session, actor: Actor, page: Page, given: dict[str, Any], job_id: UUID) -> Any:
    return queries.list_rejections(session, actor, page, given, job_id)


@blp.write(
    "/imports/<uuid:job_id>/cancel",
    operation_id="cancel_import",
    summary="End an import where it stands; what it has taken in stays",
    answer=schemas.Import,
    permission="import:run",
    load=queries.job_for_update,
    show=_show,
    errors=(errors.ImportEnded,),
)
def cancel_import(uow: UnitOfWork, _actor: Actor, job: models.ImportJob) -> UUID:
    return service.cancel(uow, job)


def put_import_content(job_id: UUID) -> Response:
    """The one route that takes a file instead of JSON; otherwise as if declared with `blp.write`."""
    with web().database.reader() as session:
        actor = cast(Actor, caller(session))
        structlog.contextvars.bind_contextvars(actor=f"{actor.kind}:{actor.id or ''}")
        job = queries.job_detail(session, actor, job_id)
    require(actor, "import:run")
    if job["finished_at"] is not None and job["checksum"] is None:  # with one, it may be what was sent, once more
        raise errors.ImportEnded(state=job["state"])
    if request.mimetype not in CONTENT_TYPES:
        raise errors.UnsupportedContent
    load_query(None)
    settings = _settings()
    request.max_content_length = settings.max_import_bytes
    try:
        shown = _take(actor, job_id, service.folder(settings.data_dir))
    except OSError as error:
        structlog.get_logger().error("upload not stored", reason=str(error))
        raise TemporarilyUnavailable("The file could not be stored.") from error
    told = {"Location": f"/api/v1/imports/{job_id}"}
    return Response(orjson.dumps(schemas.Import().dump(shown), option=JSON), 202, told, mimetype="application/json")


def _settings() -> Settings:
    return cast(Settings, current_app.extensions["helpdesk_program"].settings)


def _take(actor: Actor, job_id: UUID, folder: Path) -> dict[str, Any]:
    with received(request.stream, folder) as upload:
        if upload.size == 0:
            raise MalformedRequest("The content is empty.")
        with web().database.unit_of_work(actor, request_id=g.request_id) as uow:
            job = queries.job_for_update(uow.session, actor, job_id)
            service.accept_content(uow, job, size=upload.size, checksum=upload.checksum)
            uow.finish()
            shown = queries.job_detail(uow.session, actor, job_id)
            if job.state == "queued":
                upload.move_to(folder / str(job_id))  # before the commit: a worker may be quicker than we are
        return shown


def _declare_content_route() -> None:
    apidoc = describe(
        blp,
        operation_id="put_import_content",
        summary="Send the file of an import",
        description="The raw bytes, in one request. When they are there whole, the import is queued. The same content "
        "once more is no error, also when the import has ended. A file that was imported before is refused where its "
        "records may have no external id (a mapping that is not `repeatable`), unless the import was created with "
        f"`again`. The content type may also be {' or '.join(CONTENT_TYPES[1:])}.",
        answer=schemas.Import(),
        statuses={202: "Accepted"},
        location=True,
        errors=[
            NotFound,
            UnknownRoute,
            errors.ImportEnded,
            errors.ContentReceived,
            errors.ImportedBefore,
            errors.UnsupportedContent,
            MalformedRequest,
            BodyTooLarge,
        ],
        permission="import:run",
        public=False,
    )
    apidoc["manual_doc"]["requestBody"] = {
        "required": True,
        "content": {
            CONTENT_TYPES[0]: {
                "schema": {"type": "string", "format": "binary"},
                "example": "Complaint ID,Product\n4711,Mortgage\n",
            }
        },
    }
    document_view(put_import_content, apidoc)
    blp.add_url_rule("/imports/<uuid:job_id>/content", "put_import_content", put_import_content, methods=["PUT"])


_declare_content_route()


@blp.read(
    "/events",
    operation_id="read_events",
    summary="What happened, in an order that never has to be mended",
    description="Follow it with `next_cursor`, also at the end of the stream: an event that is committed late comes "
    "after the cursor, never before it. Events of complaints that the caller may not see are left out.",
    answer=schemas.Feed,
    query=schemas.FeedQuery,
    permission="event:read",
    errors=(CursorExpired,),
)
def read_events(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return queries.feed(session, actor, given)
