"""Vouchers at the till: whole and in parts, once each, taken back, past their time, withdrawn, and codes that are tried."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from helpdesk.app import create_app
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.recovery.codes import new_code
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once, behind_lock, while_it_waits
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    draft,
    eur,
    execute,
    issued,
    perform,
    scalar,
    violations,
    voucher,
)
from tests.recovery.redeeming import IN_PARTS, REASON, past_its_time, shop, take_back, the_offer, use

pytestmark = pytest.mark.usefixtures("budget")


@pytest.fixture
def code(program: Program, agent: Caller, complaint: dict[str, Any]) -> str:
    """Used in one, of 30 EUR."""
    return str(issued(program, agent, complaint)["issued_reference"])


def told(agent: Caller) -> list[str]:
    """What the complaint's timeline tells of its voucher."""
    items = agent.get(f"/complaints/{the_offer(agent)['complaint_reference']}/timeline?limit=100").json["items"]
    kinds = ("offer.voucher", "offer.redeemed", "offer.unredeemed", "offer.reversed")
    return [item["summary"] for item in items if item["type"].startswith(kinds)]


class TestTill:
    def test_sees_the_voucher_and_nothing_else(self, till: Caller, agent: Caller, code: str) -> None:
        offer = the_offer(agent)
        shown = till.get(f"/vouchers/{code}")
        assert shown.status_code == 200
        assert offer["complaint_reference"] not in shown.text
        for path in (
            f"/offers/{offer['id']}",
            "/offers",
            "/complaints",
            "/customers",
            "/budgets",
            "/liabilities/vouchers",
        ):
            assert till.get(path).status_code in {403, 404}, path

    def test_who_may_not_redeem_is_told_nothing_of_codes(self, anonymous: Caller, senior: Caller, code: str) -> None:
        for tried in (code, new_code(), "slip"):
            assert anonymous.pay(f"/vouchers/{tried}/redemptions/{NO_ID}/reverse", REASON).status_code == 401
            assert senior.get(f"/vouchers/{tried}").status_code == 403
            assert use(senior, tried).status_code == 403
            assert senior.pay(f"/vouchers/{tried}/redemptions/{NO_ID}/reverse", REASON).status_code == 403

    def test_used_in_one(self, database: Database, till: Caller, agent: Caller, code: str) -> None:
        small, large = use(till, code, amount="10.00"), use(till, code, amount="30.01")
        assert (refused(small), small.json["balance"]) == ((409, "voucher_not_partial"), eur("30.00"))
        assert (refused(large), large.json["balance"]) == ((409, "voucher_too_small"), eur("30.00"))
        used = use(till, code, "receipt 1", "30.00").json
        assert (used["status"], used["balance"], used["redemption"]["amount"]) == (
            "redeemed",
            eur("0.00"),
            eur("30.00"),
        )
        assert the_offer(agent)["status"] == "redeemed"
        assert told(agent) == [
            "Voucher used: amount 30.00 EUR",
            "Voucher's code seen by the customer: kind voucher, remedies to be delivered 1 → 0",
            "Offer redeemed: kind voucher, amount 30.00 EUR",
        ]
        assert violations(database) == []

    def test_used_in_parts(self, database: Database, till: Caller, agent: Caller, parts: str) -> None:
        assert till.get(f"/vouchers/{parts}").json["partial_use"] is True
        first = use(till, parts, "receipt 1", "10.00").json
        assert (first["status"], first["balance"]) == ("valid", eur("20.00"))
        assert the_offer(agent)["status"] == "issued"
        over = use(till, parts, "receipt 2", "20.01")
        assert (refused(over), over.json["balance"]) == ((409, "voucher_too_small"), eur("20.00"))
        assert use(till, parts, "receipt 2").json["redemption"]["amount"] == eur("20.00")
        assert the_offer(agent)["status"] == "redeemed"
        assert violations(database) == []

    def test_what_does_not_fit(self, till: Caller, parts: str) -> None:
        other = till.pay(f"/vouchers/{parts}/redeem", {"amount": {"amount": "5", "currency": "JPY"}})
        assert codes(other) == [("/amount/currency", "currency"), ("/external_id", "required")]
        none = till.pay(f"/vouchers/{parts}/redeem", {"amount": eur("0.00"), "external_id": "x"})
        assert none.status_code == 422
        assert use(till, parts, amount="5.00").status_code == 422

    def test_a_repeat_is_the_same_redemption(self, database: Database, till: Caller, parts: str) -> None:
        first = use(till, parts, "receipt 1", "10.00")
        again = use(till, parts, "receipt 1", "10.00")
        assert again.json["redemption"] == first.json["redemption"]
        assert again.json["balance"] == eur("20.00")
        assert refused(use(till, parts, "receipt 1", "11.00")) == (409, "redemption_differs")
        assert use(till, parts, "receipt 2").json["status"] == "redeemed"
        assert use(till, parts, "receipt 1", "10.00").json["redemption"] == first.json["redemption"]
        assert scalar(database, "SELECT count(*) FROM voucher_entry") == 2

    def test_two_shops_with_one_receipt_number_are_two(
        self, database: Database, admin: Caller, till: Caller, parts: str
    ) -> None:
        other = shop(admin, "Another shop")
        mine, theirs = use(till, parts, "17", "10.00"), use(other, parts, "17", "10.00")
        assert mine.json["redemption"]["id"] != theirs.json["redemption"]["id"]
        assert theirs.json["balance"] == eur("10.00")
        assert take_back(other, parts, mine).status_code == 404
        assert take_back(till, parts, mine).status_code == 200
        assert violations(database) == []


