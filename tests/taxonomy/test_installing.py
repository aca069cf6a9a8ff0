"""What comes with the program.

How it can fail: done twice, or by two processes at once, it doubles or fails; a new version of the program undoes what the
operator changed, brings back what they retired, or does not bring what is new.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.taxonomy import installing
from helpdesk.taxonomy.installing import install_taxonomy
from helpdesk.taxonomy.terms import shipped_terms
from helpdesk.wiring import Program, install_shipped
from tests.conftest import Caller
from tests.racing import at_once
from tests.taxonomy.helpers import add, change, retire, term


def install(program: Program) -> bool:
    with program.database.unit_of_work(SYSTEM) as uow:
        return install_taxonomy(uow)


def test_twice_is_once(program: Program, admin: Caller) -> None:
    assert install(program) is False
    assert admin.get("/taxonomy").json["version"] == 1


def test_by_two_at_once_into_an_empty_system(program: Program, engine: Engine, admin: Caller) -> None:
    with engine.begin() as connection:
        for table in ("code_map", "taxonomy_version", "taxonomy_term", "taxonomy_severity"):
            connection.execute(text(f"DELETE FROM {table}"))

    def installed() -> None:
        with program.database.unit_of_work(SYSTEM) as uow:
            install_shipped(uow)

    at_once(installed, installed)
    assert install(program) is False
    assert len(admin.get("/taxonomy").json["channels"]) == 21
    assert admin.get("/taxonomy/terms?count=true&limit=1").json["total"] == len(list(shipped_terms()))


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ships a channel and an issue more, and other labels for what there is."""

    def terms() -> Iterator[dict[str, Any]]:
        for item in shipped_terms():
            yield item | {"labels": {"en": f"{item['labels']['en']} (new)"}}
        yield {"kind": "channel", "code": "VIDEO", "labels": {"en": "video call", "zh": "视频"}, "traits": {}}
        yield {"kind": "issue", "code": "DEL.DRONE", "labels": {"en": "dropped", "zh": "坠落"}, "traits": {}}

    monkeypatch.setattr(installing, "shipped_terms", terms)


def test_a_release_adds_what_is_new_over_what_the_operator_changed(
    next_release: None, program: Program, manager: Caller, admin: Caller
) -> None:
    change(manager, "channel", "FAX", {"labels": {"en": "telefax"}, "position": 1})
    retire(manager, "channel", "IOT")
    add(manager, "channel", "TELEX")
    severity = {name: value for name, value in manager.get("/taxonomy/severity").json.items() if name != "version"}
    manager.put("/taxonomy/severity", severity | {"burst": None}, if_match='"v1"')
    assert install(program) is True
    assert install(program) is False
    found = admin.get("/taxonomy?retired=true").json
    assert found["version"] == 6
    channels = {item["code"]: (item["label"], item["retired"]) for item in found["channels"]}
    assert channels["FAX"] == ("telefax", False)
    assert channels["IOT"][1] is True
    assert channels["VIDEO"] == ("video call", False)
    assert channels["PHONE"] == ("phone", False)
    assert list(channels)[-2:] == ["TELEX", "VIDEO"]
    assert found["severity"]["burst"] is None
    act = admin.get("/audit-log?type=taxonomy.shipped").json["items"][0]
    assert act["payload"]["codes"] == {"channel": ["VIDEO"], "issue": ["DEL.DRONE"]}
    assert act["actor_kind"] == "system"


def test_a_code_that_the_operator_had_first_stays_theirs(next_release: None, program: Program, manager: Caller) -> None:
    add(manager, "channel", "VIDEO", labels={"en": "our own"})
    assert install(program) is True
    assert term(manager, "channel", "VIDEO")["labels"] == {"en": "our own"}
