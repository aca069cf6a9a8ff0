"""Roles as data.

How it can fail: somebody gives more than they hold, by a role, by a role for an agent, by a team, by a token in another's
name; the last who can administer loses it by the back door of a role; a role that is in use goes; a change takes effect
late; an act of another process still has the old rights; a permission of a new version reaches nobody, or comes back after
it was taken away; two who change at once end with nobody who administers.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity import permissions, roles
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.permissions import ADMINISTERING, AUTHORITIES, PERMISSIONS, SCOPES, SHIPPED, Rights
from helpdesk.identity.roles import install_permissions
from helpdesk.kernel.advisory import Alone
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import install_shipped
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import behind_lock

NIGHT = {
    "name": "night shift",
    "description": "Reads.",
    "permissions": ["complaint:read", "agent:read"],
    "scope": "teams",
    "authority": "none",
}
MANAGING = ["agent:read", "agent:manage", "role:manage"]
ANA = {"email": "ana@example.com", "name": "Ana Souza"}


def role_named(admin: Caller, name: str) -> dict[str, Any]:
    """As `GET /roles` shows it."""
    return dict(next(item for item in admin.get("/roles?limit=200").json["items"] if item["name"] == name))


Make = Callable[..., dict[str, Any]]


@pytest.fixture
def make(admin: Caller) -> Make:
    """A role that is made for the test."""

    def made(name: str = "helpers", held: Iterable[str] = ("agent:read",), **more: Any) -> dict[str, Any]:
        answer = admin.post("/roles", NIGHT | {"name": name, "permissions": list(held)} | more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    return made


def problems(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestReading:
    def test_anonymous(self, anonymous: Caller) -> None:
        for path in ("/roles", f"/roles/{uuid4()}", "/permissions"):
            assert anonymous.get(path).status_code == 401

    def test_shipped(self, agent: Caller) -> None:
        found = {item["name"]: item for item in agent.get("/roles").json["items"]}
        assert found.keys() == SHIPPED.keys()
        for name, shipped in SHIPPED.items():
            shown = found[name]
            assert Rights(frozenset(shown["permissions"]), shown["scope"], shown["authority"]) == shipped.rights
            assert (shown["built_in"], shown["description"]) == (True, shipped.description)
            assert agent.get(f"/roles/{shown['id']}").json == shown
        assert found["agent"]["agents"] == 1

    def test_permissions(self, agent: Caller) -> None:
        items = agent.get("/permissions").json["items"]
        assert {item["name"]: item["description"] for item in items} == PERMISSIONS

    def test_each_holds_the_one_before(self) -> None:
        """The rank of scopes and authorities is their order."""
        for words, field in ((SCOPES, "scope"), (AUTHORITIES, "authority")):
            for one, other in product(words, words):
                beyond = Rights(frozenset(), **{field: one}).beyond(Rights(frozenset(), **{field: other}))
                assert (beyond == {}) == (words.index(one) <= words.index(other))


class TestCreate:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller) -> None:
        assert anonymous.post("/roles", NIGHT).status_code == 401
        answer = manager.post("/roles", NIGHT)
        assert (answer.status_code, answer.json["permission"]) == (403, "role:manage")

    def test_create(self, admin: Caller, join: Join, engine: Engine) -> None:
        answer = admin.post("/roles", NIGHT)
        shown = answer.json
        assert (answer.status_code, shown["version"], shown["built_in"], shown["agents"]) == (201, 1, False, 0)
        assert NIGHT | {"permissions": sorted(NIGHT["permissions"])} | shown == shown
        assert admin.get(answer.headers["Location"]).json == shown
        somebody = join("night shift").get("/me").json
        assert (somebody["permissions"], somebody["scope"]) == (["agent:read", "complaint:read"], "teams")
        acts = admin.get("/audit-log?type=role.created").json["items"]
        assert acts[0]["payload"]["changes"]["scope"] == [None, "teams"]

    @pytest.mark.parametrize("name", ["night shift", "NIGHT Shift", "admin", "Admin"])
    def test_name_is_taken(self, admin: Caller, name: str) -> None:
        admin.post("/roles", NIGHT)
        answer = admin.post("/roles", NIGHT | {"name": name})
        assert (answer.status_code, answer.json["code"]) == (409, "name_taken")

    def test_a_name_that_python_and_the_database_spell_small_differently(self, admin: Caller) -> None:
        assert admin.post("/roles", NIGHT | {"name": "İzmir"}).status_code == 201
        answer = admin.post("/roles", NIGHT | {"name": "İzmir"})
        assert (answer.status_code, answer.json["code"]) == (409, "name_taken")

    def test_a_name_in_any_script(self, admin: Caller, join: Join) -> None:
        assert admin.post("/roles", NIGHT | {"name": "夜班客服"}).status_code == 201
        assert join("夜班客服").get("/me").json["role"] == "夜班客服"
        assert len(admin.get("/agents?role=夜班客服").json["items"]) == 1

    def test_twice_the_same_permission_is_once(self, admin: Caller) -> None:
        made = admin.post("/roles", NIGHT | {"permissions": ["agent:read", "agent:read"]}).json
        assert made["permissions"] == ["agent:read"]

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"name": " "}, "/name"),
            ({"name": "x" * 61}, "/name"),
            ({"name": "a\x00"}, "/name"),
            ({"permissions": ["complaint:read_all"]}, "/permissions/0"),
            ({"permissions": "complaint:read"}, "/permissions"),
            ({"permissions": None}, "/permissions"),
            ({"scope": "all"}, "/scope"),
            ({"authority": "king"}, "/authority"),
            ({"built_in": True}, "/built_in"),
        ],
    )
    def test_bad(self, admin: Caller, more: dict[str, Any], pointer: str) -> None:
        assert pointer in problems(admin.post("/roles", NIGHT | more))


class TestNobodyGivesWhatTheyDoNotHold:
    """The whole grid: what a maker holds against what they would give, by every road that there is."""

    @pytest.fixture
    def maker(self, make: Make, join: Join) -> Callable[..., Caller]:
        def made(*more: str, scope: str = "teams", authority: str = "agent") -> Caller:
            make("maker", [*MANAGING, "token:manage", *more], scope=scope, authority=authority)
            return join("maker")

        return made

    @pytest.mark.parametrize("scope", SCOPES)
    def test_the_grid(self, make: Make, join: Join, scope: str) -> None:
        """Roles that are made, that are changed, that a new agent gets, and that an agent is moved to."""
        held = Rights(frozenset([*MANAGING, "complaint:read"]), scope, "senior")
        make("maker", held.permissions, scope=scope, authority="senior")
        caller, somebody = join("maker"), join("auditor")
        grid = [
            *product(SCOPES, ("none", "senior", "director"), ["complaint:read"]),
            ("own", "none", "complaint:assign"),
        ]
        for number, (other_scope, authority, permission) in enumerate(grid):
            wanted = Rights(frozenset([permission]), other_scope, authority)
            body = {"permissions": [permission], "scope": other_scope, "authority": authority}
            make(f"given {number}", [permission], scope=other_scope, authority=authority)
            plain = make(f"plain {number}", scope="own")
            agent = {"email": f"a{number}@example.com", "name": "A", "role": f"given {number}"}
            answers = (
                caller.post("/roles", NIGHT | {"name": f"made {number}"} | body),
                caller.patch(f"/roles/{plain['id']}", body, if_match="*"),
                caller.post("/agents", agent),
                caller.patch(f"/agents/{somebody.id}", {"role": agent["role"]}, if_match="*"),
            )
            beyond = wanted.beyond(held)
            expected = (403, 403, 403, 403) if beyond else (201, 200, 201, 200)
            assert tuple(answer.status_code for answer in answers) == expected, (wanted, held)
            for answer in answers if beyond else ():
                assert (answer.json["code"], answer.json["beyond"]) == ("beyond_own_rights", beyond)

    def test_what_is_there_already_need_not_be_ones_own(
        self, maker: Callable[..., Caller], make: Make, admin: Caller
    ) -> None:
        """Only what a role gains counts: who holds less may take away, and say what it is for."""
        caller = maker()
        wide = make("wide", ["complaint:read", "complaint:assign"], scope="everything", authority="director")
        path = f"/roles/{wide['id']}"
        assert caller.patch(path, {"description": "Wide."}, if_match="*").status_code == 200
        assert caller.patch(path, {"permissions": ["complaint:read"]}, if_match="*").status_code == 200
        assert caller.patch(path, {"permissions": ["complaint:assign"]}, if_match="*").status_code == 403
        assert caller.patch(path, {"scope": "teams", "authority": "none"}, if_match="*").status_code == 200
        assert caller.patch(path, {"scope": "everything"}, if_match="*").status_code == 403

    def test_not_to_oneself(self, maker: Callable[..., Caller], admin: Caller) -> None:
        caller = maker()
        own = role_named(admin, "maker")
        assert caller.patch(f"/agents/{caller.id}", {"role": "admin"}, if_match="*").status_code == 403
        wider = [*own["permissions"], "complaint:read"]
        assert caller.patch(f"/roles/{own['id']}", {"permissions": wider}, if_match="*").status_code == 403
        assert caller.patch(f"/agents/{caller.id}", {"role": "maker", "name": "x"}, if_match="*").status_code == 200

    def test_teams(self, maker: Callable[..., Caller], database: Database, team: UUID, admin: Caller) -> None:
        """Whoever is put into a team sees its complaints."""
        caller, other = maker(), make_team(database, "Other")
        make_plain = NIGHT | {"name": "plain", "permissions": ["agent:read"], "scope": "teams"}
        assert caller.post("/roles", make_plain).status_code == 201
        for team_id, status in ((team, 201), (other, 403)):
            body = {"email": f"{team_id}@example.com", "name": "x", "role": "plain", "team_ids": [str(team_id)]}
            assert caller.post("/agents", body).status_code == status
        path, both = f"/agents/{caller.id}", [str(team), str(other)]
        answer = caller.patch(path, {"team_ids": both}, if_match="*")
        assert (answer.status_code, answer.json["beyond"]) == (403, {"team_ids": [str(other)]})
        assert caller.put(f"/teams/{other}/members", {"agent_ids": [str(caller.id)]}, if_match="*").status_code == 403
        assert admin.put(f"/teams/{other}/members", {"agent_ids": [str(caller.id)]}, if_match="*").status_code == 200
        assert caller.patch(path, {"team_ids": [str(other)]}, if_match="*").status_code == 200
        assert caller.put(f"/teams/{team}/members", {"agent_ids": []}, if_match="*").status_code == 200

    def test_tokens(self, maker: Callable[..., Caller], join: Join, admin: Caller, database: Database) -> None:
        """Who has another's token is that other."""
        caller = maker()
        for other, status in (
            (admin, 403),
            (join("agent"), 403),
            (join("maker"), 201),
            (join("maker", team_ids=[make_team(database, "Other")]), 403),
            (caller, 201),
        ):
            answer = caller.post("/tokens", {"name": "x", "agent_id": str(other.id)})
            assert answer.status_code == status, answer.text

    def test_the_program_holds_everything(self, database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            given = {"name": "top", "description": "", "permissions": [*PERMISSIONS], "scope": "everything"}
            roles.create_role(uow, SYSTEM, given | {"authority": "director"})


class TestChange:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, make: Make) -> None:
        path = f"/roles/{make()['id']}"
        assert anonymous.patch(path, {"scope": "own"}, if_match="*").status_code == 401
        assert manager.patch(path, {"scope": "own"}, if_match="*").status_code == 403
        assert manager.patch(f"/roles/{uuid4()}", {"scope": "own"}, if_match="*").status_code == 404

    def test_takes_effect_with_the_next_request(self, admin: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        path, role = f"/complaints/{complaint['reference']}", role_named(admin, "agent")
        note = {"kind": "internal_note", "body": "x"}
        assert agent.post(f"{path}/messages", note).status_code == 201
        fewer = [name for name in role["permissions"] if name != "complaint:note"]
        answer = admin.patch(f"/roles/{role['id']}", {"permissions": fewer}, if_match=f'"v{role["version"]}"')
        assert (answer.status_code, answer.json["version"]) == (200, role["version"] + 1)
        refused = agent.post(f"{path}/messages", note)
        assert (refused.status_code, refused.json["permission"]) == (403, "complaint:note")
        admin.patch(f"/roles/{role['id']}", {"scope": "own"}, if_match="*")
        assert agent.get(path).status_code == 404
        admin.patch(f"/roles/{role['id']}", {"scope": "everything"}, if_match="*")
        assert agent.get(path).status_code == 200
        acts = admin.get(f"/audit-log?type=role.changed&actor_id={admin.id}").json["items"]
        changes = [item["payload"]["changes"] for item in acts]
        assert changes == [
            {"scope": ["own", "everything"]},
            {"scope": ["teams", "own"]},
            {"permissions": [role["permissions"], fewer]},
        ]

    def test_versions(self, admin: Caller, make: Make) -> None:
        path = f"/roles/{make()['id']}"
        assert admin.patch(path, {"scope": "own"}).status_code == 428
        assert admin.patch(path, {"scope": "own"}, if_match='"v7"').status_code == 412
        assert admin.patch(path, {"scope": "teams"}, if_match='"v1"').json["version"] == 1  # nothing changed
        assert admin.patch(path, {"name": "other"}, if_match="*").status_code == 422

    @pytest.mark.parametrize("missing", sorted(ADMINISTERING))
    def test_admin_keeps_what_manages_roles(self, admin: Caller, join: Join, make: Make, missing: str) -> None:
        """Also where somebody else could do it: it is the role that a setting of the environment falls back on."""
        make("other admin", PERMISSIONS)
        join("other admin")
        role = role_named(admin, "admin")
        path = f"/roles/{role['id']}"
        answer = admin.patch(path, {"permissions": sorted({*PERMISSIONS} - {missing})}, if_match="*")
        assert problems(answer) == {"/permissions": "needed"}
        assert (
            admin.patch(path, {"permissions": sorted(ADMINISTERING), "scope": "own"}, if_match="*").status_code == 200
        )
        assert admin.get("/complaints").status_code == 403
        assert admin.patch(path, {"scope": "teams"}, if_match="*").status_code == 403  # nobody holds it any more

    def test_the_way_back(self, admin: Caller, database: Database) -> None:
        role = role_named(admin, "admin")
        admin.patch(f"/roles/{role['id']}", {"permissions": sorted(ADMINISTERING), "scope": "own"}, if_match="*")
        with database.unit_of_work(SYSTEM) as uow:
            assert roles.reset_role(uow, "admin")
            assert not roles.reset_role(uow, "nobody")
        back = role_named(admin, "admin")
        assert (back["permissions"], back["scope"]) == (sorted(PERMISSIONS), "everything")


class TestDelete:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, make: Make) -> None:
        path = f"/roles/{make()['id']}"
        assert anonymous.delete(path, if_match="*").status_code == 401
        assert manager.delete(path, if_match="*").status_code == 403
        assert manager.delete(f"/roles/{uuid4()}", if_match="*").status_code == 404

    def test_delete(self, admin: Caller, make: Make) -> None:
        path = f"/roles/{make()['id']}"
        assert admin.delete(path).status_code == 428
        answer = admin.delete(path, if_match='"v1"')
        assert (answer.status_code, answer.data) == (204, b"")
        assert admin.get(path).status_code == 404
        act = admin.get("/audit-log?type=role.deleted").json["items"][0]["payload"]
        assert (act["name"], act["changes"]["permissions"]) == ("helpers", [["agent:read"], None])

    def test_in_use(self, admin: Caller, make: Make, join: Join) -> None:
        path, holder = f"/roles/{make()['id']}", join("helpers")
        admin.patch(f"/agents/{holder.id}", {"active": False}, if_match="*")  # who left may come back
        answer = admin.delete(path, if_match="*")
        assert (answer.status_code, answer.json["code"]) == (409, "role_in_use")
        admin.patch(f"/agents/{holder.id}", {"role": "agent"}, if_match="*")
        assert admin.delete(path, if_match="*").status_code == 204

    def test_built_in(self, admin: Caller) -> None:
        for name in SHIPPED:
            answer = admin.delete(f"/roles/{role_named(admin, name)['id']}", if_match="*")
            assert (answer.status_code, answer.json["code"]) == (409, "built_in_role")

    def test_while_somebody_is_given_it(self, admin: Caller, make: Make, join: Join, engine: Engine) -> None:
        role, other = make(), join("admin")
        hired, deleted = behind_lock(
            engine,
            f"SELECT pg_advisory_xact_lock({Alone.AGENTS_AND_TEAMS.value})",
            lambda: admin.post("/agents", ANA | {"role": "helpers"}),
            lambda: other.delete(f"/roles/{role['id']}", if_match="*"),
        )
        assert (hired.status_code, deleted.status_code) in {(201, 409), (422, 204)}


