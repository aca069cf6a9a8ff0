"""The ledger of a voucher, read and attacked: who sees it, what an evidence pack tells, and what can be taken back.

How it can fail: another team reads it; the code is in it; what was used before there was a ledger stands behind what came after;
a reversal of another voucher's redemption, of a reversal, of what expired, by a guessed id or code, with a worn key; money comes
back twice.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from helpdesk.app import create_app
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.recovery.codes import new_code
from helpdesk.recovery.evidence_queries import offers_as_evidence
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once, behind_lock
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    draft,
    eur,
    execute,
    issued,
    scalar,
    violations,
    voucher,
)
from tests.recovery.redeeming import REASON, past_its_time, shop, take_back, the_offer, use

pytestmark = pytest.mark.usefixtures("budget")


def entries(caller: Caller, offer: dict[str, Any], more: str = "") -> Any:
    return caller.get(f"/offers/{offer['id']}/voucher/entries{more}")


def path_of(code: str, redemption: object) -> str:
    return f"/vouchers/{code}/redemptions/{redemption}/reverse"


class TestList:
    def test_anonymous(self, anonymous: Caller, agent: Caller, parts: str) -> None:
        assert entries(anonymous, the_offer(agent)).status_code == 401

    def test_another_team_and_a_till_see_nothing(
        self, stranger: Caller, till: Caller, agent: Caller, parts: str
    ) -> None:
        assert entries(stranger, the_offer(agent)).status_code == 404
        assert entries(till, the_offer(agent)).status_code == 403

    def test_what_became_of_it(self, database: Database, till: Caller, agent: Caller, parts: str) -> None:
        offer = the_offer(agent)
        assert entries(agent, offer).json["items"] == []
        first = use(till, parts, "receipt 1", "10.00")
        use(till, parts, "receipt 2", "5.00")
        take_back(till, parts, first)
        past_its_time(database)
        jobs.expire_vouchers(database)
        items = entries(agent, offer).json["items"]
        assert [(item["kind"], item["amount"], item["external_id"]) for item in items] == [
            ("redeem", eur("10.00"), "receipt 1"),
            ("redeem", eur("5.00"), "receipt 2"),
            ("reverse", eur("10.00"), None),
            ("expire", eur("25.00"), None),
        ]
        assert items[0]["id"] == first.json["redemption"]["id"] == items[2]["reverses_id"]
        assert [item["actor_kind"] for item in items] == ["integration"] * 3 + ["system"]
        assert parts not in entries(agent, offer).text

    def test_page_by_page(self, till: Caller, agent: Caller, parts: str) -> None:
        offer = the_offer(agent)
        for number in range(5):
            use(till, parts, f"receipt {number}", "1.00")
        first = entries(agent, offer, "?limit=3").json
        second = entries(agent, offer, f"?limit=3&cursor={first['next_cursor']}").json
        seen = [[item["external_id"] for item in page["items"]] for page in (first, second)]
        assert seen == [["receipt 0", "receipt 1", "receipt 2"], ["receipt 3", "receipt 4"]]
        assert second["next_cursor"] is None

    def test_by_time_where_the_ids_say_nothing_of_it(
        self, database: Database, till: Caller, agent: Caller, parts: str
    ) -> None:
        """As of vouchers that were used before there was a ledger."""
        execute(
            database,
            """INSERT INTO voucher_entry (id, voucher_id, kind, amount_minor, at, actor_kind)
               SELECT 'ffffffff-ffff-4fff-bfff-ffffffffffff', id, 'redeem', 1000, now() - interval '1 day', 'system'
               FROM voucher""",
        )
        execute(database, "UPDATE voucher SET balance_minor = 2000")
        use(till, parts, "receipt 1", "5.00")
        offer = the_offer(agent)
        assert [item["external_id"] for item in entries(agent, offer).json["items"]] == [None, "receipt 1"]
        page = entries(agent, offer, "?limit=1").json
        rest = entries(agent, offer, f"?limit=1&cursor={page['next_cursor']}").json
        assert [item["external_id"] for item in rest["items"]] == ["receipt 1"]
        assert violations(database) == []

    def test_none_before_the_customer_has_it_and_of_what_is_none(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        letter = issued(program, agent, complaint, {"kind": "apology_letter"})
        for offer in (draft(agent, complaint), letter, {"id": NO_ID}):
            assert refused(entries(agent, offer)) == (404, "not_found")
        waits = accepted(agent, complaint)
        execute(
            program.database,
            """INSERT INTO voucher (id, offer_id, code, code_digest, amount_minor, balance_minor, currency, expires_at)
               VALUES (gen_random_uuid(), :offer, 'x', 'x', 3000, 3000, 'EUR', now())""",
            offer=waits["id"],
        )
        assert refused(entries(agent, waits)) == (404, "not_found")


class TestEvidence:
    def test_tells_the_ledger_and_no_code(
        self, database: Database, till: Caller, agent: Caller, complaint: dict[str, Any], parts: str
    ) -> None:
        first = use(till, parts, "receipt 1", "10.00")
        take_back(till, parts, first)
        use(till, parts, "receipt 2", "30.00")
        draft(agent, complaint)
        with database.reader() as session:
            told, drafted = offers_as_evidence(session, UUID(complaint["id"]))
        voucher = told["voucher"]
        assert drafted["voucher"] is None
        assert (voucher["amount_minor"], voucher["balance_minor"], voucher["currency"]) == (3000, 0, "EUR")
        assert voucher["redeemed_at"] is not None
        assert [(entry["kind"], entry["amount_minor"]) for entry in voucher["entries"]] == [
            ("redeem", 1000),
            ("reverse", 1000),
            ("redeem", 3000),
        ]
        assert voucher["entries"][1]["reverses_id"] == first.json["redemption"]["id"]
        assert parts not in repr(told)
        assert "digest" not in repr(told)

    def test_nothing_of_what_the_customer_never_got(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        execute(
            program.database,
            """INSERT INTO voucher (id, offer_id, code, code_digest, amount_minor, balance_minor, currency, expires_at)
               VALUES (gen_random_uuid(), :offer, 'x', 'x', 3000, 3000, 'EUR', now())""",
            offer=offer["id"],
        )
        with program.database.reader() as session:
            (told,) = offers_as_evidence(session, UUID(complaint["id"]))
        assert told["voucher"] is None


class TestHostileReversal:
    @pytest.fixture
    def used(self, till: Caller, parts: str) -> Any:
        return use(till, parts, "receipt 1", "10.00")

    def untouched(self, database: Database) -> None:
        assert scalar(database, "SELECT string_agg(kind, ',' ORDER BY at) FROM voucher_entry") == "redeem"
        assert scalar(database, "SELECT sum(balance_minor) FROM voucher WHERE partial") == 2000
        assert violations(database) == []

    def test_of_another_voucher(
        self, program: Program, till: Caller, manager: Caller, complaint: dict[str, Any], used: Any
    ) -> None:
        """With the code of one, and the redemption of the other: both are the caller's own."""
        other = issued(program, manager, complaint, voucher("7.00"))["issued_reference"]
        assert refused(till.pay(path_of(other, used.json["redemption"]["id"]), REASON)) == (404, "not_found")
        assert scalar(program.database, "SELECT count(*) FROM voucher_entry") == 1
        assert violations(program.database) == []

    def test_of_what_is_no_redemption(self, database: Database, manager: Caller, parts: str, used: Any) -> None:
        """A reversal, or what expired: money would come out of nothing."""
        assert take_back(manager, parts, used).status_code == 200
        past_its_time(database)
        assert jobs.expire_vouchers(database) == 1
        with database.reader() as session:
            ids = session.connection().exec_driver_sql("SELECT id FROM voucher_entry WHERE kind <> 'redeem'").scalars()
            others = list(ids)
        assert len(others) == 2
        for entry_id in others:
            assert refused(manager.pay(path_of(parts, entry_id), REASON)) == (404, "not_found")
        assert scalar(database, "SELECT balance_minor FROM voucher") == 0
        assert violations(database) == []

    def test_of_an_id_that_is_none(self, database: Database, till: Caller, parts: str, used: Any) -> None:
        for redemption in ("", "x", "1", "%00", "..%2F..", NO_ID, "' OR 1=1; --"):
            assert till.pay(path_of(parts, redemption), REASON).status_code == 404, redemption
        self.untouched(database)

    def test_bodies_that_do_not_fit(self, database: Database, till: Caller, parts: str, used: Any) -> None:
        path = path_of(parts, used.json["redemption"]["id"])
        for bad in (None, "", " \n ", "x" * 501, 7, ["x"], {"x": "y"}, "a\x00b"):
            answer = till.pay(path, {"reason": bad})
            assert (answer.status_code, [pointer for pointer, _ in codes(answer)]) == (422, ["/reason"]), bad
        for more in ({"amount": eur("1.00")}, {"id": str(NO_ID)}, {"reverses_id": str(NO_ID)}):
            assert codes(till.pay(path, REASON | more)) == [(f"/{next(iter(more))}", "unknown_field")]
        assert codes(till.pay(path, {})) == [("/reason", "required")]
        self.untouched(database)

    def test_a_reason_that_looks_like_something_else_is_kept_as_it_is(
        self, till: Caller, agent: Caller, parts: str, used: Any
    ) -> None:
        path = path_of(parts, used.json["redemption"]["id"])
        words = "رجوع <script>alert(1)</script> 退回 'OR 1=1"
        assert till.pay(path, {"reason": words}).status_code == 200
        ref = the_offer(agent)["complaint_reference"]
        items = agent.get(f"/complaints/{ref}/timeline?limit=100").json["items"]
        (told,) = [item for item in items if item["type"] == "offer.voucher_use_reversed"]
        assert told["payload"]["reason"] == words

    def test_without_a_key_or_with_one_that_was_for_another(
        self, database: Database, till: Caller, parts: str, used: Any
    ) -> None:
        second = use(till, parts, "receipt 2", "5.00")
        first_path, second_path = (path_of(parts, one.json["redemption"]["id"]) for one in (used, second))
        assert refused(till.post(first_path, REASON)) == (400, "idempotency_key_required")
        back = till.post(first_path, REASON, idempotency_key="one")
        assert till.post(first_path, REASON, idempotency_key="one").json == back.json
        assert refused(till.post(first_path, {"reason": "Other."}, idempotency_key="one")) == (
            422,
            "idempotency_key_reused",
        )
        assert till.post(second_path, REASON, idempotency_key="one").status_code == 200, "a key is of one path"
        assert scalar(database, "SELECT balance_minor FROM voucher") == 3000
        assert violations(database) == []

    def test_by_a_key_that_was_revoked(
        self, database: Database, admin: Caller, manager: Caller, till: Caller, parts: str, used: Any
    ) -> None:
        (key,) = [item for item in admin.get("/api-keys").json["items"] if item["name"] == "A shop"]
        assert admin.post(f"/api-keys/{key['id']}/revoke", if_match="*").status_code == 200
        assert take_back(till, parts, used).status_code == 401
        self.untouched(database)
        assert take_back(manager, parts, used).status_code == 200, "who may revoke offers still can"

    def test_guessed_codes_are_counted_here_too(self, program: Program, admin: Caller, parts: str, used: Any) -> None:
        settings = replace(program.settings, limits=True, limit_voucher="3/hour")
        app = create_app(program=replace(program, settings=settings))
        thief = Caller(app.test_client(), admin.actor, shop(admin, "A thief").token)
        tried = [thief.pay(path_of(new_code(), NO_ID), REASON).status_code for _ in range(4)]
        assert tried == [404, 404, 404, 429]
        assert thief.pay(path_of(parts, used.json["redemption"]["id"]), REASON).status_code == 429
        self.untouched(program.database)

    def test_and_used_again_at_once(self, database: Database, till: Caller, parts: str, used: Any) -> None:
        """Twenty are left, ten come back: all of thirty, or one that is told that there is less."""
        window = another(till)
        back, taken = behind_lock(
            database.engine,
            "SELECT FROM complaint FOR UPDATE",
            lambda: take_back(till, parts, used),
            lambda: use(window, parts, "receipt 2", "30.00"),
        )
        assert back.status_code == 200
        assert (taken.status_code, scalar(database, "SELECT balance_minor FROM voucher")) in {(200, 0), (409, 3000)}
        assert violations(database) == []

    def test_and_written_off_at_once(self, database: Database, till: Caller, parts: str, used: Any) -> None:
        past_its_time(database)
        at_once(lambda: take_back(till, parts, used), lambda: jobs.expire_vouchers(database))
        jobs.expire_vouchers(database)
        assert scalar(database, "SELECT balance_minor FROM voucher") == 0
        lost = scalar(database, "SELECT sum(amount_minor) FROM voucher_entry WHERE kind = 'expire'")
        assert lost == 3000
        assert violations(database) == []

    def test_and_withdrawn_at_once(
        self, database: Database, manager: Caller, agent: Caller, till: Caller, parts: str, used: Any
    ) -> None:
        """An offer is reversed only when nothing is bought with it: after the reversal of the redemption, or not at all."""
        offer = the_offer(agent)
        back, gone = behind_lock(
            database.engine,
            "SELECT FROM complaint FOR UPDATE",
            lambda: take_back(till, parts, used),
            lambda: another(manager).pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "A slip."}),
        )
        assert back.status_code == 200
        balance = scalar(database, "SELECT balance_minor FROM voucher")
        assert (gone.status_code, balance) in {(200, 0), (409, 3000)}
        assert violations(database) == []
        if gone.status_code == 409:
            act(manager, offer, "reverse", reason="A slip.")
        assert refused(take_back(till, parts, used)) == (409, "redemption_reversed")
        assert use(till, parts, "receipt 3", "1.00").json["voucher_status"] == "withdrawn"
        assert violations(database) == []
