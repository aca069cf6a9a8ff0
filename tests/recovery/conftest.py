import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, make_team
from tests.recovery.helpers import (
    open_budget,
)


@pytest.fixture
def budget(manager: Caller) -> str:
    return open_budget(manager)


@pytest.fixture
def stranger(join: Join, database: Database) -> Caller:
    """An agent of another team, who sees none of this."""
    return join("agent", team_ids=[make_team(database, "Elsewhere")])


@pytest.fixture
def director(join: Join) -> Caller:
    return join("director")


@pytest.fixture
def auditor(join: Join) -> Caller:
    return join("auditor")
