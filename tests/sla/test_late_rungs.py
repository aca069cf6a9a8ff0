"""Rungs that ring late, in the very act that brings their clock under other terms: what each of them owed is done or dropped, and says so.

How it can fail: the act leaves the clock a ladder that has no such rung, so that its alarm stands there with no action; or one that has
another at the same place, which is done in its stead; a rung that is past by the new terms too is dropped, one that is ahead is done.
"""

from typing import Any, Final

import pytest

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import escalating, policies, policies_in_force
from helpdesk.sla.ladder_schemas import read_ladder
from helpdesk.sla.revising import revise
from tests.sla.climbing import actions, after, complaint_of, ring, rung, said, set_ladder
from tests.sla.editing import default_policy
from tests.sla.watching import Story, change_policy, make_policy, tagged, when, wrong

CALL: Final[dict[str, Any]] = {"step": "raise_event", "given": {"name": "crm.call", "data": {}}}
LATE: Final = (rung("10%", "raise_level"), rung("15%", CALL))
DONE: Final = [("10%", "raise_level", "done", None), ("15%", "raise_event", "done", None)]
DROPPED: Final = [("10%", "raise_level", "dropped", "counted_anew"), ("15%", "raise_event", "dropped", "counted_anew")]


def urgent(database: Database, minutes: int, *rungs: dict[str, Any]) -> None:
    """Another policy, for those with the tag."""
    targets = {"S3": {"acknowledge": [minutes, "minutes"]}}
    ladder = read_ladder(list(rungs))
    make_policy(
        database, "Urgent", condition=when("tags", "urgent", "contains"), targets=targets, ladder=ladder, position=1
    )


class TestAnotherPolicy:
    @pytest.mark.parametrize(
        ("minutes", "expected"),
        [
            pytest.param(2400, DROPPED, id="gives more time: both are ahead again"),
            pytest.param(480, [DONE[0], DROPPED[1]], id="gives more time: one is ahead again"),
            pytest.param(240, DONE, id="promises the same"),
            pytest.param(120, DONE, id="gives less time"),
            pytest.param(30, DONE, id="gives so little that it is broken"),
        ],
    )
    @pytest.mark.parametrize("ladder", [(), (rung("10%", CALL, CALL), rung("20%", CALL))])
    def test_by_a_fact(
        self, database: Database, minutes: int, expected: list[Any], ladder: tuple[dict[str, Any], ...]
    ) -> None:
        set_ladder(database, *LATE)
        urgent(database, minutes, *ladder)
        story = Story(database)
        tagged(story, after(hours=1), "urgent")
        escalating.escalate(database, story.id)
        assert story.clock("acknowledge").target_amount == minutes
        mine = [each for each in actions(story) if each[0] in {"10%", "15%"}]
        assert mine == expected
        assert said(story, "sla.warned") == ["sla.warned"] * 2
        assert complaint_of(story).escalation_level == (expected[0] == DONE[0])
        assert wrong(database) == []

    def test_that_promises_nothing(self, database: Database) -> None:
        set_ladder(database, *LATE)
        make_policy(database, "None", condition=when("tags", "urgent", "contains"), targets={}, position=1)
        story = Story(database)
        tagged(story, after(hours=1), "urgent")
        assert [each[2:] for each in actions(story)] == [("dropped", "cancelled")] * 2

    def test_the_rung_that_it_has_there_rings_in_its_own_time(self, database: Database) -> None:
        set_ladder(database, *LATE)
        urgent(database, 480, rung("15%", "raise_level", CALL))
        story = Story(database)
        tagged(story, after(hours=1), "urgent")
        ring(story, after(hours=1, minutes=12))
        escalating.escalate(database, story.id)
        assert sorted(actions(story)) == sorted(
            [
                DONE[0],
                DROPPED[1],
                ("15%", "raise_level", "done", None),
                ("15%", "raise_event", "done", None),
            ]
        )


class TestAnotherSeverity:
    def test_whose_target_has_a_ladder_of_its_own(self, database: Database) -> None:
        set_ladder(database, *LATE)
        target = {"amount": 240, "unit": "minutes"}
        bare = {"acknowledge": {**target, "ladder": []}}
        with database.unit_of_work(SYSTEM) as uow:
            policy = uow.session.merge(default_policy(database))
            policies.change(uow, policy, {"targets": {"S3": {"acknowledge": target}, "S4": bare}})
        story = Story(database)
        story.act("set_severity", after(hours=1), severity="S4", reason="It is milder.")
        escalating.escalate(database, story.id)
        assert actions(story) == DONE


class TestEdit:
    def test_of_the_ladder_that_its_clock_goes_by(self, database: Database) -> None:
        """What rang is the rung of the version that was in force when it was due; what is ahead goes by the new one."""
        set_ladder(database, *LATE, rung("75%", "raise_level"))
        story = Story(database)
        ladder = read_ladder([rung("10%", CALL, CALL), rung("75%", CALL)])
        change_policy(database, default_policy(database).id, ladder=ladder)
        with database.unit_of_work(SYSTEM, now=after(hours=1)) as uow:
            complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
            uow.know_stream(complaint)
            revise(uow, complaint, edited=policies_in_force.as_written(uow.session))
        escalating.escalate(database, story.id)
        assert actions(story) == DONE
        ring(story, after(hours=3))
        assert actions(story)[2:] == [("75%", "raise_event", "owed", None)]
