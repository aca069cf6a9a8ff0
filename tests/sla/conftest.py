from datetime import timedelta
from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.sla.editing import Now
from tests.sla.watching import MONDAY


@pytest.fixture
def tuesday(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day after complaints of these tests come in: whatever is done from now on is done then, unless `with_time` says another."""
    real = Database.unit_of_work
    Now.at = MONDAY + timedelta(days=1)

    def then(self: Database, actor: Any, **more: Any) -> Any:
        return real(self, actor, **{**more, "now": more.get("now") or Now.at})

    monkeypatch.setattr(Database, "unit_of_work", then)
