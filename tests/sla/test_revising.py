"""Whatever was done to a complaint, in whatever order: its clocks follow from facts, and looking again changes nothing.

How it can fail: a way that leads there leaves a clock otherwise than another way would; a wait is lost when a promise ends and begins
again; a clock begins twice; the order of the queue forgets a clock. Random lives, each from a number, so that one that fails can be
lived again.
"""

import random
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import differences as kernel
from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.models import Clock
from helpdesk.sla.revising import revise
from tests.sla.watching import MONDAY, Story, join, make_policy, part, promise, tagged, when, wrong

SEVERITIES: Final = ("S1", "S3", "S5")
LIVES: Final = 12
MANY: Final = 240
"""In `make test-fire`."""
STEPS: Final = 14


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    kinds = ("acknowledge", "first_response", "next_response", "investigate", "resolve")
    promise(
        database,
        **{severity: dict.fromkeys(kinds, (240 * (place + 1), "minutes")) for place, severity in enumerate(SEVERITIES)},
    )
    answers = {
        "S1": {"next_response": [120, "minutes"]},
        "S3": {"first_response": [1, "business_days"], "resolve": [480, "minutes"]},
    }
    make_policy(database, "Urgent", condition=when("tags", "urgent", "contains"), targets=answers, position=1)
    stubborn = {"amount": 360, "unit": "minutes", "pausable": False}
    of_delivery = {severity: {"resolve": stubborn, "acknowledge": [1, "calendar_days"]} for severity in SEVERITIES}
    make_policy(database, "Deliveries", condition=when("category", "DEL"), targets=of_delivery, position=2)


def undo(story: Story, at: datetime) -> None:
    """Where it was merged."""
    with Session(story.database.engine) as session:
        merged = session.get_one(Complaint, story.id).merged_into_id is not None
    if merged:
        part(story, at)


def live(story: Story, other: Story, life: random.Random) -> list[str]:
    """What was done, for whoever reads of a failure. What the state of the complaint forbids is not done."""
    at, done = MONDAY, []
    steps: dict[str, Any] = {
        "tag": lambda: tagged(story, at, "urgent"),
        "untag": lambda: tagged(story, at, "urgent", off=True),
        "inbound": lambda: story.write("inbound", at),
        "reply": lambda: story.write("public_reply", at),
        "ask": lambda: story.act("ask_customer", at, message="Which?"),
        "ask others": lambda: story.act("ask_third_party", at, note="Asked."),
        "resume": lambda: story.act("resume", at),
        "acknowledge": lambda: story.act("acknowledge", at, channel="PHONE"),
        "triage": lambda: story.triage(at, life.choice(SEVERITIES)),
        "withdraw": lambda: story.act("withdraw", at, reason="It came."),
        "reopen": lambda: story.act("reopen", at, reason="It did not."),
        "convert": lambda: story.act("convert", at, record_type="inquiry", reason="A question."),
        "convert back": lambda: story.act("convert", at, record_type="complaint", reason="It is one."),
        "join": lambda: join(other, story, at),
        "part": lambda: undo(other, at),
        "away": lambda: join(story, other, at),
        "back": lambda: undo(story, at),
    }
    for _ in range(STEPS):
        at += timedelta(minutes=life.choice((0, 7, 45, 200, 1500)))
        name = life.choice(list(steps))
        try:
            steps[name]()
        except DomainError:
            continue
        done.append(f"{name} at {at:%a %H:%M}")
    return done


def rows(database: Database) -> dict[str, Any]:
    with Session(database.engine) as session:
        clocks = session.execute(select(Clock.__table__)).mappings()
        dues = session.execute(select(Complaint.id, Complaint.next_due_at)).mappings()
        told = {f"{row['kind']} {row['round']} {row['id']}": dict(row) for row in clocks}
        return told | {f"complaint {row['id']}": dict(row) for row in dues}


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Row -> field -> [before, after]."""
    told = {name: kernel.differences(before.get(name, {}), after.get(name, {})) for name in {**before, **after}}
    return {name: changed for name, changed in told.items() if changed}


@pytest.mark.parametrize(
    "number", [*range(LIVES), *(pytest.param(number, marks=pytest.mark.fire) for number in range(LIVES, MANY))]
)
def test_looking_again_changes_nothing(database: Database, number: int) -> None:
    life = random.Random(number)  # a life, no secret
    story, other = Story(database, MONDAY), Story(database, MONDAY + timedelta(minutes=life.choice((0, 90))))
    done = live(story, other, life)
    assert wrong(database) == [], done
    before = rows(database)
    for each in (story, other):
        with database.unit_of_work(SYSTEM, now=MONDAY) as uow:  # so long ago that nothing new is due
            complaint = uow.session.get_one(Complaint, each.id, with_for_update=True)
            uow.know_stream(complaint)
            revise(uow, complaint)
    assert differences(before, rows(database)) == {}, done