class TestLastAdministrator:
    """Only those of a custom role are left, since `admin` cannot lose it."""

    @pytest.fixture
    def keeper(self, make: Make, join: Join, admin: Caller) -> Caller:
        make("keeper", MANAGING)
        keeper = join("keeper")
        assert admin.patch(f"/agents/{admin.id}", {"role": "agent"}, if_match="*").status_code == 200
        return keeper

    def test_not_by_the_role(self, keeper: Caller, admin: Caller) -> None:
        role = role_named(admin, "keeper")
        for fewer in (["agent:read"], [], ["agent:read", "role:manage"]):
            answer = keeper.patch(f"/roles/{role['id']}", {"permissions": fewer}, if_match="*")
            assert (answer.status_code, answer.json["code"]) == (409, "last_administrator")
        assert keeper.patch(f"/roles/{role['id']}", {"scope": "own"}, if_match="*").status_code == 200

    def test_not_by_leaving(self, keeper: Caller) -> None:
        for change in ({"active": False}, {"role": "keeper", "active": False}):
            assert keeper.patch(f"/agents/{keeper.id}", change, if_match="*").json["code"] == "last_administrator"

    def test_a_role_that_nobody_has_is_nobodys_loss(self, admin: Caller, make: Make) -> None:
        role = make("keeper", MANAGING)
        answer = admin.patch(f"/roles/{role['id']}", {"permissions": []}, if_match="*")
        assert answer.status_code == 200

    def test_two_at_once(self, keeper: Caller, make: Make, join: Join, database: Database, engine: Engine) -> None:
        """One takes it from a role, the other leaves: each alone would leave the other."""
        with database.unit_of_work(SYSTEM) as uow:
            given = {"name": "second", "description": "", "permissions": MANAGING, "scope": "own", "authority": "none"}
            roles.create_role(uow, SYSTEM, given)
        second = join("second")
        role = role_named(second, "second")
        answers = behind_lock(
            engine,
            f"SELECT pg_advisory_xact_lock({Alone.AGENTS_AND_TEAMS.value})",
            lambda: keeper.patch(f"/roles/{role['id']}", {"permissions": []}, if_match="*"),
            lambda: second.patch(f"/agents/{keeper.id}", {"active": False}, if_match="*"),
        )
        assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 403])


