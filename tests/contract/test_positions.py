"""What is made without a position stands at the end, also where the last one has the largest position that is documented.

How it can fail: the next position is beyond what a column can hold, or beyond what its own schema would take back.
"""

from typing import Any

import pytest

from tests.automation.rules import trigger
from tests.complaints.routes import rule
from tests.conftest import Caller
from tests.contract.document import committed
from tests.sla.test_policies import made


def playbook(caller: Caller, **given: Any) -> dict[str, Any]:
    answer = caller.post("/playbooks", given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def policy(caller: Caller, name: str, **given: Any) -> dict[str, Any]:
    return made(caller, name, **given)


@pytest.mark.parametrize(
    ("path", "schema", "make"),
    [
        ("/playbooks", "PlaybookIn", playbook),
        ("/sla/policies", "PolicyIn", policy),
        ("/triggers", "TriggerIn", trigger),
        ("/routing/rules", "RoutingRuleIn", rule),
    ],
)
@pytest.mark.parametrize("left", [0, 6, 10])
def test_there_is_room_behind_the_last_one(manager: Caller, path: str, schema: str, make: Any, left: int) -> None:
    most = committed()["components"]["schemas"][schema]["properties"]["position"]["maximum"]
    assert make(manager, name="Last so far", position=most - left)["position"] == most - left
    names = ["One", "Two", "Three"]
    assert [make(manager, name=name)["position"] for name in names] == [most] * 3
    listed = [item["name"] for item in manager.get(path).json["items"] if item["position"] is not None]
    assert [name for name in listed if name.lower() != "default"] == ["Last so far", *names]
