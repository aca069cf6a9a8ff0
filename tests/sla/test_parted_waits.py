"""A wait for the survivor's complainant that another person's message ended: undone, it was none of theirs.

How it can fail: the promises of the survivor run while its own complainant is waited for; it waits although they have written; what was
done meanwhile is forgotten; the audit of the clocks does not follow.
"""

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.sla.climbing import ring
from tests.sla.test_merge_table import in_order
from tests.sla.watching import MONDAY, Story, join, part

HOUR: Final = timedelta(hours=1)
KINDS: Final = ("acknowledge", "first_response", "next_response", "investigate", "resolve")


def of(database: Database, name: str) -> Story:
    return Story(database, complainant={"name": name, "email": f"{name}@example.com"})


def lived(story: Story) -> list[tuple[Any, ...]]:
    return [
        (kind, clock.state, clock.started_at, clock.due_at, clock.remaining_seconds, clock.stopped_at, clock.pauses)
        for kind in KINDS
        for clock in story.clocks(kind)
        if kind != "next_response" or clock.state != "cancelled"
    ]


def waits_for(story: Story) -> str:
    with Session(story.database.engine) as session:
        return session.get_one(Complaint, story.id).waiting_on


def meanwhile(story: Story, what: str) -> None:
    at = MONDAY + 5 * HOUR
    if what == "own":
        story.write("inbound", at)
    elif what == "reply":
        story.write("public_reply", at)
    elif what == "asked again":
        story.act("ask_customer", at, message="And where?")
    elif what == "carrier":
        story.act("ask_third_party", at, note="The carrier.")
    elif what == "decided":
        finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
        story.act("investigate", at, findings=[finding], root_cause="RC.HAND", fault="firm")
    elif what == "reopened":
        story.act("withdraw", at, reason="x")
        story.act("reopen", at + HOUR / 2, reason="x")


@pytest.mark.parametrize("what", ["nothing", "own", "reply", "asked again", "carrier", "decided", "reopened"])
def test_it_waits_as_if_they_had_never_met(database: Database, what: str) -> None:
    source, survivor, alone = (of(database, name) for name in ("li", "wu", "xu"))
    for story in (survivor, alone):
        story.act("ask_customer", MONDAY + HOUR, message="Which?")
    join(source, survivor, MONDAY + 2 * HOUR)
    source.write("inbound", MONDAY + 3 * HOUR)
    assert waits_for(survivor) == "us"
    for story in (survivor, alone):
        meanwhile(story, what)
    part(source, MONDAY + 7 * HOUR)
    for story in (survivor, alone):
        ring(story, MONDAY + 7 * HOUR)
    assert waits_for(survivor) == waits_for(alone)
    assert lived(survivor) == lived(alone)
    in_order(database)
    for story in (survivor, alone):
        story.write("inbound", MONDAY + 8 * HOUR)
    assert lived(survivor)[:-1] == lived(alone)[:-1]
    assert waits_for(survivor) == waits_for(alone)
    in_order(database)


def test_the_chain_tells_whom_it_waits_for(database: Database) -> None:
    source, survivor = of(database, "li"), of(database, "wu")
    survivor.act("ask_customer", MONDAY + HOUR, message="Which?")
    join(source, survivor, MONDAY + 2 * HOUR)
    source.write("inbound", MONDAY + 3 * HOUR)
    part(source, MONDAY + 7 * HOUR)
    assert waits_for(survivor) == "customer"
    owed = {"alarm_overdue", "duty_overdue"}  # nobody works here
    assert [item for item in violations(database) if item.check not in owed] == []


def test_of_one_person_it_was_their_answer(database: Database) -> None:
    """What they wrote to either reference stays with the survivor."""
    customer = {"name": "Li", "email": "li@example.com"}
    source, survivor = (Story(database, complainant=customer) for _ in range(2))
    survivor.act("ask_customer", MONDAY + HOUR, message="Which?")
    join(source, survivor, MONDAY + 2 * HOUR)
    source.write("inbound", MONDAY + 3 * HOUR)
    part(source, MONDAY + 7 * HOUR)
    assert waits_for(survivor) == "us"
    in_order(database)
