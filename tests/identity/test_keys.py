"""API keys of other systems.

How it can fail: a key gives more than its owner holds, at first or later; it outlives its owner, its end, its revocation,
or the overlap of a rotation; between two rotations nothing counts; its secret is kept, shown twice or written into a log;
noting its use costs every request a write, or makes the request wait for somebody who changes the key; a program has a
complaint, approves an offer, or does by a key what its owner may not do themselves.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity.recognition import named_again
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once
from tests.recovery import helpers

READING = ["complaint:read"]
WORKING = [
    "complaint:read",
    "complaint:create",
    "complaint:edit",
    "complaint:note",
    "complaint:assign",
    "complaint:claim",
]
SHOP = {"name": "web shop", "permissions": READING, "scope": "everything"}

MakeKey = Callable[..., "Key"]


class Key(Caller):
    """A caller with a key; `shown` is the answer that had it."""

    def __init__(self, app: Flask, shown: dict[str, Any]) -> None:
        super().__init__(app.test_client(), None, shown["key"])
        self.shown = shown
        self.path = f"/api-keys/{shown['id']}"


@pytest.fixture
def make_key(app: Flask, admin: Caller) -> MakeKey:
    def made(*permissions: str, by: Caller = admin, **more: Any) -> Key:
        answer = by.post("/api-keys", SHOP | {"permissions": list(permissions or READING)} | more)
        assert answer.status_code == 201, answer.text
        return Key(app, answer.json)

    return made


def with_secret(app: Flask, secret: str) -> Caller:
    return Caller(app.test_client(), None, secret)


def change(engine: Engine, assignment: str) -> None:
    """What time does, done to the row."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE api_key SET {assignment}"))


