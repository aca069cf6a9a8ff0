"""The long contract tests run with the fault tests (`make test-fire`) until the default suite has room for them."""

from pathlib import Path

import pytest

LONG = frozenset({"test_fuzz.py", "test_hostile.py", "test_aftermath.py", "test_generated_client.py"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).name in LONG:
            item.add_marker(pytest.mark.fire)
