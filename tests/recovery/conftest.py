from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program, assemble
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.kernel.test_mail import Post, Server
from tests.recovery.helpers import accepted, issued, new, open_budget
from tests.recovery.lending import Crew
from tests.recovery.providing import call_back, refund, register, said, work
from tests.recovery.redeeming import IN_PARTS, shop
from tests.recovery.reference_provider import ReferenceProvider, running
from tests.recovery.reviewing import set_rules


@pytest.fixture
def budget(manager: Caller) -> str:
    return open_budget(manager)


@pytest.fixture
def till(admin: Caller) -> Caller:
    return shop(admin, "A shop")


@pytest.fixture
def parts(program: Program, agent: Caller, complaint: dict[str, Any]) -> str:
    """The code of a voucher that may be used in parts, of 30 EUR."""
    return str(issued(program, agent, complaint, IN_PARTS)["issued_reference"])


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


@pytest.fixture
def second(manager: Caller, budget: str) -> str:
    return open_budget(manager, "50.00", name="Second", ends_on="2999-12-30")


@pytest.fixture
def crew(database: Database, team: UUID, join: Join, manager: Caller, admin: Caller) -> Crew:
    open_budget(manager, "90000.00")
    return Crew(database, team, join, join("agent"), join("senior"), manager, join("director"), admin)


@pytest.fixture
def reference_provider() -> Iterator[ReferenceProvider]:
    """A provider that nobody asks until it is `registered`."""
    with running(ReferenceProvider("")) as found:
        yield found


@pytest.fixture
def registered(admin: Caller, reference_provider: ReferenceProvider) -> dict[str, Any]:
    return register(admin, reference_provider)


@pytest.fixture
def provider(reference_provider: ReferenceProvider, registered: dict[str, Any]) -> ReferenceProvider:
    """One that is asked."""
    return reference_provider


@pytest.fixture
def silent(agent: Caller, team: UUID) -> dict[str, Any]:
    """A complaint of somebody without an address, in Chinese."""
    person = {"name": "<b>李伟</b> & Co", "language": "zh-CN"}
    return dict(agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def mailing(settings: Settings, post: Post) -> Iterator[Program]:
    server = Server(post, hostname="127.0.0.1", port=0)
    server.start()
    program = assemble(replace(settings, smtp_url=f"smtp://127.0.0.1:{server.port}"))
    yield program
    program.engine.dispose()
    server.stop()


@pytest.fixture
def again(agent: Caller, manager: Caller, budget: str, team: UUID) -> dict[str, Any]:
    """The second complaint in the same words, where a score of 20 is looked at."""
    set_rules(manager, threshold=20)
    new(agent, team)
    return new(agent, team)


@pytest.fixture
def pending(
    program: Program, agent: Caller, complaint: dict[str, Any], registered: dict[str, Any], provider: ReferenceProvider
) -> dict[str, Any]:
    offer = accepted(agent, complaint, refund())
    provider.plan = ["pending"]
    work(program)
    return offer


@pytest.fixture
def failed(anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]) -> dict[str, Any]:
    assert call_back(anonymous, registered, said(pending, "failed")).json == {"state": "refused", "contradicts": False}
    return pending