class TestTakenBack:
    def test_is_on_the_voucher_again(self, database: Database, till: Caller, agent: Caller, code: str) -> None:
        used = use(till, code, "receipt 1")
        back = take_back(till, code, used)
        assert (back.status_code, back.json["status"], back.json["balance"]) == (200, "valid", eur("30.00"))
        assert back.json["redemption"]["reversed_at"] is not None
        assert the_offer(agent)["status"] == "issued"
        assert refused(take_back(till, code, used)) == (409, "redemption_reversed")
        assert refused(use(till, code, "receipt 1")) == (409, "redemption_reversed")
        assert violations(database) == []
        assert use(till, code, "receipt 2").json["status"] == "redeemed"
        assert told(agent)[3:] == [
            "Offer no longer redeemed: kind voucher, amount 30.00 EUR",
            "Use of the voucher taken back: amount 30.00 EUR",
            "Voucher used: amount 30.00 EUR",
            "Offer redeemed: kind voucher, amount 30.00 EUR",
        ]
        assert violations(database) == []

    def test_one_part_of_it(self, database: Database, till: Caller, parts: str) -> None:
        first = use(till, parts, "receipt 1", "10.00")
        use(till, parts, "receipt 2", "20.00")
        assert take_back(till, parts, first).json["balance"] == eur("10.00")
        assert violations(database) == []

    def test_by_whom(self, till: Caller, manager: Caller, senior: Caller, code: str) -> None:
        used = use(till, code, "receipt 1")
        assert take_back(senior, code, used).status_code == 403
        assert till.pay(f"/vouchers/{code}/redemptions/{NO_ID}/reverse", REASON).status_code == 404
        path = f"/vouchers/{code}/redemptions/{used.json['redemption']['id']}/reverse"
        assert codes(till.pay(path, {})) == [("/reason", "required")]
        assert take_back(manager, code, used).status_code == 200

    def test_twice_at_once(self, database: Database, till: Caller, parts: str) -> None:
        used = use(till, parts, "receipt 1", "10.00")
        windows = [another(till) for _ in range(3)]
        answers = at_once(*(lambda window=window: take_back(window, parts, used) for window in windows))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert violations(database) == []


