"""The guard against loops, and crashes in the middle.

How it can fail: two triggers set each other off for ever, or one itself; the chain of causes is lost between transactions,
between processes, or forged by a caller's own request id; a loop through something outside has no end; what was stopped is
nowhere to be seen; a bound keeps what is no loop from happening; a worker that is killed between two steps leaves half of
them, or has them done twice.
"""

import os
import subprocess
import sys
from collections import Counter
from uuid import UUID

import pytest

from helpdesk.automation import firing
from helpdesk.automation.guard import MAX_DEPTH, MOST_AN_HOUR, Cause
from helpdesk.automation.happenings import firing_of, request_id_of
from helpdesk.automation.subscribers import TOPIC
from helpdesk.kernel import faults
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.automation.rules import (
    ESCALATE,
    NOTE,
    arrive,
    firings,
    of,
    outcomes,
    react,
    shown,
    story,
    tag,
    trigger,
    untag,
)
from tests.complaints.merging import merge
from tests.conftest import Caller
from tests.recovery import helpers

ON: dict[str, object] = of("tags", "contains", "on")


class TestLoops:
    def test_two_that_flip_a_tag_for_ever(self, manager: Caller, program: Program) -> None:
        puts = trigger(
            manager, "complaint.received", "complaint.tagged", condition={"not": ON}, actions=[tag("on")], name="on"
        )
        takes = trigger(manager, "complaint.tagged", condition=ON, actions=[untag("on")], name="off")
        complaint = arrive(manager)
        react(program)
        found = sorted([*firings(manager, puts), *firings(manager, takes)], key=lambda item: str(item["id"]))
        done = [item for item in found if item["outcome"] == "done"]
        assert [item["depth"] for item in done] == list(range(1, MAX_DEPTH + 1))
        assert [item["trigger_name"] for item in done] == ["on", "off", "on", "off", "on"]
        assert done[-1]["chain"] == [puts["id"], takes["id"], puts["id"], takes["id"]]
        (stopped,) = [item for item in found if item["reason"] == "too_deep"]
        assert (stopped["outcome"], stopped["depth"]) == ("stopped", MAX_DEPTH + 1)
        assert stopped["trigger_id"] == takes["id"]
        assert [item["outcome"] for item in stopped["actions"]] == ["not_tried"]
        assert shown(manager, complaint)["tags"] == ["on"]
        assert len(story(manager, complaint, "automation.fired")) == MAX_DEPTH
        told = manager.get(f"/complaints/{complaint['reference']}/automation?outcome=stopped").json["items"]
        assert stopped["id"] in [item["id"] for item in told]
        assert {item["reason"] for item in told} == {"too_deep", "own_change"}
        assert [manager.get(f"/triggers/{made['id']}").json["failures"] for made in (puts, takes)] == [0, 0]

    def test_one_that_answers_to_itself(self, manager: Caller, program: Program) -> None:
        made = trigger(manager, "complaint.escalated", actions=[{"step": "escalate", "given": {"reason": "Higher."}}])
        meant = trigger(
            manager,
            "complaint.message_added",
            condition=of("event.message_kind", "is", "internal_note"),
            actions=[NOTE],
            own_changes=True,
        )
        complaint = arrive(manager)
        path = f"/complaints/{complaint['reference']}"
        manager.post(f"{path}/actions/escalate", {"reason": "A director wrote."})
        react(program)
        assert outcomes(manager, made) == [("done", None), ("stopped", "own_change")]
        assert shown(manager, complaint)["escalation_level"] == 2
        manager.post(f"{path}/messages", {"kind": "internal_note", "body": "They call back."})
        react(program)
        assert outcomes(manager, meant) == [("done", None)] * MAX_DEPTH + [("stopped", "too_deep")]

    def test_so_often_an_hour_and_on_one_complaint(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager, "complaint.edited", actions=[NOTE])
        first, second = arrive(manager), arrive(manager)
        for number in range(MOST_AN_HOUR + 2):
            manager.patch(f"/complaints/{first['reference']}", {"subject": f"Subject {number}"}, if_match="*")
        manager.patch(f"/complaints/{second['reference']}", {"subject": "Other"}, if_match="*")
        react(program)
        counts = Counter((item["reference"], item["outcome"], item["reason"]) for item in firings(manager, made))
        assert counts == {
            (first["reference"], "done", None): MOST_AN_HOUR,
            (first["reference"], "stopped", "too_often"): 2,
            (second["reference"], "done", None): 1,
        }
        helpers.execute(database, "UPDATE automation_firing SET at = now() - interval '61 minutes'")
        manager.patch(f"/complaints/{first['reference']}", {"subject": "An hour later"}, if_match="*")
        react(program)
        assert outcomes(manager, made)[-1] == ("done", None)

    def test_a_complaint_that_goes_on_in_another_is_left_alone(self, manager: Caller, program: Program) -> None:
        """Nor is a trigger paused for it; what only tells is told."""
        tell = {"step": "notify", "given": {"agent_ids": [str(manager.id)], "text": "Merged."}}
        made = trigger(manager, "complaint.merged", actions=[tag("merged")])
        tells = trigger(manager, "complaint.merged", actions=[tell])
        source, survivor = arrive(manager), arrive(manager)
        merge(manager, source, survivor)
        react(program)
        assert outcomes(manager, made) == [("stopped", "complaint_merged")]
        assert outcomes(manager, tells) == [("done", None)]
        assert shown(manager, source)["tags"] == []
        assert manager.get(f"/triggers/{made['id']}").json["failures"] == 0

    def test_what_a_person_does_next_is_no_loop(self, manager: Caller, program: Program) -> None:
        made = trigger(manager, "complaint.tagged", condition=ON, actions=[untag("on")])
        complaint = arrive(manager)
        for _ in range(3):
            manager.post(f"/complaints/{complaint['reference']}/tags", {"tags": ["on"]})
            react(program)
        assert outcomes(manager, made) == [("done", None)] * 3
        assert {item["depth"] for item in firings(manager, made)} == {1}

    def test_nobody_forges_a_cause(self, manager: Caller, program: Program, database: Database) -> None:
        """A caller names its request as it likes: that of a firing that is not there means nothing, nor that of one that was
        at another time.
        """
        made = trigger(manager, "complaint.tagged", actions=[NOTE])
        complaint = arrive(manager)
        forged = request_id_of(new_id())
        manager.post(f"/complaints/{complaint['reference']}/tags", {"tags": ["a"]}, x_request_id=forged)
        react(program)
        (first,) = firings(manager, made)
        manager.post(
            f"/complaints/{complaint['reference']}/tags",
            {"tags": ["b"]},
            x_request_id=request_id_of(UUID(first["id"])),
        )
        react(program)
        assert [(item["outcome"], item["depth"]) for item in firings(manager, made)] == [("done", 1), ("done", 1)]
        named = "SELECT count(*) FROM event WHERE type = 'complaint.tagged' AND request_id LIKE 'automation-%'"
        assert helpers.scalar(database, named) == 2, "it is the name that the log has"

    def test_the_id_of_a_request(self) -> None:
        firing_id = new_id()
        assert firing_of(request_id_of(firing_id)) == firing_id
        for other in (None, "", "automation-", "automation-x", str(firing_id)):
            assert firing_of(other) is None

    @pytest.mark.parametrize(
        ("depth", "own", "recent", "allowed", "found"),
        [
            (0, False, 0, False, None),
            (MAX_DEPTH - 1, False, MOST_AN_HOUR - 1, False, None),
            (MAX_DEPTH, False, 0, False, "too_deep"),
            (MAX_DEPTH, False, 0, True, "too_deep"),
            (1, True, 0, False, "own_change"),
            (1, True, 0, True, None),
            (1, True, MOST_AN_HOUR, True, "too_often"),
        ],
    )
    def test_every_bound(self, depth: int, own: bool, recent: int, allowed: bool, found: str | None) -> None:
        one, other = UUID(int=1), UUID(int=2)
        cause = Cause(depth=depth, chain=(other, one if own else other))
        assert cause.stops(one, own_changes=allowed, recent=recent) == found


