"""Vouchers and points that were issued and are not good any more: what page and JSON say of them.

How it can fail: a code that no till takes is shown as good, before or after it was written off; what was used reads as if it had
expired, or the other way round; the day is missing; points never say until when they are good; what is good again, since its use was
taken back, reads as used.
"""

from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.recovery.models import LANGUAGES
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.recovery.helpers import act, eur, execute, offered, perform, voucher
from tests.recovery.offer_page.visiting import Visit, opened
from tests.recovery.redeeming import take_back, use
from tests.recovery.test_breakdown import seen

PAST: Final = "now() - interval '1 second'"
NO_LONGER: Final = {"en": "cannot be used any more", "zh": "已不能再使用"}
ALL_USED: Final = {"en": "All of them were used", "zh": "已全部使用"}


def given(program: Program, caller: Caller, complaint: dict[str, Any], body: dict[str, Any] | None = None) -> Any:
    """Issued, with the link."""
    offer = offered(caller, complaint, body)
    act(caller, offer, "accept", said_by="phone")
    assert perform(program)["done"] == 1
    return offer | {"code": caller.get(f"/offers/{offer['id']}").json["issued_reference"]}


def has(shown: dict[str, Any]) -> tuple[Any, ...]:
    return shown["status"], shown["validity"], shown["voucher_code"], shown["voucher_balance"]


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def customer(manager: Caller) -> str:
    return str(manager.post("/customers", {"name": "Li Wei"}).json["id"])


@pytest.fixture
def theirs(manager: Caller, customer: str, team: Any, language: str) -> dict[str, Any]:
    person = {"name": "Li Wei", "email": "li@example.com", "language": language}
    answer = manager.post("/complaints", complaint_body(team_id=str(team), customer_id=customer, complainant=person))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


class TestVoucher:
    def test_past_its_time(
        self, program: Program, client: FlaskClient, manager: Caller, anonymous: Caller, theirs: Any, language: str
    ) -> None:
        offer = given(program, manager, theirs, voucher(voucher_partial=True))
        code = offer["code"]
        shown = seen(offer, anonymous)
        assert has(shown) == ("issued", "valid", code, eur("30.00"))
        execute(program.database, f"UPDATE voucher SET expires_at = {PAST}")
        for swept in (False, True):
            assert not swept or jobs.expire_vouchers(program.database) == 1
            shown = seen(offer, anonymous)
            assert has(shown) == ("issued", "expired", None, None)
            page = opened(client, offer).page
            assert code not in page.html
            assert NO_LONGER[language] in page.text
            assert page.one("time")["datetime"] == shown["voucher_expires_at"]

    def test_used_up_and_given_back(
        self, program: Program, manager: Caller, anonymous: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = given(program, manager, complaint)
        code = offer["code"]
        used = use(manager, code, "receipt 1")
        assert has(seen(offer, anonymous)) == ("redeemed", "used", None, None)
        assert take_back(manager, code, used).status_code == 200
        assert has(seen(offer, anonymous)) == ("issued", "valid", code, eur("30.00"))

    def test_of_one_that_was_taken_back_nothing(
        self, program: Program, manager: Caller, anonymous: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = given(program, manager, complaint)
        act(manager, offer, "reverse", reason="x")
        assert has(seen(offer, anonymous)) == ("reversed", None, None, None)


class TestPoints:
    @pytest.fixture
    def offer(self, program: Program, manager: Caller, theirs: dict[str, Any]) -> Any:
        return given(program, manager, theirs, voucher("30.00", kind="points"))

    @pytest.fixture
    def visit(self, client: FlaskClient, offer: Any) -> Visit:
        return opened(client, offer)

    def burn(self, caller: Caller, customer: str, amount: str) -> str:
        answer = caller.pay(f"/customers/{customer}/points/burns", {"amount": eur(amount), "external_id": amount})
        assert answer.status_code == 200, answer.text
        return str(answer.json["id"])

    def test_until_when_they_are_good(
        self, visit: Visit, anonymous: Caller, admin: Caller, customer: str, offer: Any
    ) -> None:
        shown = seen(offer, anonymous)
        assert (shown["status"], shown["validity"]) == ("issued", "valid")
        assert shown["points_expires_at"] is not None
        assert visit.page.one("time")["datetime"] == shown["points_expires_at"]
        self.burn(admin, customer, "10.00")
        assert visit.open().one("time")["datetime"] == shown["points_expires_at"], "some are left"

    def test_all_used(
        self,
        database: Database,
        visit: Visit,
        anonymous: Caller,
        admin: Caller,
        customer: str,
        offer: Any,
        language: str,
    ) -> None:
        burnt = self.burn(admin, customer, "30.00")
        for past in (False, True):
            if past:
                execute(database, f"UPDATE points_lot SET expires_at = {PAST}")
            assert seen(offer, anonymous)["validity"] == "used", "in time"
            assert ALL_USED[language] in visit.open().text
            assert NO_LONGER[language] not in visit.page.text
        path = f"/customers/{customer}/points/burns/{burnt}/reverse"
        assert admin.pay(path, {"reason": "x"}).status_code == 200
        assert seen(offer, anonymous)["validity"] == "expired"

    def test_past_their_time(
        self,
        database: Database,
        visit: Visit,
        anonymous: Caller,
        admin: Caller,
        customer: str,
        offer: Any,
        language: str,
    ) -> None:
        self.burn(admin, customer, "10.00")
        execute(database, f"UPDATE points_lot SET expires_at = {PAST}")
        for swept in (False, True):
            assert not swept or jobs.expire_points(database) == 1
            shown = seen(offer, anonymous)
            assert (shown["status"], shown["validity"]) == ("issued", "expired")
            page = visit.open()
            assert NO_LONGER[language] in page.text
            assert page.one("time")["datetime"] == shown["points_expires_at"]

    def test_taken_back(self, manager: Caller, anonymous: Caller, offer: Any) -> None:
        act(manager, offer, "reverse", reason="x")
        shown = seen(offer, anonymous)
        assert (shown["validity"], shown["points_expires_at"]) == (None, None)
