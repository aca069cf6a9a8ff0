"""What one can do with forms. Each is data: what it asks, where it may stand, how much it takes, what it answers."""

import secrets
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import form_queries
from helpdesk.complaints.form_events import FormChanged, FormCreated, FormKeyRotated
from helpdesk.complaints.form_models import IntakeForm
from helpdesk.complaints.phrases import in_language, phrases
from helpdesk.identity import queries as identity
from helpdesk.identity.administration import record_administration
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.limits import Limit, Rate
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.in_force import in_force

KEY_PREFIX: Final = "hdf_"
FIELDS: Final = (
    "record_type",
    "name",
    "email",
    "phone",
    "language",
    "region",
    "postcode",
    "category",
    "issue",
    "price",
    "needs",
    "related_to",
)
"""What a form may ask beside subject and description, which every one asks."""
NEEDS: Final = ("required", "optional")
_EDITABLE: Final = (
    "name",
    "active",
    "origins",
    "channel",
    "team_id",
    "language",
    "record_types",
    "fields",
    "hourly_limit",
    "daily_limit",
    "difficulty",
    "acknowledge",
    "acknowledgements",
)


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(18)


def create(uow: UnitOfWork, given: dict[str, Any]) -> UUID:
    """Raises `NameTaken`, and `ValidationFailed` for a team that is not there or limits that contradict each other."""
    _check(uow, given, given)
    if form_queries.form_named(uow.session, given["name"]) is not None:
        raise NameTaken
    form = IntakeForm(id=new_id(), version=1, key=new_key(), **given)
    uow.session.add(form)
    changes = {name: json_safe([None, getattr(form, name)]) for name in (*_EDITABLE, "key")}
    record_administration(uow, FormCreated(form_id=form.id, name=form.name, changes=changes))
    return form.id


def change(uow: UnitOfWork, form: IntakeForm, given: dict[str, Any]) -> UUID:
    """`given`: any of a form's fields. Raises as `create`."""
    wanted = {name: getattr(form, name) for name in _EDITABLE} | given
    _check(uow, given, wanted)
    named = form_queries.form_named(uow.session, wanted["name"])
    if named is not None and named != form.id:
        raise NameTaken
    changes = {
        name: json_safe([getattr(form, name), value]) for name, value in given.items() if getattr(form, name) != value
    }
    for name in changes:
        setattr(form, name, given[name])
    if changes:
        form.touch()
        record_administration(uow, FormChanged(form_id=form.id, name=form.name, changes=changes))
    return form.id


def rotate_key(uow: UnitOfWork, form: IntakeForm, given: dict[str, Any]) -> UUID:
    """A new key; the one before goes on for `overlap_hours`, the one before that ends now."""
    before = {"key": form.key, "previous_key": form.previous_key, "previous_key_until": form.previous_key_until}
    form.previous_key, form.previous_key_until = form.key, uow.now + timedelta(hours=given["overlap_hours"])
    form.key = new_key()
    form.touch()
    changes = {name: json_safe([value, getattr(form, name)]) for name, value in before.items()}
    record_administration(uow, FormKeyRotated(form_id=form.id, name=form.name, changes=changes))
    return form.id


def _check(uow: UnitOfWork, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    """What is given, and of an active form all of it: its team may have been closed, and its channel retired, while it was not."""
    problems = []
    judged = wanted if wanted["active"] else given
    if judged.get("team_id") is not None and not identity.active_team(uow.session, judged["team_id"]):
        problems.append(FieldError.at("/team_id", "unknown", "There is no such active team."))
    if "channel" in judged and not in_force().offers("channel", judged["channel"]):
        problems.append(FieldError.at("/channel", "choice", f"{wanted['channel']} was retired; name another."))
    if wanted["daily_limit"] < wanted["hourly_limit"]:
        problems.append(FieldError.at("/daily_limit", "range", "A day is not less than an hour."))
    if problems:
        raise ValidationFailed(errors=problems)


def limit_of(form: IntakeForm) -> Limit:
    """How much it takes, from everybody together."""
    return Limit("form", (Rate(form.hourly_limit, 3600), Rate(form.daily_limit, 86_400)), tight=True)


def acknowledgement_of(form: IntakeForm, language: str | None, *, reference: str, record_type: str) -> str:
    """The form's own text in their language, in the form's, else the standard one."""
    texts = {**phrases()["acknowledgement"], **form.acknowledgements}
    text = in_language(texts, language or form.language)
    return text.replace("{reference}", reference).replace("{record_type}", record_type)
