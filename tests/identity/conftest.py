from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity import oidc_knowledge, passwords
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller
from tests.identity import doors
from tests.identity.believing import believe
from tests.identity.doors import Browser, Member, execute
from tests.identity.providers import Lying


@pytest.fixture(autouse=True, scope="session")
def cheap_hashes() -> Iterator[None]:
    """The same hashes with the smallest parameters: the real ones cost on purpose, and `test_passwords` is about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobodys.cache_clear()
        doors.known_hash.cache_clear()
        yield
    passwords._nobodys.cache_clear()
    doors.known_hash.cache_clear()


@pytest.fixture
def lying(engine: Engine, admin: Caller) -> Iterator[Lying]:
    """A provider that is believed."""
    oidc_knowledge.forget_providers()
    found = Lying()
    with engine.connect() as connection:
        found.now = int(connection.execute(text("SELECT extract(epoch FROM now())::bigint")).scalar_one())
    found.start()
    found.id = believe(admin, found.issuer)
    yield found
    found.stop()


@pytest.fixture
def member(database: Database) -> Member:
    return Member(database)


@pytest.fixture
def ana(database: Database, engine: Engine) -> Member:
    found = Member(database, password=False)
    execute(engine, "UPDATE agent SET email = 'Ana@Example.com' WHERE id = :id", id=found.id)
    return found


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)
