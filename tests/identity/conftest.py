from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from helpdesk.identity import passwords
from tests.identity import doors


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