class TestNewPermissions:
    """What a later version brings."""

    @pytest.fixture
    def later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A version with one permission more, for senior and admin."""
        monkeypatch.setitem(PERMISSIONS, "complaint:applaud", "clap hands")
        for name in ("senior", "admin"):
            shipped = SHIPPED[name]
            wider = replace(shipped.rights, permissions=shipped.rights.permissions | {"complaint:applaud"})
            monkeypatch.setitem(SHIPPED, name, replace(shipped, rights=wider))
        permissions.rights.cache_clear()

    def test_reaches_the_shipped_roles_once(
        self, admin: Caller, make: Make, database: Database, later: None, join: Join
    ) -> None:
        make("helpers")
        senior = join("senior")
        for expected in (["complaint:applaud"], []):
            with database.unit_of_work(SYSTEM) as uow:
                assert install_permissions(uow) == expected
        holders = [
            role["name"] for role in admin.get("/roles").json["items"] if "complaint:applaud" in role["permissions"]
        ]
        assert holders == ["senior", "admin"]
        assert "complaint:applaud" in senior.get("/me").json["permissions"]
        role = role_named(admin, "senior")
        fewer = [name for name in role["permissions"] if name != "complaint:applaud"]
        admin.patch(f"/roles/{role['id']}", {"permissions": fewer}, if_match="*")
        with database.unit_of_work(SYSTEM) as uow:
            install_shipped(uow)
        assert role_named(admin, "senior")["permissions"] == fewer

    def test_what_is_no_permission_any_more_is_nothing(self, admin: Caller, agent: Caller, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE role SET permissions = permissions || '{complaint:read_all}'"))
        for shown in (role_named(admin, "agent"), agent.get("/me").json):
            assert shown["permissions"] == sorted(SHIPPED["agent"].rights.permissions)


def test_authority_goes_by_the_role_and_not_its_name(admin: Caller, make: Make, join: Join, team: UUID) -> None:
    """Somebody who may approve what an agent may not, in a role of the firm's own."""
    held = ["complaint:read", "complaint:create", "offer:read", "offer:draft", "offer:approve"]
    make("generous", held, authority="manager")
    make("careful", held, authority="none")
    period = {"starts_on": "2000-01-01", "ends_on": "2999-12-31"}
    budget = admin.post("/budgets", {"name": "Goodwill", "currency": "EUR", **period}).json
    admin.pay(f"/budgets/{budget['id']}/allocations", {"amount": {"amount": "9000.00", "currency": "EUR"}})
    for role, status in (("careful", "pending_approval"), ("generous", "approved")):
        caller = join(role)
        ref = caller.post("/complaints", complaint_body(team_id=str(team))).json["reference"]
        body: dict[str, Any] = {"kind": "voucher", "amount": {"amount": "500.00", "currency": "EUR"}, "reason": "late"}
        body |= {"override_reason": "Agreed.", "allow_duplicate": True, "duplicate_reason": "Another order."}
        offer = caller.post(f"/complaints/{ref}/offers", body).json
        answer = caller.pay(f"/offers/{offer['id']}/actions/submit", {})
        assert answer.json["status"] == status, answer.text
