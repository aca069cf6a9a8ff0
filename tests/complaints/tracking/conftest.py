"""A complaint with its secret, its complainant, and what the mail server would have been given."""

from typing import Any

import pytest

from helpdesk.wiring import Program
from tests.complaints.tracking.complainants import Complainant, Post, new
from tests.conftest import Caller


@pytest.fixture
def shown(agent: Caller) -> dict[str, Any]:
    return new(agent)


@pytest.fixture
def li_wei(anonymous: Caller, shown: dict[str, Any]) -> Complainant:
    return Complainant(anonymous, shown)


@pytest.fixture
def post(program: Program) -> Post:
    return Post(program)
