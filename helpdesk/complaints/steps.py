"""What can be done with a complaint, by name and as data: one vocabulary for macros (several steps in one transaction),
bulk changes (one step on many) and triggers.

A step is what a route of the same name does, with the same permission, the same checks and the same body; nothing here
does anything by itself. When to use it: where the acts are chosen by data. When not: in a route, which calls its act.

Rows that a step adds are written when the unit of work ends, so a step does not see rows of one before it in the same
transaction (a message, an issue). Columns of the complaint it does see.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import marshmallow as ma

from helpdesk.complaints import acts, assignment, queries, service, tagging
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.assignment_schemas import AssignmentIn, ClaimIn, ReleaseIn
from helpdesk.complaints.lifecycle import LIFECYCLE, PAIRED
from helpdesk.complaints.message_schemas import MessageIn
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.schemas import ComplaintPatch
from helpdesk.complaints.tag_schemas import TagsIn
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.schemas import ByName, Choice, Schema, problems_of, shallow
from helpdesk.kernel.unit_of_work import UnitOfWork

Run = Callable[[UnitOfWork, Actor, Complaint, dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Step:
    """`permission`: what the actor needs in any case; `run` may ask for more. `body`: what must be given with it.
    `merged`: also on a complaint that was merged into another one.
    """

    name: str
    permission: str
    body: type[Schema] | None
    run: Run
    merged: bool = False


def _act(action: str) -> Step:
    def run(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> object:
        return acts.act(uow, actor, complaint, action, given)

    return Step(action, LIFECYCLE.by_action(action).permission, BODIES[action], run)


STEPS: Final[Mapping[str, Step]] = {
    step.name: step
    for step in (
        *(_act(action) for action in LIFECYCLE.actions if action not in PAIRED),
        Step("edit", "complaint:edit", ComplaintPatch, lambda uow, _, row, given: service.edit(uow, row, given)),
        Step("write_message", "complaint:note", MessageIn, service.write_message, merged=True),  # it decides by kind
        Step("assign", "complaint:assign", AssignmentIn, assignment.assign),
        Step("claim", "complaint:claim", ClaimIn, assignment.claim),
        Step("release", "complaint:claim", ReleaseIn, assignment.release),
        Step("add_tags", "complaint:tag", TagsIn, tagging.add),
        Step("remove_tags", "complaint:tag", TagsIn, lambda uow, _, row, given: tagging.remove(uow, row, given)),
    )
}


class StepIn(Schema):
    """A step as it is written in a payload. `check_steps` reads `given` by the schema of its step."""

    step = Choice(STEPS, required=True, metadata={"example": "assign"})
    given = ByName(
        keys=ma.fields.String(),
        load_default=dict,
        validate=shallow,
        metadata={
            "description": "The body that the route of the same name takes.",
            "example": {"assignee_id": None},
        },
    )


@dataclass(frozen=True, slots=True)
class Given:
    """A step with its body, which its schema has read."""

    step: Step
    body: dict[str, Any]


def read_steps(
    items: Sequence[Mapping[str, Any]], pointer: str = "/steps", known: Mapping[str, Step] = STEPS
) -> list[Given]:
    """From loaded `StepIn`s. Raises `ValidationFailed` that names every bad field at once. `known`: the steps there are."""
    problems: list[FieldError] = []
    found = []
    for place, item in enumerate(items):
        try:
            found.append(read_step(item, f"{pointer}/{place}", known))
        except ValidationFailed as error:
            problems += error.errors
    if problems:
        raise ValidationFailed(errors=problems)
    return found


def read_step(item: Mapping[str, Any], pointer: str = "", known: Mapping[str, Step] = STEPS) -> Given:
    """From one loaded `StepIn`, which stands at `pointer`."""
    step = known[item["step"]]
    try:
        return Given(step, (step.body or Schema)().load(item["given"]))
    except ma.ValidationError as error:
        raise ValidationFailed(errors=list(_below(f"{pointer}/given", error.messages))) from error


def _below(pointer: str, messages: Any) -> Iterator[FieldError]:
    for item in problems_of(messages):
        yield FieldError.at(pointer + item["pointer"], item["code"], item["detail"])


def perform(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: Given) -> None:
    """One step on a locked complaint. Raises what its route would: `Forbidden`, `Conflict`, `ValidationFailed`."""
    require(actor, given.step.permission)
    if not given.step.merged:
        queries.refuse_merged(uow.session, actor, complaint)
    given.step.run(uow, actor, complaint, given.body)