class TestTime:
    def test_how_long_it_is_good_is_a_term_of_the_offer(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        issued(program, agent, complaint, voucher("5.00", voucher_days=10))
        issued(program, agent, complaint, voucher("6.00"))
        days = (
            "SELECT string_agg(extract(day FROM expires_at - created_at)::text, ',' ORDER BY amount_minor) FROM voucher"
        )
        assert scalar(program.database, days) == "10,365"

    def test_terms_of_a_voucher_are_of_vouchers_only(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/offers"
        letter = agent.post(path, {"kind": "apology_letter", "voucher_days": 5, "voucher_partial": True})
        assert codes(letter) == [("/voucher_days", "invalid"), ("/voucher_partial", "invalid")]
        assert codes(agent.post(path, voucher(voucher_days=0))) == [("/voucher_days", "range")]

    def test_past_it_nothing_is_bought_and_its_date_is_told(self, database: Database, till: Caller, parts: str) -> None:
        use(till, parts, "receipt 1", "10.00")
        past_its_time(database)
        until = till.get(f"/vouchers/{parts}").json["expires_at"]
        for swept in (False, True):
            answer = use(till, parts, "receipt 2", "5.00")
            assert (refused(answer), answer.json["voucher_status"]) == ((409, "voucher_not_valid"), "expired")
            assert answer.json["expires_at"] == until
            assert until[:10] in answer.json["detail"]
            assert till.get(f"/vouchers/{parts}").json["status"] == "expired"
            assert jobs.expire_vouchers(database) == (0 if swept else 1)
        assert till.get(f"/vouchers/{parts}").json["balance"] == eur("0.00")
        assert use(till, parts, "receipt 1", "10.00").status_code == 200  # what was bought in time is still told
        assert violations(database) == []

    def test_the_sweep_takes_what_is_left_once(
        self, database: Database, agent: Caller, till: Caller, code: str
    ) -> None:
        assert jobs.expire_vouchers(database) == 0
        past_its_time(database)
        assert sum(at_once(*[lambda: jobs.expire_vouchers(database)] * 3)) + jobs.expire_vouchers(database) == 1
        assert told(agent) == ["What was left on the voucher expired: amount 30.00 EUR"]
        assert violations(database) == []

    def test_used_and_expired_at_once(self, database: Database, till: Caller, code: str) -> None:
        used, _ = at_once(lambda: use(till, code, "receipt 1"), lambda: expire_now(database))
        jobs.expire_vouchers(database)
        kinds = scalar(database, "SELECT string_agg(kind, ',') FROM voucher_entry")
        assert (used.status_code, kinds) in {(200, "redeem"), (409, "expire")}
        assert violations(database) == []

    def test_expired_while_the_till_that_came_in_time_was_waiting(
        self, database: Database, till: Caller, code: str
    ) -> None:
        answer = while_it_waits(
            database.engine,
            "SELECT FROM complaint FOR UPDATE",
            lambda: use(till, code, "receipt 1"),
            "UPDATE voucher SET expires_at = clock_timestamp(), expired_at = clock_timestamp(), balance_minor = 0",
            """INSERT INTO voucher_entry (id, voucher_id, kind, amount_minor, at, actor_kind)
               SELECT gen_random_uuid(), id, 'expire', amount_minor, now(), 'system' FROM voucher""",
        )
        assert (refused(answer), answer.json["voucher_status"]) == ((409, "voucher_not_valid"), "expired")
        assert violations(database) == []

    def test_what_comes_back_too_late_is_written_off(self, database: Database, till: Caller, parts: str) -> None:
        used = use(till, parts, "receipt 1", "10.00")
        past_its_time(database)
        assert jobs.expire_vouchers(database) == 1
        back = take_back(till, parts, used)
        assert (back.json["status"], back.json["balance"]) == ("expired", eur("10.00"))
        assert use(till, parts, "receipt 2").status_code == 409
        assert jobs.expire_vouchers(database) == 1
        assert till.get(f"/vouchers/{parts}").json["balance"] == eur("0.00")
        assert violations(database) == []


def expire_now(database: Database) -> int:
    past_its_time(database)
    return jobs.expire_vouchers(database)


class TestWithdrawn:
    def test_nothing_is_left(self, database: Database, manager: Caller, agent: Caller, till: Caller, code: str) -> None:
        act(manager, the_offer(agent), "reverse", reason="Sent to the wrong person.")
        shown = till.get(f"/vouchers/{code}").json
        assert (shown["status"], shown["balance"]) == ("withdrawn", eur("0.00"))
        assert use(till, code).json["voucher_status"] == "withdrawn"
        assert told(agent)[-1] == "Voucher withdrawn: amount 30.00 EUR"
        assert violations(database) == []

    def test_not_when_something_was_bought_with_it(
        self, database: Database, manager: Caller, agent: Caller, till: Caller, parts: str
    ) -> None:
        used = use(till, parts, "receipt 1", "10.00")
        offer = the_offer(agent)
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert (refused(answer), answer.json["missing"][0]["code"]) == ((409, "action_not_allowed"), "voucher_used")
        listed = manager.get(f"/offers/{offer['id']}").json["allowed_actions"]
        (shown,) = [item for item in listed if item["action"] == "reverse"]
        assert shown["missing"][0]["code"] == "voucher_used"
        take_back(till, parts, used)
        act(manager, offer, "reverse", reason="Sent to the wrong person.")
        assert violations(database) == []

    @pytest.mark.parametrize("written_off", [False, True])
    def test_not_when_its_time_is_over(
        self, database: Database, manager: Caller, agent: Caller, till: Caller, code: str, written_off: bool
    ) -> None:
        past_its_time(database)
        if written_off:
            assert jobs.expire_vouchers(database) == 1
        offer = the_offer(agent)
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert (refused(answer), answer.json["missing"][0]["code"]) == ((409, "action_not_allowed"), "has_ended")
        listed = manager.get(f"/offers/{offer['id']}").json["allowed_actions"]
        (shown,) = [item for item in listed if item["action"] == "reverse"]
        assert [need["code"] for need in shown["missing"]] == ["has_ended"]

    def test_used_and_reversed_at_once(
        self, database: Database, manager: Caller, agent: Caller, till: Caller, parts: str
    ) -> None:
        offer = the_offer(agent)
        answers = behind_lock(
            database.engine,
            "SELECT FROM complaint FOR UPDATE",
            lambda: use(till, parts, "receipt 1", "10.00"),
            lambda: manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert refused(answers[0] if answers[0].status_code == 409 else answers[1])[1] in {
            "voucher_not_valid",
            "action_not_allowed",
        }
        assert violations(database) == []


class TestAtOnce:
    def test_two_parts_that_are_more_than_there_is(
        self, database: Database, admin: Caller, till: Caller, parts: str
    ) -> None:
        other = shop(admin, "Another shop")
        answers = behind_lock(
            database.engine,
            "SELECT FROM complaint FOR UPDATE",
            lambda: use(till, parts, "1", "20.00"),
            lambda: use(other, parts, "1", "20.00"),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        lost = next(answer for answer in answers if answer.status_code == 409)
        assert (lost.json["code"], lost.json["balance"]) == ("voucher_too_small", eur("10.00"))
        assert violations(database) == []

    def test_one_receipt_sent_four_times_is_one_redemption(self, database: Database, till: Caller, parts: str) -> None:
        windows = [another(till) for _ in range(4)]
        answers = at_once(*(lambda window=window: use(window, parts, "1", "10.00") for window in windows))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json["redemption"]["id"] for answer in answers}) == 1
        assert scalar(database, "SELECT balance_minor FROM voucher") == 2000

    def test_the_balance_cannot_go_below_zero_by_any_door(self, database: Database, parts: str) -> None:
        with pytest.raises(IntegrityError, match="ck_voucher_balance"):
            execute(database, "UPDATE voucher SET balance_minor = -1")

    def test_the_ledger_is_never_changed(self, database: Database, till: Caller, code: str) -> None:
        use(till, code)
        for statement in (
            "UPDATE voucher_entry SET amount_minor = 1",
            "DELETE FROM voucher_entry",
            "TRUNCATE voucher_entry",
        ):
            with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
                uow.session.execute(text(statement))


class TestGuessing:
    def test_no_code_and_none_that_is_out_are_told_alike(
        self, program: Program, agent: Caller, till: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        with program.database.unit_of_work(SYSTEM) as uow:  # made, and its offer failed before that was known
            uow.session.execute(text("UPDATE duty SET dead_at = now() WHERE topic = 'recovery.issue'"))
        execute(
            program.database,
            """INSERT INTO voucher (id, offer_id, code, code_digest, amount_minor, balance_minor, currency, expires_at)
               SELECT gen_random_uuid(), :offer, :code, sha256(key || convert_to(:body, 'UTF8')), 3000, 3000, 'EUR',
               now() + interval '1 day' FROM voucher_key""",
            offer=offer["id"],
            code=(made := new_code()),
            body=made,
        )
        said = [
            {name: answer.json[name] for name in ("status", "code", "title", "detail")}
            for tried in (made, new_code(), "a slip")
            for answer in (till.get(f"/vouchers/{tried}"), use(till, tried))
        ]
        assert said == said[:1] * 6
        assert said[0]["status"] == 404

    def test_a_slip_does_not_ask_the_database(self, till: Caller, statements: Any) -> None:
        with statements() as seen:
            till.get(f"/vouchers/{new_code()[:-1]}!")
        assert not [statement for statement in seen.seen if "voucher" in statement]

    def test_the_code_itself_is_not_what_is_searched_for(self, till: Caller, code: str, statements: Any) -> None:
        with statements() as seen:
            till.get(f"/vouchers/{code}")
        (search,) = [statement for statement in seen.seen if "FROM voucher JOIN" in statement.replace("\n", "")]
        assert "code_digest = sha256(" in search

    def test_wrong_codes_of_a_credential_and_of_an_address_are_counted(
        self, program: Program, admin: Caller, till: Caller, code: str
    ) -> None:
        settings = replace(program.settings, limits=True, limit_voucher="3/hour")
        app = create_app(program=replace(program, settings=settings))
        other = shop(admin, "Another shop")

        def tried(who: Caller, address: str, given: str) -> int:
            return app.test_client().get(
                f"/api/v1/vouchers/{given}",
                headers={"Authorization": f"Bearer {who.token}"},
                environ_base={"REMOTE_ADDR": address},
            ).status_code  # fmt: skip

        assert [tried(till, f"198.51.100.{it}", new_code()) for it in range(4)] == [404, 404, 404, 429]
        assert tried(till, "198.51.100.9", code) == 429  # nor is a right one looked at
        assert tried(other, "198.51.100.9", code) == 200
        assert [tried(other, "203.0.113.1", code) for _ in range(5)] == [200] * 5  # right ones are not counted
        assert [tried(other, "203.0.113.1", "a slip") for _ in range(5)] == [404] * 5  # nor are slips
        assert [tried(other, "203.0.113.1", new_code()) for _ in range(4)] == [404, 404, 404, 429]

    def test_who_has_to_wait_waits_at_every_process(
        self, program: Program, admin: Caller, code: str, redis_url: str
    ) -> None:
        """Two of the API with one Redis: one that was told of no wrong code had let every other right one through."""
        settings = replace(program.settings, limits=True, limit_voucher="3/hour", redis_url=redis_url)
        token = shop(admin, "A thief").token
        apps = [create_app(program=replace(program, settings=settings)) for _ in range(2)]
        one, two = (Caller(app.test_client(), admin.actor, token) for app in apps)
        assert [one.get(f"/vouchers/{new_code()}").status_code for _ in range(3)] == [404] * 3
        tried = [each.get(f"/vouchers/{code}") for each in (two, one, two)]
        assert [(answer.status_code, answer.json["code"]) for answer in tried] == [(429, "quota_exceeded")] * 3


class TestLiability:
    def test_wrong_role(self, anonymous: Caller, agent: Caller) -> None:
        assert anonymous.get("/liabilities/vouchers").status_code == 401
        assert agent.get("/liabilities/vouchers").status_code == 403

    def test_what_is_owed_and_what_became_of_the_rest(
        self,
        program: Program,
        agent: Caller,
        manager: Caller,
        till: Caller,
        complaint: dict[str, Any],
    ) -> None:
        parts = issued(program, agent, complaint, IN_PARTS)["issued_reference"]
        assert manager.get("/liabilities/vouchers").json["items"][0]["outstanding"] == eur("30.00")
        use(till, parts, "1", "12.00")
        late = issued(program, agent, complaint, voucher("7.00"))
        gone = issued(program, agent, complaint, voucher("5.00"))
        act(manager, gone, "reverse", reason="Sent to the wrong person.")
        draft(agent, complaint, voucher("1.00"))
        execute(program.database, "UPDATE voucher SET expires_at = now() WHERE offer_id = :id", id=late["id"])
        for _ in range(2):  # before the sweep and after it
            (shown,) = manager.get("/liabilities/vouchers").json["items"]
            assert shown == {
                "issued": eur("42.00"),
                "outstanding": eur("18.00"),
                "used": eur("12.00"),
                "expired": eur("7.00"),
                "withdrawn": eur("5.00"),
                "open": 1,
            }
            jobs.expire_vouchers(program.database)


def test_the_customer_sees_what_is_left(
    program: Program, agent: Caller, anonymous: Caller, till: Caller, complaint: dict[str, Any]
) -> None:
    offer = accepted(agent, complaint, IN_PARTS)
    link = (
        scalar(program.database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        .split("/offers/")[1]
        .split()[0]
    )
    perform(program)
    assert "in one or in parts" in scalar(
        program.database, "SELECT body FROM outbound_mail WHERE reason = 'voucher_in_parts'"
    )
    code = agent.get(f"/offers/{offer['id']}").json["issued_reference"]
    use(till, code, "1", "12.00")
    shown = anonymous.get(f"/public/offers/{link}").json
    assert (shown["voucher_code"], shown["voucher_balance"], shown["voucher_partial"]) == (code, eur("18.00"), True)
