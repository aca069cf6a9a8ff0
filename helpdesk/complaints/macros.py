"""Several acts at once, by name: all of them or none.

A macro does nothing that its user could not do step by step: each step asks for its own permission and its own state. It
can be tried first: then everything is done, shown, and undone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import canned_replies, detail_queries, template_queries, thread_queries
from helpdesk.complaints.events import MacroApplied, MessageAdded
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.named_rows import missing
from helpdesk.complaints.queries import Part
from helpdesk.complaints.scoped import Shelf
from helpdesk.complaints.steps import STEPS, Given, perform, read_step, read_steps
from helpdesk.complaints.template_events import MacroChanged, MacroCreated, MacroDeleted
from helpdesk.complaints.template_models import Macro
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import DomainError, FieldError, ValidationFailed
from helpdesk.kernel.rich_text import RichText
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

MAX_STEPS: Final = 20
TEXT_OF: Final = {
    "write_message": "body",
    "ask_customer": "message",
    "ask_third_party": "note",
    "acknowledge": "text",
}
"""Steps whose text a canned reply can be, and the field that it then is."""


def _write(uow: UnitOfWork, actor: Actor, row: Macro, given: Mapping[str, Any]) -> None:
    """Raises `ValidationFailed` naming every bad field of every step."""
    row.name, row.description = given["name"], given.get("description")
    row.steps = [
        {"step": item["step"], "given": item["given"], "canned_reply_id": json_safe(item.get("canned_reply_id"))}
        for item in given["steps"]
    ]
    problems = faults(uow.session, actor, given)
    if problems:
        raise ValidationFailed(errors=problems)


SHELF: Final = Shelf(
    kind=Macro,
    share=canned_replies.SHARE,
    told=("name", "description", "steps"),
    write=_write,
    created=lambda row_id, changes: MacroCreated(template_id=row_id, changes=changes),
    changed=lambda row_id, changes: MacroChanged(template_id=row_id, changes=changes),
    deleted=lambda row_id, changes: MacroDeleted(template_id=row_id, changes=changes),
)


def faults(session: Session, actor: Actor, given: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with the steps. `given`: of a macro that is written, what is sound of it by itself; an item
    may lack its step.
    """
    known = [(place, item) for place, item in enumerate(given.get("steps") or ()) if "step" in item]
    found = [problem for place, item in known for problem in _of_reply(session, actor, given, place, item)]
    for place, item in known:
        try:
            read = read_step(_filled(item, place), f"/steps/{place}", STEPS)
        except ValidationFailed as error:
            found += error.errors
        else:
            found += [
                FieldError.at(f"/steps/{place}/given/{name}", "unknown", text)
                for name, text in missing(session, read.body)
            ]
    return found


def _of_reply(
    session: Session, actor: Actor, given: Mapping[str, Any], place: int, item: Mapping[str, Any]
) -> Iterator[FieldError]:
    """Whoever may use the macro must be able to use what it says."""
    if item.get("canned_reply_id") is None:
        return
    pointer = f"/steps/{place}/canned_reply_id"
    reply = template_queries.reply_if_usable(session, actor, item["canned_reply_id"])
    if item["step"] not in TEXT_OF:
        yield FieldError.at(pointer, "no_text", f"The step {item['step']} says nothing to anybody.")
    elif reply is None:
        yield FieldError.at(pointer, "unknown", "There is no such canned reply.")
    elif reply.scope not in {"shared", given.get("scope", reply.scope)} or (
        reply.scope == "team" and reply.team_id != given.get("team_id", reply.team_id)
    ):
        text = f"It is of the scope {reply.scope!r}: not everybody who has the macro has it."
        yield FieldError.at(pointer, "scope", text)


