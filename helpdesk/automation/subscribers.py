"""What triggers do in the transaction of others: owe a look at what happened, where any of them listens; and tell the
agents who were named.
"""

from collections.abc import Sequence
from typing import Final, TypeGuard
from uuid import UUID

from helpdesk.automation import queries, rules
from helpdesk.automation.events import AgentsNotified, TriggerPaused
from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.notifications import News, tell
from helpdesk.complaints.tag_events import ComplaintTagged
from helpdesk.identity.queries import members_of
from helpdesk.kernel.events import Event
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "automation.react"
MANY_TOPIC: Final = "automation.react_many"
"""For what comes by the hundred, an import above all: it waits behind long work, and not in front of an alarm."""
FEW: Final = 20
TOGETHER: Final = 100
"""Events of one duty."""

_KEY: Final = "automation.owe"


def listen(uow: UnitOfWork, events: Sequence[Event]) -> None:
    """Where a trigger listens to this type: a look is owed at the end of the unit of work, one for all that it recorded."""
    if events[0].type in rules.in_force(uow.session).listening:
        uow.at_end(_KEY, owe)


def owe(uow: UnitOfWork) -> None:
    listening = rules.in_force(uow.session).listening
    imported = {item.event.complaint_id for item in uow.happened if _was_imported(item.event)}
    ids = [
        str(item.id)
        for item in uow.happened
        if item.stream is not None
        and not (isinstance(item.event, ComplaintTagged) and item.event.follows_vocabulary)  # to it nothing happened
        and any(rule.imports or item.stream.id not in imported for rule in listening.get(item.event.type, ()))
    ]
    topic = TOPIC if len(ids) <= FEW else MANY_TOPIC
    for start in range(0, len(ids), TOGETHER):
        batch = ids[start : start + TOGETHER]
        uow.duty(topic, UUID(batch[0]), payload={"events": batch})


def _was_imported(event: Event) -> TypeGuard[ComplaintReceived]:
    return isinstance(event, ComplaintReceived) and event.imported


def tell_named(uow: UnitOfWork, events: Sequence[AgentsNotified]) -> None:
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if not isinstance(complaint, Complaint):
            continue
        named = {UUID(agent_id) for agent_id in event.agent_ids}
        for team_id in event.team_ids:
            named |= members_of(uow.session, UUID(team_id))
        if event.assignee and complaint.assignee_id is not None:
            named.add(complaint.assignee_id)
        detail = {"trigger_id": str(event.trigger_id), "trigger": event.trigger_name, "text": event.text}
        tell(uow, complaint, event, News("trigger_fired", named, to_watchers=event.watchers, detail=detail))


def tell_paused(uow: UnitOfWork, events: Sequence[TriggerPaused]) -> None:
    """Whoever may change triggers, about the complaint on which it failed last."""
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if isinstance(complaint, Complaint):
            detail = {"trigger_id": str(event.trigger_id), "trigger": event.name, "text": event.because}
            tell(uow, complaint, event, News("trigger_paused", queries.managers(uow.session), detail=detail))
