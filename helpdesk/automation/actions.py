"""What triggers can do: a list, and nothing beside it.

Most of it are the steps of a complaint, with their own bodies, checks and events. Left out is what a person has to answer
for: findings and decisions (investigate, resolve), the complainant's own acts (withdraw), to go to an outside body; and to
claim a complaint, since a trigger is nobody who could have one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.automation.action_schemas import NotifyIn, RaiseEventIn, WriteIn
from helpdesk.automation.events import AgentsNotified, EventRaised
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.named_rows import missing
from helpdesk.complaints.steps import STEPS, Given, Step, read_steps
from helpdesk.complaints.template_queries import reply_if_usable
from helpdesk.complaints.wording import names_in
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import drafting
from helpdesk.recovery.schemas import OfferIn

MOST: Final = 20
"""Actions of one trigger."""

NOT_FOR_TRIGGERS: Final = frozenset(
    {"claim", "investigate", "resolve", "resolve_on_the_spot", "follow_up", "withdraw", "refer_externally"}
)


def _notify(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    """Who is told is looked up by a subscriber of the event, as for every notification."""
    uow.record(
        AgentsNotified(
            complaint_id=complaint.id,
            reference=complaint.reference,
            trigger_id=_id_of(actor),
            trigger_name=actor.name,
            agent_ids=[str(agent_id) for agent_id in given["agent_ids"]],
            team_ids=[str(team_id) for team_id in given["team_ids"]],
            assignee=given["assignee"],
            watchers=given["watchers"],
            text=given["text"],
        ),
        stream=complaint,
    )


def _raise_event(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    uow.record(
        EventRaised(
            complaint_id=complaint.id,
            reference=complaint.reference,
            trigger_id=_id_of(actor),
            trigger_name=actor.name,
            name=given["name"],
            data=dict(given["data"]),
        ),
        stream=complaint,
    )


def _id_of(actor: Actor) -> Any:
    if actor.kind != "automation" or actor.id is None:
        raise LookupError("only a trigger does this")
    return actor.id


ACTIONS: Final[Mapping[str, Step]] = {
    **{name: step for name, step in STEPS.items() if name not in NOT_FOR_TRIGGERS},
    "write_message": Step("write_message", "complaint:note", WriteIn, STEPS["write_message"].run),
    "draft_offer": Step("draft_offer", "offer:draft", OfferIn, drafting.draft),
    "notify": Step("notify", "complaint:read", NotifyIn, _notify, merged=True),
    "raise_event": Step("raise_event", "complaint:read", RaiseEventIn, _raise_event, merged=True),
}

RIGHTS: Final = frozenset(
    {
        "complaint:read",
        "complaint:reply",
        "complaint:note",
        "complaint:dismiss",
        "tag:create",
        *(step.permission for step in ACTIONS.values()),
    }
)
"""What a trigger may do, whoever wrote it: no more than its actions can need."""


def needed(given: Given) -> Iterator[str]:
    """The permissions that a person would need for it."""
    yield given.step.permission
    if given.step.name == "write_message":
        yield "complaint:reply" if given.body["kind"] == "public_reply" else "complaint:note"
    if given.step.name == "convert":
        yield "complaint:dismiss"  # what is a complaint by then is ended as one


def read_actions(items: Sequence[Mapping[str, Any]], pointer: str = "/actions") -> list[Given]:
    """With their bodies read by their schemas. Raises `ValidationFailed` that names every bad field at once."""
    return read_steps(items, pointer, ACTIONS)


def check_named(session: Session, found: Sequence[Given]) -> None:
    """Whom and what the actions name has to be there, today at least. Raises `ValidationFailed`."""
    problems = [
        FieldError.at(f"/actions/{place}/given/{name}", "unknown", text)
        for place, given in enumerate(found)
        for name, text in _not_there(session, given.body)
    ]
    if problems:
        raise ValidationFailed(errors=problems)


def _not_there(session: Session, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from missing(session, body)
    reply_id = body.get("canned_reply_id")
    if reply_id is not None:
        reply = reply_if_usable(session, SYSTEM, reply_id)
        if reply is None or reply.scope != "shared":
            yield "canned_reply_id", "There is no such canned reply for everybody."
        elif any("agent.name" in names_in(item["body"] or item["body_html"]) for item in reply.variants):
            yield "canned_reply_id", "It names who writes, and a trigger is nobody."


def check_within(actor: Actor, found: Sequence[Given]) -> None:
    """Nobody has a trigger do what they may not do themselves. Raises `ValidationFailed`."""
    problems = [
        FieldError.at(f"/actions/{place}/step", "beyond_you", f"You need {permission} yourself for that.")
        for place, given in enumerate(found)
        for permission in dict.fromkeys(needed(given))
        if not actor.may(permission)
    ]
    if problems:
        raise ValidationFailed(errors=problems)
