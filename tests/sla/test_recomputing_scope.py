"""Which clocks an edit concerns, of policies and of regulators' rules.

How it can fail: one that it concerns is not looked at, or everything is, for an edit that concerns little.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import (
    recompute_queries,
    recomputing,
    regime_in_force,
    regime_queries,
    regime_settings,
)
from helpdesk.sla.recompute_scope import EVERY, NONE, Scope, of_policy
from tests.sla.editing import (
    worked,
)
from tests.sla.test_transitions import differences
from tests.sla.watching import MONDAY, Story


class TestScope:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, NONE),
            ({"name": "Other"}, NONE),
            ({"active": False}, EVERY),
            ({"position": 20}, EVERY),
            ({"valid_from": "2026-01-01"}, EVERY),
            ({"condition": {"field": "channel", "operator": "is", "value": "PHONE"}}, EVERY),
            ({"targets": {"S3": {"resolve": [9, "minutes"]}}}, Scope(policies=frozenset({UUID(int=1)}))),
            ({"thresholds": [10]}, Scope(policies=frozenset({UUID(int=1)}))),
            ({"targets": {"S3": {}}}, Scope(policies=frozenset({UUID(int=1)}))),
            ({"targets": {"S3": {"resolve": [5, "minutes"], "follow_up": [5, "minutes"]}}}, EVERY),
            ({"tiers": {"key": {"S3": {"resolve": [5, "minutes"]}}}}, EVERY),
            ({"calendar_id": str(UUID(int=2))}, Scope(policies=frozenset({UUID(int=1)}))),
            ({"calendar_id": str(UUID(int=2)), "name": "x"}, Scope(policies=frozenset({UUID(int=1)}))),
        ],
    )
    def test_of_a_policy(self, changed: dict[str, Any], expected: Scope) -> None:
        before = {
            "name": "Usual",
            "active": True,
            "position": 10,
            "valid_from": None,
            "valid_until": None,
            "condition": {"all": []},
            "thresholds": [50],
            "targets": {"S3": {"resolve": [5, "minutes"]}},
            "tiers": {},
            "calendar_id": str(UUID(int=1)),
        }
        assert of_policy(UUID(int=1), before, {**before, **changed}) == expected
        assert of_policy(UUID(int=1), {}, before) == EVERY
        idle = {**before, "active": False}
        assert of_policy(UUID(int=1), idle, {**before, **changed} | {"active": False}) == NONE

    def test_is_read_as_it_is_written(self) -> None:
        scope = Scope(every=True, policies=frozenset({uuid4(), uuid4()}), calendars=frozenset({uuid4()}), choose=True)
        assert Scope.from_json(scope.as_json()) == scope
        assert not NONE

    @pytest.mark.parametrize(
        "scope", [Scope(policies=frozenset({uuid4()})), Scope(calendars=frozenset({uuid4()})), EVERY]
    )
    def test_is_looked_up_by_index(self, database: Database, scope: Scope) -> None:
        with Session(database.engine) as session:
            statement = select(recompute_queries._concerned(scope, UUID(int=5)).c.id)
            compiled = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = "\n".join(session.scalars(text(f"EXPLAIN {compiled}")))
        assert "Seq Scan" not in plan, plan


class TestRegimes:
    def test_a_rule_that_is_switched_on_reaches_open_complaints(self, database: Database) -> None:
        with Session(database.engine) as session:
            rules = regime_in_force.in_force(session).for_complaint("GB", "financial")
            rule = next(each for each in rules if each.clock_start == "complaint_received" and each.off is None)
        self.switch(database, rule.id, on=False)
        story = Story(database, MONDAY, jurisdiction="GB", sector="financial")
        assert rule.id not in story.kinds("running")
        job_id = self.switch(database, rule.id, on=True)
        worked(database, job_id)
        clock = story.clock(rule.id)
        assert clock.started_at == MONDAY
        assert differences(database) == []

    def switch(self, database: Database, rule_id: str, *, on: bool) -> UUID | None:
        with database.unit_of_work(SYSTEM) as uow:
            row = regime_queries.rule_for_update(uow.session, SYSTEM, rule_id)
            regime_settings.switch(uow, row, on=on, reason="Tried.")
            return recomputing.begin(uow, SYSTEM)