def _filled(item: Mapping[str, Any], place: int) -> dict[str, Any]:
    """A step with a word that stands for its text, where a canned reply is that. Raises `ValidationFailed`."""
    body = item.get("given") or {}
    name = TEXT_OF.get(item["step"])
    if item.get("canned_reply_id") is None or name is None:
        return {"step": item["step"], "given": body}
    twice = {name, f"{name}_html"} & body.keys()
    if twice:
        text = "The canned reply is the text."
        raise ValidationFailed(
            errors=[FieldError.at(f"/steps/{place}/given/{key}", "twice", text) for key in sorted(twice)]
        )
    return {"step": item["step"], "given": body | {name: "-"}}


def _read(steps: Sequence[dict[str, Any]]) -> list[Given]:
    """The steps with their bodies checked; where a canned reply is the text, a word stands for it."""
    return read_steps([_filled(item, place) for place, item in enumerate(steps)])


@dataclass(frozen=True, slots=True)
class Applied:
    """What a macro did, to be shown once it is written."""

    macro: Macro
    complaint_id: UUID
    uow: UnitOfWork


def apply(uow: UnitOfWork, actor: Actor, part: Part[Macro], *, preview: bool) -> Applied | dict[str, Any]:
    """On a locked complaint. A refusal of a step is what it would be by itself, and names the step. With `preview`: what
    it would do, shown; nothing is changed.
    """
    if not preview:
        return _perform(uow, actor, part)
    with uow.rehearsal() as tried:
        applied = _perform(tried, actor, part)
        tried.finish()
        return show(actor, applied) | {"preview": True}


def _perform(uow: UnitOfWork, actor: Actor, part: Part[Macro]) -> Applied:
    macro, complaint = part.row, part.complaint
    steps = _read(macro.steps)
    uow.record(
        MacroApplied(
            complaint_id=complaint.id,
            reference=complaint.reference,
            macro_id=macro.id,
            macro_version=macro.version,
            name=macro.name,
            steps=[item["step"] for item in macro.steps],
        ),
        stream=complaint,
    )
    for place, (given, item) in enumerate(zip(steps, macro.steps, strict=True)):
        try:
            perform(uow, actor, complaint, _worded(uow, actor, complaint, given, item))
        except DomainError as error:
            raise _of_step(error, place, item["step"]) from None
    template_queries.count_use(uow.session, Macro, macro.id)
    return Applied(macro, complaint.id, uow)


def _worded(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: Given, item: dict[str, Any]) -> Given:
    if item["canned_reply_id"] is None:
        return given
    reply_id = UUID(item["canned_reply_id"])
    said = canned_replies.used(uow, actor, complaint, reply_id, pointer="/canned_reply_id", written=None)
    return Given(given.step, _with_text(given.body, TEXT_OF[item["step"]], said))


def _with_text(body: dict[str, Any], name: str, said: RichText) -> dict[str, Any]:
    """HTML where the step takes it; the plain words elsewhere."""
    if name == "body" and said.html is not None:
        return {key: value for key, value in body.items() if key != name} | {"body_html": said.html}
    return body | {name: said.plain}


def _of_step(error: DomainError, place: int, name: str) -> DomainError:
    """The refusal, with pointers into the macro."""
    within = f"/steps/{place}"
    errors = []
    for item in error.errors:
        pointer = item.get("pointer", "")
        below = "" if pointer == "/canned_reply_id" else "/given"
        errors.append(FieldError.at(f"{within}{below}{pointer}", item["code"], item["detail"]))
    error.errors = tuple(errors) or (FieldError.at(within, error.code, error.detail),)
    error.detail = f"Step {place + 1} ({name}): {error.detail}"
    error.extra = {**error.extra, "step": place}
    return error


def show(actor: Actor, applied: Applied) -> dict[str, Any]:
    """For after everything is written."""
    session, happened = applied.uow.session, applied.uow.happened
    ids = [item.event.message_id for item in happened if isinstance(item.event, MessageAdded)]
    return {
        "macro_id": applied.macro.id,
        "macro_version": applied.macro.version,
        "preview": False,
        "happened": [
            {"type": item.event.type, "changes": json_safe(getattr(item.event, "changes", {}))} for item in happened
        ],
        "messages": thread_queries.messages(session, ids),
        "complaint": detail_queries.detail(session, actor, applied.complaint_id),
    }
