from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import Caller
from tests.recovery.helpers import offered
from tests.recovery.offer_page.visiting import Visit, opened
from tests.recovery.test_options import several


@pytest.fixture(autouse=True)
def _money(budget: str) -> None:
    pass


@pytest.fixture
def client(anonymous: Caller) -> FlaskClient:
    return anonymous.client


@pytest.fixture
def offer(agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    return offered(agent, complaint)


@pytest.fixture
def visit(client: FlaskClient, offer: dict[str, Any]) -> Visit:
    return opened(client, offer)


@pytest.fixture
def choice(client: FlaskClient, agent: Caller, complaint: dict[str, Any]) -> Visit:
    return opened(client, offered(agent, complaint, several()))
