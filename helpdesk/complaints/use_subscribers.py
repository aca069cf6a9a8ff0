from collections.abc import Iterator, Sequence
from typing import Any

from helpdesk.complaints import form_queries, profile_queries, routing_queries, template_queries, view_queries
from helpdesk.complaints.naming import going
from helpdesk.identity.events import AgentChanged, TeamChanged
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.events import TermRetired


def uses(uow: UnitOfWork, events: Sequence[Any]) -> Iterator[dict[str, str]]:
    """What in the settings of this domain names what goes: forms by their channel, routing rules, macros and views that
    several use.
    """
    gone = going(uow.session, events)
    if not gone:
        return
    yield from (_use("form", form) for event in events for form in _forms(uow, event))
    for rule in routing_queries.rules_in_force(uow.session):
        leads_to = [rule.spec["result"], str(rule.team_id)]
        if any(one.is_asked(rule.spec["condition"]) or one.is_told(leads_to) for one in gone):
            yield _use("routing_rule", rule)
    for macro in template_queries.macros_of_several(uow.session):
        if any(one.is_given(macro.steps) for one in gone):
            yield _use("macro", macro)
    for view in view_queries.views_of_several(uow.session):
        if any(one.is_looked_for(view.filters, view.columns) for one in gone):
            yield _use("view", view)


def _forms(uow: UnitOfWork, event: Any) -> Sequence[Any]:
    if isinstance(event, TermRetired) and event.kind == "channel":
        return form_queries.forms_of_channel(uow.session, event.code)
    if isinstance(event, TeamChanged) and event.closed:
        return form_queries.forms_of_team(uow.session, event.team_id)
    return ()


def stands_in(uow: UnitOfWork, events: Sequence[AgentChanged]) -> Iterator[dict[str, str]]:
    """Absences, of now or to come, in which somebody who leaves is the substitute: nobody would stand in."""
    for event in events:
        if event.left and not event.even_if_named:
            for absence in profile_queries.stood_in_for(uow.session, event.agent_id, uow.now):
                yield _use("absence", absence)


def _use(what: str, row: Any) -> dict[str, str]:
    return {"what": what, "id": str(row.id), "name": row.name}
