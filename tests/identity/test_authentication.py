"""From credentials to an actor.

How it can fail: a token that has expired, was revoked, or whose agent left still opens the door; the old bootstrap token
goes on working after it was changed; two processes that start at once make two administrators; the words of a refusal
tell which of these it was.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.authentication import ensure_bootstrap_administrator, new_token, token_hash
from helpdesk.identity.permissions import PERMISSIONS, ROLES
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join
from tests.racing import at_once


def change(engine: Engine, caller: Caller, assignment: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE token SET {assignment} WHERE agent_id = :id"), {"id": caller.id})


class TestToken:
    def test_good(self, agent: Caller, team: UUID) -> None:
        shown = agent.get("/me").json
        assert (shown["id"], shown["role"], shown["team_ids"]) == (str(agent.id), "agent", [str(team)])
        assert shown["permissions"] == sorted(ROLES["agent"])

    def test_scheme_in_any_case(self, agent: Caller) -> None:
        for scheme in ("bearer", "BEARER", "Bearer "):
            assert agent.get("/me", Authorization=f"{scheme} {agent.token}").status_code == 200

    @pytest.mark.parametrize(
        "assignment",
        ["expires_at = now() - interval '1 second'", "expires_at = now()", "revoked_at = now()", "hash = '\\x00'"],
    )
    def test_not_any_more(self, agent: Caller, engine: Engine, assignment: str) -> None:
        assert agent.get("/me").status_code == 200
        change(engine, agent, assignment)
        answer = agent.get("/me")
        assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")

    def test_until_the_end(self, agent: Caller, engine: Engine) -> None:
        change(engine, agent, "expires_at = now() + interval '1 minute'")
        assert agent.get("/me").status_code == 200

    def test_of_an_agent_who_left(self, agent: Caller, admin: Caller) -> None:
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        assert agent.get("/me").status_code == 401
        admin.patch(f"/agents/{agent.id}", {"active": True}, if_match="*")
        assert agent.get("/me").status_code == 401  # for good: who comes back gets a new one

    def test_the_words_do_not_tell_why(self, join: Join, engine: Engine) -> None:
        expired, revoked, unknown = join(), join(), join()
        change(engine, expired, "expires_at = now()")
        change(engine, revoked, "revoked_at = now()")
        change(engine, unknown, "hash = '\\x01'")
        details = {caller.get("/me").json["detail"] for caller in (expired, revoked, unknown)}
        assert details == {"This token is unknown, expired or revoked."}

    def test_a_new_role_takes_effect_at_once(self, agent: Caller, admin: Caller) -> None:
        admin.patch(f"/agents/{agent.id}", {"role": "manager"}, if_match="*")
        assert agent.get("/me").json["permissions"] == sorted(ROLES["manager"])

    def test_only_the_hash_is_kept(self, agent: Caller, engine: Engine) -> None:
        with engine.connect() as connection:
            whole = str(connection.execute(text("SELECT t::text FROM token t")).all())
        assert agent.token is not None
        assert agent.token not in whole
        assert token_hash(agent.token).hex() in whole

    def test_tokens_are_long_and_different(self) -> None:
        made = {new_token() for _ in range(1_000)}
        assert len(made) == 1_000
        assert all(token.startswith("hd_") and len(token) >= 46 for token in made)


class TestBootstrap:
    FIRST = "first-" + "x" * 32
    SECOND = "second-" + "x" * 32

    def _who(self, anonymous: Caller, token: str) -> Any:
        return anonymous.get("/me", Authorization=f"Bearer {token}")

    def test_made_once(self, database: Database, anonymous: Caller, engine: Engine) -> None:
        for _ in range(3):
            ensure_bootstrap_administrator(database, self.FIRST)
        assert self._who(anonymous, self.FIRST).json["permissions"] == sorted(PERMISSIONS)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM token WHERE bootstrap")).scalar_one() == 1

    def test_rotation(self, database: Database, anonymous: Caller) -> None:
        ensure_bootstrap_administrator(database, self.FIRST)
        first = self._who(anonymous, self.FIRST).json["id"]
        ensure_bootstrap_administrator(database, self.SECOND)
        assert self._who(anonymous, self.FIRST).status_code == 401
        assert self._who(anonymous, self.SECOND).json["id"] == first

    def test_back_to_the_first(self, database: Database, anonymous: Caller) -> None:
        """A setting that is put back is valid again."""
        for token in (self.FIRST, self.SECOND, self.FIRST):
            ensure_bootstrap_administrator(database, token)
        assert self._who(anonymous, self.FIRST).status_code == 200
        assert self._who(anonymous, self.SECOND).status_code == 401

    def test_many_start_at_once(self, database: Database, anonymous: Caller, engine: Engine) -> None:
        at_once(*[lambda: ensure_bootstrap_administrator(database, self.FIRST)] * 5)
        assert self._who(anonymous, self.FIRST).status_code == 200
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM agent WHERE role = 'admin'")).scalar_one() == 1
            assert connection.execute(text("SELECT count(*) FROM token WHERE bootstrap")).scalar_one() == 1

    def test_other_tokens_stay(self, database: Database, agent: Caller) -> None:
        for token in (self.FIRST, self.SECOND):
            ensure_bootstrap_administrator(database, token)
        assert agent.get("/me").status_code == 200

    def test_a_token_that_was_revoked_by_hand_is_valid_again_at_the_next_start(
        self, database: Database, anonymous: Caller, engine: Engine
    ) -> None:
        ensure_bootstrap_administrator(database, self.FIRST)
        with engine.begin() as connection:
            connection.execute(text("UPDATE token SET revoked_at = now() WHERE bootstrap"))
        ensure_bootstrap_administrator(database, self.FIRST)
        assert self._who(anonymous, self.FIRST).status_code == 200


class TestRoles:
    def test_every_role_holds_known_permissions(self) -> None:
        for role, held in ROLES.items():
            assert held <= set(PERMISSIONS), role
        assert ROLES["admin"] == set(PERMISSIONS)
        assert ROLES["agent"] < ROLES["senior"] < ROLES["manager"]

    def test_every_permission_is_somebodys(self) -> None:
        assert set().union(*(held for role, held in ROLES.items() if role != "admin")) >= set(PERMISSIONS) - {
            "agent:manage",
            "job:cancel_all",
            "key:manage",
            "role:manage",
            "token:manage",
            "session:manage",
            "provider:manage",
            "remedy_provider:manage",
        }

    def test_the_auditor_changes_nothing(self) -> None:
        assert {name for name in ROLES["auditor"] if name.split(":")[1] not in {"read", "read_all"}} == set()


def test_a_year_is_the_longest_life(agent: Caller) -> None:
    now = datetime.now(UTC)
    shown = agent.post("/tokens", {"name": "x"}).json
    assert timedelta(days=365) < datetime.fromisoformat(shown["expires_at"]) - now <= timedelta(days=366, minutes=1)
