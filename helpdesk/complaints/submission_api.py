from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import form_queries, form_schemas, forms, submissions
from helpdesk.complaints.challenges import Challenges
from helpdesk.complaints.form_errors import OriginNotAllowed
from helpdesk.complaints.form_models import IntakeForm
from helpdesk.complaints.tracking_schemas import Receipt
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.identity.actors import Actor
from helpdesk.kernel import cors, limiting
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.http import Blueprint, web
from helpdesk.kernel.limits import Limit, Rate
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force
from helpdesk.taxonomy.views import offered

blp = Blueprint("submissions", __name__, description="Complaining without an account, through a form.")
cors.share(blp, form_queries.some_form_allows)

_MAILS: Final = Limit("acknowledgement", (Rate(3, 3600), Rate(10, 86_400)), tight=True)
"""Acknowledgements by mail to one address: whoever types another's address into forms floods nobody."""


@blp.read(
    "/public/forms/<key>",
    operation_id="get_public_form",
    summary="What a form asks",
    answer=form_schemas.PublicForm,
    public=True,
)
def get_form(session: Session, _actor: Actor, key: str) -> dict[str, Any]:
    found = form_queries.form_by_key(session, key)
    if found is None:
        raise NotFound
    form = found.form
    return {
        "key": key,
        "name": form.name,
        "language": form.language,
        "record_types": form.record_types,
        "asked": [
            {"name": name, "required": form.fields[name] == "required"} for name in forms.FIELDS if name in form.fields
        ],
        "categories": offered(in_force(), form.language) if form.fields.keys() & {"category", "issue"} else [],
        "challenge": form.difficulty > 0,
        "trap": submissions.TRAP,
    }


@blp.write(
    "/public/challenges",
    operation_id="create_challenge",
    summary="Ask for a proof of work to solve, for one form",
    body=form_schemas.ChallengeIn,
    answer=form_schemas.Challenge,
    status=201,
    public=True,
)
def create_challenge(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    form, now = submissions.form_named(uow, given["form"])
    return Challenges(web().signing_key).new(form, now)


@blp.write(
    "/public/complaints",
    operation_id="submit_complaint",
    summary="Complain through a form, without an account",
    description="Beside subject and description the form says what it asks (`GET /public/forms/{key}`). With an "
    "`Idempotency-Key` a repeat gets the first answer, without the secret.",
    body=form_schemas.SubmissionIn,
    answer=Receipt,
    status=201,
    public=True,
    limits=(limiting.INTAKE,),
    shown_once="tracking_secret",
    errors=(OriginNotAllowed,),
)
def submit(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    form, now = submissions.form_named(uow, given["form"])
    _check_origin(form)
    solved = submissions.check(form, given, Challenges(web().signing_key), now)
    limiting.count_extra(forms.limit_of(form), str(form.id))
    email = given["complaint"].get("email", "").lower()
    mailed = bool(email) and limiting.has_room(_MAILS, email)
    return submissions.take(uow, form, given, solved, Secrets(web().signing_key), mailed=mailed)


def _check_origin(form: IntakeForm) -> None:
    """A page of a site that the form does not name. Whatever is no page says no origin."""
    origin = cors.foreign_origin()
    if origin is not None and origin not in form.origins:
        raise OriginNotAllowed(origin=origin[:300])
