from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merges.acting import Complaint
from tests.complaints.merging import (
    new,
)
from tests.conftest import Caller, Join, make_team


@pytest.fixture
def two(senior: Caller, team: UUID) -> tuple[Complaint, Complaint]:
    """A duplicate, and the one that goes on: of one person."""
    return new(senior, team), new(senior, team)


@pytest.fixture
def theirs(join: Join, database: Database) -> Complaint:
    """Another team's complaint."""
    elsewhere = make_team(database, "Elsewhere")
    return new(join("agent", team_ids=[elsewhere]), elsewhere)
