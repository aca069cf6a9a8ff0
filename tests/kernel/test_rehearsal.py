"""What would happen, without its happening.

How it can fail: something of it stays (a row, an event, a duty, a counter in memory, a ring of the doorbell); what is
shown is not what would have been; a failure in it leaves the outer unit of work unusable.
"""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import acts, queries, timeline_queries
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import Conflict
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from tests.complaints.steps import GOOD, receive

COUNTED = ("event", "duty", "outbound_mail", "complaint_message", "complaint_transition", "sla_clock")


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in COUNTED}


def ask(uow: UnitOfWork, complaint: Any) -> None:
    acts.act(uow, SYSTEM, complaint, "ask_customer", BODIES["ask_customer"]().load(GOOD["ask_customer"]))


def test_nothing_of_it_stays(database: Database, engine: Engine) -> None:
    complaint_id = receive(database)
    before = counts(engine)
    with database.unit_of_work(SYSTEM) as uow:
        complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
        version, heads = complaint.version, (complaint.event_count, complaint.event_head)
        with uow.rehearsal() as tried:
            ask(tried, complaint)
            tried.finish()
            assert complaint.waiting_on == "customer"
            assert [item.event.type for item in tried.happened] == [
                "complaint.message_added",
                "complaint.customer_asked",
                "sla.paused",
            ]
            paused = uow.session.execute(text("SELECT count(*) FROM sla_clock WHERE state = 'paused'")).scalar_one()
            assert paused > 0
        assert (complaint.version, complaint.waiting_on) == (version, "us")
        assert (complaint.event_count, complaint.event_head) == heads
        assert uow.happened == ()
    assert counts(engine) == before


def test_and_then_it_happens(database: Database, engine: Engine) -> None:
    """On the same row, after it was tried: once, and the chain holds."""
    complaint_id = receive(database)
    with database.unit_of_work(SYSTEM) as uow:
        complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
        for _ in range(2):
            with uow.rehearsal() as tried:
                ask(tried, complaint)
                tried.finish()
        ask(uow, complaint)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM complaint_message")).scalar_one() == 1
    with database.reader() as session:
        row, events = timeline_queries.chain_of(session, SYSTEM, str(complaint_id))
        assert row.event_count == len(events)


def test_what_was_changed_before_is_kept(database: Database) -> None:
    complaint_id = receive(database)
    with database.unit_of_work(SYSTEM) as uow:
        complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
        complaint.subject = "changed before"
        with uow.rehearsal() as tried:
            complaint.subject = "changed within"
            tried.finish()
        assert complaint.subject == "changed before"
    with database.reader() as session:
        assert queries.get_visible(session, SYSTEM, str(complaint_id)).subject == "changed before"


def test_a_refusal_in_it(database: Database, engine: Engine) -> None:
    complaint_id = receive(database)
    before = counts(engine)
    with database.unit_of_work(SYSTEM) as uow:
        complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
        with pytest.raises(Conflict):
            _reopen_in_a_rehearsal(uow, complaint)
        complaint.subject = "still usable"
    assert counts(engine) == before
    with database.reader() as session:
        assert queries.get_visible(session, SYSTEM, str(complaint_id)).subject == "still usable"


def _reopen_in_a_rehearsal(uow: UnitOfWork, complaint: Any) -> None:
    """What is open cannot be."""
    with uow.rehearsal() as tried:
        ask(tried, complaint)
        acts.act(tried, SYSTEM, complaint, "reopen", {"reason": "x"})
