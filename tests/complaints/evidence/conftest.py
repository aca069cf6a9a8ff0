"""A complaint that a pack has everything to tell of."""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.wiring import Program
from tests.complaints.attachments.sending import sent
from tests.complaints.evidence.packing import HOSTILE
from tests.complaints.steps import GOOD, LETTER
from tests.conftest import Caller, complaint_body
from tests.kernel.test_sniffing import PDF, PNG
from tests.recovery import helpers


@pytest.fixture
def story(program: Program, agent: Caller, manager: Caller, team: UUID) -> dict[str, Any]:
    """A complaint with something of everything that goes into a pack."""
    helpers.open_budget(manager)
    body = complaint_body(team_id=str(team), subject=HOSTILE, needs=[{"flag": "hearing", "consent": True}])
    complaint: dict[str, Any] = agent.post("/complaints", body).json
    path = f"/complaints/{complaint['reference']}"
    for action in ("acknowledge", "triage", "investigate"):
        assert agent.post(f"{path}/actions/{action}", GOOD[action]).status_code == 200
    assert agent.post(f"{path}/messages", {"kind": "internal_note", "body": HOSTILE}).status_code == 201
    helpers.offered(agent, complaint, helpers.voucher("40.00"))
    letter = LETTER | {"finding": HOSTILE}
    answer = agent.post(f"{path}/actions/resolve", GOOD["resolve"] | {"letter": letter, "remedy": {}})
    assert answer.status_code == 200, answer.text
    sent(agent, complaint, PDF, name="Invoice.pdf")
    sent(agent, complaint, PNG, name="../../发票.png")
    return complaint
