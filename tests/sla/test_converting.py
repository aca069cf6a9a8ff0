"""What becomes of promises when a complaint turns out to be none, and then one after all.

How it can fail: what was broken before stays ended, so that an overdue complaint has no due time and its decision keeps nothing late;
what was kept is owed again; rungs that follow a breach are lost, or ring twice; a question that was answered meanwhile waits again.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.kernel.unit_of_work import Database
from tests.sla.climbing import ring
from tests.sla.watching import MONDAY, Story, join, part, promise, violations, wrong

HOUR: Final = timedelta(hours=1)


def _there_and_back(story: Story, at: timedelta) -> None:
    story.act("convert", MONDAY + at, record_type="inquiry", reason="A question.")
    story.act("convert", MONDAY + at + HOUR, record_type="complaint", reason="It is one.")


def test_what_was_broken_is_open_and_broken_again(database: Database) -> None:
    promise(database, S3={"resolve": (60, "minutes"), "acknowledge": (60, "minutes")})
    story = Story(database)
    story.act("acknowledge", MONDAY + HOUR / 2, channel="PHONE")
    _there_and_back(story, 2 * HOUR)
    (clock,), (kept,) = story.clocks("resolve"), story.clocks("acknowledge")
    assert (clock.state, clock.stopped_at, clock.due_at) == ("breached", None, MONDAY + HOUR)
    assert kept.state == "met"
    with Session(database.engine) as session:
        assert session.get_one(Complaint, story.id).next_due_at == MONDAY + HOUR
    assert wrong(database) == []
    story.act("withdraw", MONDAY + 4 * HOUR, reason="It came.")
    (clock,) = story.clocks("resolve")
    assert (clock.state, clock.stopped_at) == ("breached", MONDAY + 4 * HOUR)
    with Session(database.engine) as session:
        assert session.get_one(Complaint, story.id).next_due_at == NOTHING_DUE


def test_a_late_answer_stops_it(database: Database) -> None:
    promise(database, S3={"first_response": (60, "minutes")})
    story = Story(database)
    _there_and_back(story, 2 * HOUR)
    story.write("public_reply", MONDAY + 4 * HOUR)
    (clock,) = story.clocks("first_response")
    assert (clock.state, clock.stopped_at, clock.elapsed_seconds) == ("breached", MONDAY + 4 * HOUR, 4 * 3600)
    assert wrong(database) == []


def test_a_question_that_waits(database: Database) -> None:
    promise(database, S3={"next_response": (60, "minutes")})
    story = Story(database)
    story.write("inbound", MONDAY)
    _there_and_back(story, 2 * HOUR)
    (clock,) = story.clocks("next_response")
    assert (clock.state, clock.stopped_at) == ("breached", None)
    story.write("public_reply", MONDAY + 4 * HOUR)
    (clock,) = story.clocks("next_response")
    assert (clock.stopped_at, clock.elapsed_seconds) == (MONDAY + 4 * HOUR, 4 * 3600)


def test_the_breach_is_said_once(database: Database) -> None:
    promise(database, S3={"resolve": (60, "minutes")})
    story = Story(database)
    ring(story, MONDAY + 2 * HOUR)
    _there_and_back(story, 2 * HOUR)
    ring(story, MONDAY + 5 * HOUR)
    with Session(database.engine) as session:
        rows = session.execute(
            text("SELECT count(*) FROM event WHERE type = 'sla.breached' AND stream_id = :id"), {"id": story.id}
        )
        assert rows.scalar_one() == 1


def test_who_asked_in_an_inquiry_asks_in_the_complaint_that_it_is_merged_into(database: Database) -> None:
    promise(database, S3={"next_response": (240, "minutes")})
    source, survivor = Story(database), Story(database)
    asked = source.write("inbound", MONDAY + HOUR)
    source.act("convert", MONDAY + 2 * HOUR, record_type="inquiry", reason="A question.")
    join(source, survivor, MONDAY + 3 * HOUR)
    (clock,) = survivor.clocks("next_response")
    assert (clock.state, clock.subject_id, clock.started_at) == ("running", asked, MONDAY + HOUR)
    part(source, MONDAY + 4 * HOUR)
    (clock,) = survivor.clocks("next_response")
    assert clock.state == "cancelled"
    assert wrong(database) == []


def test_verify_sees_one_that_stayed_ended(database: Database) -> None:
    """As a release left it that did not let broken promises count on."""
    promise(database, S3={"resolve": (60, "minutes")})
    story = Story(database)
    _there_and_back(story, 2 * HOUR)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE sla_clock SET stopped_at = now() WHERE complaint_id = :id"), {"id": story.id})
    assert any("is owed by" in item for item in violations(database))