WORKER = (
    "import sys; from uuid import UUID; from helpdesk.kernel.settings import Settings; from helpdesk.wiring import assemble;"
    "program = assemble(Settings(database_url=sys.argv[1], secret_key='x' * 40));"
    "program.performer.perform([UUID(sys.argv[2])])"
)


class TestKilled:
    @pytest.mark.parametrize("point", firing.FAULT_POINTS)
    def test_between_steps(self, manager: Caller, program: Program, database: Database, point: str) -> None:
        """A process of its own dies there; whoever is rung for the duty next goes on."""
        first = trigger(manager, actions=[ESCALATE, tag("a")], stop_after=False)
        second = trigger(manager, actions=[tag("b")])
        complaint = arrive(manager)
        (duty_id,) = helpers.duties(database, TOPIC)
        died = subprocess.run(
            [sys.executable, "-c", WORKER, str(program.settings.database_url), str(duty_id)],
            env={**os.environ, faults.VARIABLE: point},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert died.returncode == faults.EXIT_STATUS, died.stderr.decode()[-2000:]
        after = shown(manager, complaint)
        committed = point == firing.FIRED
        assert (after["escalation_level"], after["tags"]) == ((1, ["a"]) if committed else (0, []))
        assert len(firings(manager, first)) == int(committed)
        assert helpers.duties(database, TOPIC) == [duty_id]
        react(program)
        after = shown(manager, complaint)
        assert (after["escalation_level"], after["tags"]) == (1, ["a", "b"])
        assert (outcomes(manager, first), outcomes(manager, second)) == ([("done", None)], [("done", None)])
        assert len(story(manager, complaint, "automation.fired")) == 2
        assert list(violations(database, ["chain", "complaints"])) == []