def value(engine: Engine, expression: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT {expression} FROM api_key")).scalar_one()


def problems(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestWhoMay:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, make_key: MakeKey, join: Join) -> None:
        path = make_key().path
        for caller, status in ((anonymous, 401), (manager, 403)):
            assert caller.get("/api-keys").status_code == status
            assert caller.get(path).status_code == status
            assert caller.post("/api-keys", SHOP).status_code == status
            assert caller.patch(path, {"name": "x"}, if_match="*").status_code == status
            assert caller.post(f"{path}/rotate", {}).status_code == status
            assert caller.post(f"{path}/revoke").status_code == status
        auditor = join("auditor")
        assert auditor.get(path).status_code == 200
        assert auditor.post(f"{path}/revoke").status_code == 403

    def test_unknown(self, admin: Caller) -> None:
        path = f"/api-keys/{uuid4()}"
        assert admin.get(path).status_code == 404
        assert admin.patch(path, {}, if_match="*").status_code == 404
        assert admin.post(f"{path}/rotate", {}).status_code == 404
        assert admin.post(f"{path}/revoke").status_code == 404


class TestMake:
    def test_make(self, admin: Caller, engine: Engine, app: Flask) -> None:
        answer = admin.post("/api-keys", SHOP, idempotency_key="once")
        shown = answer.json
        secret = shown["key"]
        assert (shown["state"], shown["owner_id"], shown["last_used_at"]) == ("active", str(admin.id), None)
        assert secret.startswith(shown["prefix"])
        assert (len(secret), len(shown["prefix"])) == (47, 12)
        again = admin.post("/api-keys", SHOP, idempotency_key="once")
        assert (again.json["key"], again.json["id"]) == (None, shown["id"])
        assert admin.get(answer.headers["Location"]).json == {name: shown[name] for name in shown if name != "key"}
        caller = with_secret(app, secret)
        me = caller.get("/me").json
        assert (me["kind"], me["id"], me["name"]) == ("integration", shown["id"], "web shop")
        assert (me["role"], me["permissions"], me["authority"]) == (None, READING, "none")
        with engine.connect() as connection:
            kept = "SELECT string_agg(t, '') FROM (SELECT k::text t FROM api_key k UNION SELECT e::text FROM event e UNION "
            everything = connection.execute(text(f"{kept} SELECT a::text FROM idempotent_answer a) x")).scalar_one()
        assert secret not in everything
        acts = admin.get("/audit-log?type=api_key.created").json["items"]
        assert acts[0]["payload"]["changes"]["permissions"] == [None, READING]

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"name": ""}, "/name"),
            ({"permissions": []}, "/permissions"),
            ({"permissions": ["complaint:read_all"]}, "/permissions/0"),
            ({"scope": "own"}, "/scope"),
            ({"team_ids": [str(uuid4())]}, "/team_ids"),
            ({"scope": "teams", "team_ids": [str(uuid4())]}, "/team_ids"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
            ({"expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
            ({"owner_id": str(uuid4())}, "/owner_id"),
        ],
    )
    def test_bad(self, admin: Caller, more: dict[str, Any], pointer: str) -> None:
        assert pointer in problems(admin.post("/api-keys", SHOP | more))

    def test_list(self, admin: Caller, make_key: MakeKey, join: Join) -> None:
        other = join("admin")
        ids = [make_key(name=str(number)).shown["id"] for number in range(3)]
        theirs = make_key(by=other).shown["id"]
        assert [row["id"] for row in admin.get("/api-keys").json["items"]] == [theirs, *reversed(ids)]
        assert [row["id"] for row in admin.get(f"/api-keys?owner_id={other.id}").json["items"]] == [theirs]


class TestNeverMoreThanTheOwner:
    @pytest.fixture
    def clerk(self, admin: Caller, join: Join) -> Caller:
        """May make keys, and little else."""
        held = ["key:manage", "key:read", "complaint:read", "complaint:note", "complaint:claim"]
        body = {"name": "clerk", "permissions": held, "scope": "teams", "authority": "agent"}
        assert admin.post("/roles", body).status_code == 201
        return join("clerk")

    @pytest.mark.parametrize(
        ("more", "beyond"),
        [
            ({"permissions": ["complaint:resolve"]}, {"permissions": ["complaint:resolve"]}),
            ({"scope": "everything"}, {"scope": "everything"}),
        ],
    )
    def test_when_it_is_made(self, clerk: Caller, more: dict[str, Any], beyond: dict[str, Any]) -> None:
        answer = clerk.post("/api-keys", SHOP | {"scope": "teams"} | more)
        assert (answer.status_code, answer.json["beyond"]) == (403, beyond)

    def test_teams(self, clerk: Caller, team: UUID, database: Database) -> None:
        other = make_team(database, "Other")
        body = SHOP | {"scope": "teams", "team_ids": [str(team), str(other)]}
        answer = clerk.post("/api-keys", body)
        assert (answer.status_code, answer.json["beyond"]) == (403, {"team_ids": [str(other)]})
        assert clerk.post("/api-keys", body | {"team_ids": [str(team)]}).status_code == 201

    def test_when_it_is_changed_handed_over_or_rotated(
        self, clerk: Caller, admin: Caller, make_key: MakeKey, team: UUID
    ) -> None:
        """Its secret, and another owner behind it, are as good as the rights themselves."""
        wide = make_key("complaint:resolve", "complaint:read")
        for refused in (
            clerk.post(f"{wide.path}/rotate", {}),
            clerk.patch(wide.path, {"owner_id": str(clerk.id)}, if_match="*"),
            clerk.patch(wide.path, {"permissions": ["complaint:read", "offer:send"]}, if_match="*"),
        ):
            assert (refused.status_code, refused.json["code"]) == (403, "beyond_own_rights")
        narrower = {"permissions": READING, "scope": "teams", "team_ids": [str(team)], "name": "narrow"}
        assert clerk.patch(wide.path, narrower, if_match="*").status_code == 200
        assert clerk.patch(wide.path, {"scope": "everything"}, if_match="*").status_code == 403
        assert clerk.post(f"{wide.path}/rotate", {}).status_code == 200
        assert clerk.patch(wide.path, {"owner_id": str(clerk.id)}, if_match="*").status_code == 200

    def test_later(self, clerk: Caller, admin: Caller, make_key: MakeKey, team: UUID, database: Database) -> None:
        """What its owner loses, it loses with the next request."""
        key = make_key("complaint:read", "complaint:note", by=clerk, scope="teams", team_ids=[str(team)])
        ref = admin.post("/complaints", complaint_body(team_id=str(team))).json["reference"]
        path = f"/complaints/{ref}"
        assert key.get(path).status_code == 200
        admin.patch(f"/agents/{clerk.id}", {"team_ids": []}, if_match="*")
        assert key.get(path).status_code == 404
        admin.patch(f"/agents/{clerk.id}", {"team_ids": [str(team)], "role": "auditor"}, if_match="*")
        assert key.get(path).status_code == 200
        assert key.get("/me").json["permissions"] == READING
        admin.patch(f"/agents/{clerk.id}", {"active": False}, if_match="*")
        answer = key.get(path)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
        assert admin.get(key.path).json["state"] == "suspended"
        assert admin.patch(key.path, {"owner_id": str(admin.id)}, if_match="*").json["state"] == "active"
        assert key.get(path).status_code == 200

    def test_whose_owner_sees_only_their_own(self, admin: Caller, make_key: MakeKey, clerk: Caller, team: UUID) -> None:
        key = make_key(by=clerk, scope="teams")
        ref = admin.post("/complaints", complaint_body()).json["reference"]
        assert key.get(f"/complaints/{ref}").status_code == 200
        role = next(item for item in admin.get("/roles").json["items"] if item["name"] == "clerk")
        admin.patch(f"/roles/{role['id']}", {"scope": "own"}, if_match="*")
        admin.put(f"/complaints/{ref}/assignment", {"assignee_id": str(clerk.id)}, if_match="*")
        assert clerk.get(f"/complaints/{ref}").status_code == 200
        assert key.get(f"/complaints/{ref}").status_code == 404
        assert key.get("/complaints?count=true").json["total"] == 0
        assert clerk.post("/api-keys", SHOP | {"scope": "teams"}).status_code == 403


class TestWhatItSees:
    def test_scope(self, admin: Caller, make_key: MakeKey, team: UUID, database: Database) -> None:
        other = make_team(database, "Other")
        rows = [
            admin.post("/complaints", complaint_body(**({} if team_id is None else {"team_id": str(team_id)}))).json
            for team_id in (None, team, other)
        ]
        refs = [row["reference"] for row in rows]
        for more, seen in (
            ({"scope": "everything"}, refs),
            ({"scope": "teams", "team_ids": [str(team)]}, refs[:2]),
            ({"scope": "teams"}, refs[:1]),
        ):
            key = make_key(**more)
            assert {row["reference"] for row in key.get("/complaints").json["items"]} == set(seen)
            assert key.get("/complaints?count=true").json["total"] == len(seen)
            for ref in refs:
                assert (key.get(f"/complaints/{ref}").status_code == 200) == (ref in seen)
        blind = make_key("complaint:note")
        assert blind.get("/complaints").status_code == 403
        assert blind.post(f"/complaints/{refs[0]}/messages", {"kind": "internal_note", "body": "x"}).status_code == 404

    def test_takes_in_only_for_its_teams(self, make_key: MakeKey, team: UUID, database: Database) -> None:
        key = make_key(*WORKING, scope="teams", team_ids=[str(team)])
        assert key.post("/complaints", complaint_body(team_id=str(team))).status_code == 201
        assert key.post("/complaints", complaint_body()).status_code == 201
        elsewhere = complaint_body(team_id=str(make_team(database, "Other")))
        assert problems(key.post("/complaints", elsewhere)) == {"/team_id": "unknown"}


class TestWhatItDoes:
    def test_is_named_in_what_happens(self, make_key: MakeKey, admin: Caller) -> None:
        key = make_key(*WORKING)
        ref = key.post("/complaints", complaint_body()).json["reference"]
        note = key.post(f"/complaints/{ref}/messages", {"kind": "internal_note", "body": "From the shop."}).json
        assert (note["author_kind"], note["author_id"]) == ("integration", key.shown["id"])
        for entry in admin.get(f"/complaints/{ref}/timeline").json["items"][:1]:
            assert (entry["actor_kind"], entry["actor_id"]) == ("integration", key.shown["id"])
        assert admin.get(f"/complaints/{ref}/timeline/verification").json["valid"]

    def test_has_no_complaint(self, make_key: MakeKey, agent: Caller) -> None:
        """Somebody has to have it."""
        key = make_key(*WORKING)
        path = f"/complaints/{key.post('/complaints', complaint_body()).json['reference']}"
        assert key.post(f"{path}/claim").status_code == 403
        assert key.put(f"{path}/assignment", {"assignee_id": str(agent.id)}, if_match="*").status_code == 200
        assert key.post(f"{path}/release").json["assignee_id"] is None
        assert key.get("/complaints?mine=true").json["items"] == []

    def test_its_owner_stays_who_they_are(self, make_key: MakeKey, admin: Caller, team: UUID) -> None:
        """What nobody may do to their own case, they may not have a program do; and what it drafts is theirs."""
        key = make_key(
            "complaint:read", "complaint:dismiss", "complaint:edit", "offer:draft", "offer:approve", "offer:read"
        )
        path = f"/complaints/{admin.post('/complaints', complaint_body(team_id=str(team))).json['reference']}"
        offer = key.post(f"{path}/offers", helpers.voucher("20.00")).json
        assert offer["drafted_by"] == str(admin.id)
        submitted = key.pay(f"/offers/{offer['id']}/actions/submit", {})
        assert submitted.json["status"] == "pending_approval"
        refused = admin.pay(f"/offers/{offer['id']}/actions/approve", {})
        assert (refused.status_code, refused.json["code"]) == (403, "own_approval")
        assert key.pay(f"/offers/{offer['id']}/actions/approve", {}).status_code == 403
        admin.post(f"{path}/subjects", {"agent_id": str(admin.id)})
        dismissed = key.post(f"{path}/actions/dismiss", {"reason_code": "spam"})
        assert (dismissed.status_code, dismissed.json["code"]) == (403, "conflict_of_interest")
        subject = next(item for item in admin.get(path).json["people"] if item["role"] == "subject")
        removed = key.delete(f"{path}/people/{subject['id']}", if_match="*")
        assert (removed.status_code, removed.json["code"]) == (403, "conflict_of_interest")

    def test_gives_nothing_away(self, make_key: MakeKey, admin: Caller, agent: Caller, team: UUID) -> None:
        """Not even what a careful agent may: approving takes somebody's authority."""
        period = {"starts_on": "2000-01-01", "ends_on": "2999-12-31"}
        budget = admin.post("/budgets", {"name": "Goodwill", "currency": "EUR", **period}).json
        admin.pay(f"/budgets/{budget['id']}/allocations", {"amount": helpers.eur("100.00")})
        ref = agent.post("/complaints", complaint_body(team_id=str(team))).json["reference"]
        offer = agent.post(f"/complaints/{ref}/offers", helpers.voucher("60.00")).json
        agent.pay(f"/offers/{offer['id']}/actions/submit", {})
        answer = make_key("complaint:read", "offer:read", "offer:approve").pay(
            f"/offers/{offer['id']}/actions/approve", {}
        )
        assert (answer.status_code, answer.json["code"]) == (403, "beyond_authority")

    def test_makes_no_credentials_unless_it_may(self, make_key: MakeKey, agent: Caller) -> None:
        plain = make_key("complaint:read", "agent:read")
        assert plain.post("/api-keys", SHOP).status_code == 403
        assert plain.post("/roles", {"name": "x", "permissions": [], "scope": "own"}).status_code == 403
        assert plain.post("/tokens", {"name": "x", "agent_id": str(agent.id)}).status_code == 403
        assert problems(plain.post("/tokens", {"name": "x"})) == {"/agent_id": "unknown"}
        keeper = make_key("complaint:read", "key:manage", "key:read")
        assert keeper.post("/api-keys", SHOP | {"permissions": ["complaint:resolve"]}).status_code == 403
        made = keeper.post("/api-keys", SHOP)
        assert (made.status_code, made.json["owner_id"]) == (201, keeper.shown["owner_id"])

    def test_is_named_in_what_goes_on_without_it(
        self, make_key: MakeKey, admin: Caller, agent: Caller, database: Database
    ) -> None:
        """A job that a worker does later is still the key's, and not some agent's."""
        key = make_key(*WORKING)
        with database.reader() as session:
            doers = [named_again(session, who) for who in (UUID(key.shown["id"]), agent.id, None)]
        assert [(doer.kind, doer.id) for doer in doers] == [
            ("integration", UUID(key.shown["id"])),
            ("agent", agent.id),
            ("system", None),
        ]
        assert not any(doer.permissions for doer in doers[:2])

    def test_retries_and_jobs_are_its_own(self, make_key: MakeKey, admin: Caller) -> None:
        one, other = make_key(*WORKING, "import:run"), make_key(*WORKING, "import:run", scope="teams")
        first, again = (one.post("/complaints", complaint_body(), idempotency_key="k") for _ in range(2))
        assert again.headers["Idempotent-Replayed"] == "true"
        assert other.post("/complaints", complaint_body(), idempotency_key="k").json["id"] != first.json["id"]
        made = other.post("/imports", {"mapping": "cfpb", "file_name": "x.csv"})
        assert made.status_code == 201, made.text
        assert other.get(f"/imports/{made.json['id']}").status_code == 200
        assert make_key(*WORKING, "import:run", scope="teams").get(f"/imports/{made.json['id']}").status_code == 404


class TestItsEnd:
    WORDS = "This API key is unknown, expired or revoked."

    @pytest.mark.parametrize(
        "assignment",
        ["expires_at = now()", "expires_at = now() - interval '1 day'", "revoked_at = now()", "hash = '\\x00'"],
    )
    def test_not_any_more(self, make_key: MakeKey, engine: Engine, assignment: str) -> None:
        key = make_key()
        assert key.get("/me").status_code == 200
        change(engine, assignment)
        answer = key.get("/me")
        assert (answer.status_code, answer.json["detail"]) == (401, self.WORDS)

    def test_unknown(self, app: Flask) -> None:
        for secret in ("hdk_", "hdk_x", "hdk_" + "x" * 43, "hdk_" + "x" * 600):
            assert with_secret(app, secret).get("/me").status_code == 401

    def test_revoked(self, make_key: MakeKey, admin: Caller) -> None:
        key = make_key()
        one, two = (admin.post(f"{key.path}/revoke").json for _ in range(2))
        assert one == two
        assert (one["state"], one["revoked_at"] is not None) == ("revoked", True)
        assert key.get("/me").status_code == 401
        assert len(admin.get("/audit-log?type=api_key.revoked").json["items"]) == 1
        for answer in (
            admin.post(f"{key.path}/rotate", {}),
            admin.patch(key.path, {"name": "x"}, if_match="*"),
        ):
            assert (answer.status_code, answer.json["code"], answer.json["state"]) == (409, "key_ended", "revoked")

    def test_expired(self, make_key: MakeKey, admin: Caller, engine: Engine) -> None:
        key = make_key()
        change(engine, "expires_at = now()")
        assert admin.get(key.path).json["state"] == "expired"
        assert admin.post(f"{key.path}/rotate", {}).json["code"] == "key_ended"

    def test_end_can_be_moved(self, make_key: MakeKey, admin: Caller) -> None:
        key = make_key()
        end = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        answer = admin.patch(key.path, {"expires_at": end}, if_match='"v1"')
        assert datetime.fromisoformat(answer.json["expires_at"]) == datetime.fromisoformat(end)
        late = {"expires_at": (datetime.now(UTC) + timedelta(days=367)).isoformat()}
        assert problems(admin.patch(key.path, late, if_match="*")) == {"/expires_at": "range"}
        assert problems(admin.post(f"{key.path}/rotate", late)) == {"/expires_at": "range"}


class TestRotation:
    def test_both_count_and_then_only_the_new_one(
        self, make_key: MakeKey, admin: Caller, app: Flask, engine: Engine
    ) -> None:
        key = make_key()
        answer = admin.post(f"{key.path}/rotate", {"overlap_seconds": 600}, if_match='"v1"')
        new = with_secret(app, answer.json["key"])
        assert answer.json["prefix"] != key.shown["prefix"]
        assert {caller.get("/me").json["id"] for caller in (key, new)} == {key.shown["id"]}
        left = value(engine, "extract(epoch FROM previous_until - rotated_at)")
        assert left == 600
        change(engine, "previous_until = now()")  # the time is over
        assert (key.get("/me").status_code, new.get("/me").status_code) == (401, 200)
        assert admin.get(key.path).json["previous_until"] is None
        act = admin.get("/audit-log?type=api_key.rotated").json["items"][0]["payload"]
        assert act["changes"] == {"prefix": [key.shown["prefix"], answer.json["prefix"]]}

    def test_a_day_when_nothing_is_said(self, make_key: MakeKey, admin: Caller, engine: Engine) -> None:
        admin.post(f"{make_key().path}/rotate", {})
        assert value(engine, "extract(epoch FROM previous_until - rotated_at)") == 86_400

    def test_at_once(self, make_key: MakeKey, admin: Caller, app: Flask) -> None:
        key = make_key()
        new = admin.post(f"{key.path}/rotate", {"overlap_seconds": 0}).json
        assert (key.get("/me").status_code, with_secret(app, new["key"]).get("/me").status_code) == (401, 200)
        assert new["previous_until"] is None

    def test_twice_within_the_overlap(self, make_key: MakeKey, admin: Caller, app: Flask) -> None:
        """The last two count; the first one no longer."""
        key = make_key()
        secrets = [key.shown["key"], *(admin.post(f"{key.path}/rotate", {}).json["key"] for _ in range(2))]
        assert [with_secret(app, secret).get("/me").status_code for secret in secrets] == [401, 200, 200]

    def test_at_the_same_moment(self, make_key: MakeKey, admin: Caller, app: Flask) -> None:
        """Of those who looked at one version, one rotates; the key counts all the time."""
        key = make_key()
        callers = [Caller(app.test_client(), admin.actor, admin.token) for _ in range(4)]
        answers = at_once(
            *(lambda caller=caller: caller.post(f"{key.path}/rotate", {}, if_match='"v1"') for caller in callers),
            *[lambda: key.get("/me")] * 2,
        )
        assert sorted(answer.status_code for answer in answers[:4]) == [200, 412, 412, 412]
        assert [answer.status_code for answer in answers[4:]] == [200, 200]

    def test_a_repeat_does_not_show_it_again(self, make_key: MakeKey, admin: Caller, app: Flask) -> None:
        key = make_key()
        one, two = (admin.post(f"{key.path}/rotate", {}, idempotency_key="r") for _ in range(2))
        assert (two.json["key"], two.json["prefix"]) == (None, one.json["prefix"])
        assert with_secret(app, one.json["key"]).get("/me").status_code == 200

    @pytest.mark.parametrize("overlap", [-1, 7 * 86_400 + 1, "x", 1.5, None, True])
    def test_bad(self, make_key: MakeKey, admin: Caller, overlap: Any) -> None:
        answer = admin.post(f"{make_key().path}/rotate", {"overlap_seconds": overlap})
        assert problems(answer).keys() == {"/overlap_seconds"}

    def test_revoked_ends_both(self, make_key: MakeKey, admin: Caller, app: Flask) -> None:
        key = make_key()
        new = admin.post(f"{key.path}/rotate", {}).json["key"]
        admin.post(f"{key.path}/revoke")
        assert [caller.get("/me").status_code for caller in (key, with_secret(app, new))] == [401, 401]


class TestLastUse:
    def test_at_most_once_a_minute(
        self, make_key: MakeKey, admin: Caller, engine: Engine, statements: Callable[[], Any]
    ) -> None:
        key = make_key()
        with statements() as seen:
            key.get("/me")
        assert len(seen) == 2
        noted = admin.get(key.path).json
        assert (noted["last_used_from"], noted["last_used_at"] is not None) == ("127.0.0.1", True)
        with statements() as seen:
            key.get("/me")
        assert len(seen) == 1
        assert admin.get(key.path).json["last_used_at"] == noted["last_used_at"]
        change(engine, "last_used_at = last_used_at - interval '61 seconds'")
        key.get("/me")
        assert admin.get(key.path).json["last_used_at"] >= noted["last_used_at"]
        assert admin.get(key.path).json["version"] == 1  # nothing that somebody changed

    def test_of_many_at_once_one_writes(self, make_key: MakeKey, engine: Engine) -> None:
        key = make_key()
        answers = at_once(*[lambda: Caller(key.client.application.test_client(), None, key.token).get("/me")] * 6)
        assert [answer.status_code for answer in answers] == [200] * 6
        assert value(engine, "last_used_at IS NOT NULL")

    def test_nobody_waits_for_who_changes_the_key(self, make_key: MakeKey, engine: Engine) -> None:
        key = make_key()
        with engine.connect() as holder:
            holder.execute(text("SELECT 1 FROM api_key FOR UPDATE"))
            assert key.get("/me").status_code == 200
            holder.rollback()
        assert value(engine, "last_used_at") is None
