"""What `helpdesk verify taxonomy` finds.

How it can fail: it finds something in a system that is sound, after edits too, or nothing in one that is not.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.conftest import Caller
from tests.taxonomy.helpers import add, change, retire


def found(database: Database) -> list[tuple[str, str]]:
    return [(violation.check, violation.subject) for violation in violations(database, ["taxonomy"])]


def test_nothing_in_a_sound_system(manager: Caller, database: Database, complaint: dict[str, Any]) -> None:
    assert found(database) == []
    add(manager, "channel", "TELEX")
    change(manager, "channel", "FAX", {"labels": {"en": "telefax"}, "position": 1})
    retire(manager, "issue", "DEL.LATE")
    assert found(database) == []


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (
            ["UPDATE taxonomy_term SET labels = '{\"en\": \"x\"}' WHERE code = 'FAX'"],
            [("taxonomy.newest_is_whole", "taxonomy version 2")],
        ),
        (["DELETE FROM taxonomy_version WHERE version = 1"], [("taxonomy.versions_follow", "taxonomy version 2")]),
        (
            ["UPDATE complaint SET channel = 'PIGEON'", "UPDATE complaint_issue SET issue = 'DEL.NOWHERE'"],
            [("taxonomy.codes_are_known", "complaint"), ("taxonomy.codes_are_known", "complaint")],
        ),
    ],
)
def test_damage(
    manager: Caller, database: Database, complaint: dict[str, Any], damage: Sequence[str], wrong: list[tuple[str, str]]
) -> None:
    add(manager, "channel", "TELEX")
    with database.engine.begin() as connection:
        for statement in damage:
            connection.execute(text(statement))
    told = [(check, "complaint" if subject.startswith("complaint") else subject) for check, subject in found(database)]
    assert told == wrong
