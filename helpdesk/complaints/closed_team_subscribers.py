"""What follows for complaints from a team's closing, for closed teams from a complaint's coming back, and what names a team in
the settings of this domain: forms, routing rules, and views that several see. Others ask `names` of theirs.

Macros and one's own views are not asked, which nobody else can mend: a step that gives to a closed team is refused when it is
done, and a view shows what the team had.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from helpdesk.complaints import closed_teams, form_queries, routing_queries, view_queries
from helpdesk.complaints.events import ComplaintActed
from helpdesk.complaints.lifecycle import CLOSED, OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.identity.events import TeamChanged
from helpdesk.kernel.unit_of_work import UnitOfWork


def owe_reassignment(uow: UnitOfWork, events: Sequence[TeamChanged]) -> None:
    for event in events:
        if event.closed:
            uow.duty(closed_teams.TOPIC, event.team_id)


def opened_again(uow: UnitOfWork, events: Sequence[ComplaintActed]) -> None:
    """No team that was closed has an open complaint."""
    for event in events:
        if event.from_status in CLOSED and event.to_status in OPEN:
            complaint = cast(Complaint, uow.stream_of(event.complaint_id))
            closed_teams.hand_over(uow, complaint, route=False)  # as everything that is opened again, it is routed next


def uses(uow: UnitOfWork, events: Sequence[TeamChanged]) -> Iterator[dict[str, str]]:
    for event in events:
        if not event.closed:
            continue
        team_id = str(event.team_id)
        for form in form_queries.forms_of_team(uow.session, event.team_id):
            yield {"what": "form", "id": str(form.id), "name": form.name}
        for rule in routing_queries.rules_in_force(uow.session):
            if rule.team_id == event.team_id or names(rule.spec, team_id):
                yield {"what": "routing_rule", "id": str(rule.id), "name": rule.name}
        for view in view_queries.shared_views(uow.session):
            if names(view.filters, team_id):
                yield {"what": "view", "id": str(view.id), "name": view.name}


def names(written: Any, team_id: str) -> bool:
    """Whether a condition asks for the team, or the body of a step, a result or a filter names it."""
    if isinstance(written, list):
        return any(names(part, team_id) for part in written)
    if not isinstance(written, dict):
        return False
    if written.get("field") == "team_id":
        return _is_or_has(written.get("value"), team_id)
    return any(
        (name in {"team_id", "team_ids"} and _is_or_has(value, team_id)) or names(value, team_id)
        for name, value in written.items()
    )


def _is_or_has(value: Any, team_id: str) -> bool:
    return value == team_id or (isinstance(value, list) and team_id in value)
