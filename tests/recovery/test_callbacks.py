"""What providers call back: before their answer, twice, late, out of order, and by others.

How it can fail: somebody else's word counts; an old message counts again; two at once both count; a callback before the answer
makes the answer a second issuance; a late one is lost. What contradicts the books is in `test_contradictions`.
"""

import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from helpdesk.app import create_app
from helpdesk.kernel import signatures
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import accepted, ledger, scalar, told, violations
from tests.recovery.providing import call_back, let_pass, order_of, refund, register, said, status, work
from tests.recovery.reference_provider import ReferenceProvider

NO_ID = "01a225f0-c198-7750-bd84-07b9c2022676"


pytestmark = pytest.mark.usefixtures("budget")


class TestLimit:
    """Of an address, whoever calls from it: a busy provider uses up nothing of the public's, nor the public of the provider's."""

    def test_is_apart_from_the_public_s(
        self, program: Program, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        settings = replace(program.settings, limits=True, limit_callback="3/hour", limit_public="2/hour")
        client = create_app(program=replace(program, settings=settings)).test_client()
        caller = Caller(client, None, None)
        assert [caller.get("/public/offers/x").status_code for _ in range(3)] == [404, 404, 429]
        assert [call_back(caller, registered, said(pending)).status_code for _ in range(2)] == [200, 200]
        unsigned = f"/public/recovery/callbacks/{registered['id']}"
        assert caller.post(unsigned, said(pending)).status_code == 401
        spent = call_back(caller, registered, said(pending))
        assert (refused(spent), spent.json["violated-policies"]) == ((429, "quota_exceeded"), ["callback"])
        assert caller.get("/public/offers/x").status_code == 429


class TestSigned:
    def test_by_nobody(self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]) -> None:
        answer = anonymous.post(f"/public/recovery/callbacks/{registered['id']}", said(pending))
        assert refused(answer) == (401, "callback_refused")

    @pytest.mark.parametrize(
        "headers",
        [
            {"webhook_signature": "v1,AAAA"},
            {"webhook_signature": ""},
            {"webhook_id": "msg_2"},
            {"webhook_id": ""},
            {"webhook_id": "a b"},
            {"webhook_timestamp": "soon"},
            {"webhook_timestamp": "1" * 13},
            {"webhook_timestamp": "-1"},
        ],
    )
    def test_wrongly(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any], headers: dict[str, Any]
    ) -> None:
        assert refused(call_back(anonymous, registered, said(pending), **headers)) == (401, "callback_refused")

    @pytest.mark.parametrize("off", [-signatures.TOLERANCE - 30, signatures.TOLERANCE + 30])
    def test_at_another_time(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any], off: int
    ) -> None:
        answer = call_back(anonymous, registered, said(pending), at=int(time.time()) + off)
        assert refused(answer) == (401, "callback_refused")

    def test_with_anothers_secret_or_for_nobody(
        self, anonymous: Caller, admin: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        other = register(admin, None, name="Others")
        wrong = call_back(anonymous, registered | {"secret": other["secret"]}, said(pending))
        nobody = call_back(anonymous, registered | {"id": NO_ID}, said(pending))
        assert refused(wrong) == refused(nobody) == (401, "callback_refused")
        assert wrong.json["detail"] == nobody.json["detail"]

    def test_of_one_whose_secret_no_key_opens(
        self, program: Program, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        """The installation's key was changed: nobody can tell any more who signed."""
        tools = replace(program.tools, signing_key="another-" + "k" * 40)
        client = create_app(program=replace(program, tools=tools)).test_client()
        assert refused(call_back(Caller(client, None, None), registered, said(pending))) == (401, "callback_refused")

    def test_of_what_another_was_asked(
        self, anonymous: Caller, admin: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        other = register(admin, None, name="Others")
        assert refused(call_back(anonymous, other, said(pending))) == (404, "not_found")
        assert refused(call_back(anonymous, registered, said(pending, round_=2))) == (404, "not_found")

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"reference": None}, ("/reference", "null")),
            ({"reference": ""}, ("/reference", "length")),
            ({"reference": True}, ("/reference", "invalid")),
            ({"reference": 1.5}, ("/reference", "invalid")),
            ({"reference": 2.0}, ("/reference", "invalid")),
            ({"reference": [7]}, ("/reference", "invalid")),
            ({"id": False}, ("/id", "invalid")),
            ({"status": "done"}, ("/status", "choice")),
            ({"colour": "red"}, ("/colour", "unknown_field")),
            ({"idempotency_key": 7}, ("/idempotency_key", "invalid")),
            ({"status": "failed"}, ("/reason", "required")),
        ],
    )
    def test_what_does_not_fit(
        self,
        anonymous: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        change: dict[str, Any],
        expected: tuple[str, str],
    ) -> None:
        answer = call_back(anonymous, registered, said(pending) | change)
        assert answer.status_code == 422
        assert [pointer for pointer, _ in codes(answer)] == [expected[0]]

    def test_too_large_or_no_json(self, anonymous: Caller, registered: dict[str, Any]) -> None:
        assert refused(call_back(anonymous, registered, b"x" * 70_000)) == (413, "callback_too_large")
        assert refused(call_back(anonymous, registered, b"{")) == (400, "malformed_request")

    def test_with_the_secret_before_while_it_counts(
        self, anonymous: Caller, admin: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        path = f"/recovery/providers/{registered['id']}/rotate"
        assert admin.post(path, {"overlap_seconds": 3600}, if_match="*").status_code == 200
        assert call_back(anonymous, registered, said(pending, "pending")).status_code == 200
        assert admin.post(path, {"overlap_seconds": 0}, if_match="*").status_code == 200
        assert refused(call_back(anonymous, registered, said(pending), message_id="m2")) == (401, "callback_refused")


class TestTold:
    def test_issued(
        self, program: Program, anonymous: Caller, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        answer = call_back(anonymous, registered, said(pending))
        assert answer.json == {"state": "issued", "contradicts": False}
        assert status(agent, pending) == ("issued", None)
        assert ledger(program.database) == ["reserve", "commit"]
        work(program)
        assert told(program.database, "offer.issued") == 1
        assert violations(program.database) == []

    @pytest.mark.parametrize("number", [0, 4711, 2**64 - 1, -7])
    def test_issued_as_a_whole_number(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        number: int,
    ) -> None:
        """Number or text, it is one and the same reference."""
        answer = call_back(anonymous, registered, said(pending, reference=number, id=number))
        assert answer.json == {"state": "issued", "contradicts": False}
        assert agent.get(f"/offers/{pending['id']}").json["issued_reference"] == str(number)
        same = call_back(anonymous, registered, said(pending, reference=str(number), id=str(number)))
        assert same.json == {"state": "issued", "contradicts": False}
        late = call_back(anonymous, registered, said(pending, reference=number), message_id="m2")
        assert late.json == {"state": "issued", "contradicts": False}
        assert violations(program.database) == []

    def test_beyond_64_bits_it_is_no_whole_number(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        """The reader of JSON has rounded it by then: another reference than the provider's would be kept."""
        body = orjson.dumps(said(pending, reference=7)).replace(b'"reference":7', b'"reference":18446744073709551616')
        answer = call_back(anonymous, registered, body)
        assert codes(answer) == [("/reference", "invalid")]

    def test_failed(self, program: Program, agent: Caller, failed: dict[str, Any]) -> None:
        assert "Account closed." in agent.get(f"/offers/{failed['id']}").json["status_reason"]
        assert ledger(program.database) == ["reserve", "release"]
        assert violations(program.database) == []

    def test_the_same_twice_and_by_four_at_once(
        self, program: Program, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        windows = [Caller(anonymous.client.application.test_client(), None, None) for _ in range(4)]
        answers = at_once(*(lambda who=who: call_back(who, registered, said(pending)) for who in windows))
        answers.append(call_back(anonymous, registered, said(pending)))
        assert {answer.status_code for answer in answers} == {200}
        assert scalar(program.database, "SELECT count(*) FROM remedy_callback") == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1
        assert violations(program.database) == []

    def test_the_same_id_with_another_body_is_refused(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        assert call_back(anonymous, registered, said(pending, "pending")).status_code == 200
        assert refused(call_back(anonymous, registered, said(pending))) == (409, "callback_differs")

    def test_before_the_answer_to_our_request(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        registered: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        offer = accepted(agent, complaint, refund())
        client = Caller(anonymous.client.application.test_client(), None, None)
        provider.before = lambda _key: call_back(client, registered, said(offer))
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert told(program.database, "offer.issued") == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert order_of(program.database, offer).contradiction is None
        assert violations(program.database) == []

    def test_instead_of_an_answer(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        registered: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["silent"]
        work(program)
        assert call_back(anonymous, registered, said(offer)).json["state"] == "issued"
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert [method for method, _ in provider.asked] == ["POST"]
        assert violations(program.database) == []

    def test_what_nobody_knew(
        self, program: Program, anonymous: Caller, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        let_pass(program.database, pending, "8 days")
        work(program)
        assert status(agent, pending) == ("issuing", "unknown")
        call_back(anonymous, registered, said(pending))
        assert status(agent, pending) == ("issued", None)
        assert violations(program.database) == []


def test_what_was_called_back_is_never_changed(
    program: Program, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
) -> None:
    call_back(anonymous, registered, said(pending))
    for statement in ("UPDATE remedy_callback SET says = 'failed'", "DELETE FROM remedy_callback"):
        with program.engine.connect() as connection, pytest.raises(Exception, match="never changed"):
            connection.execute(text(statement))
