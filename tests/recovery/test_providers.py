"""Outside providers as data, the guard of what we send out, and the list of what went wrong.

How it can fail: a secret is shown twice, kept in clear or told in the log; a request goes to our own network; an answer
without end; two providers of one name; an edit over another's.
"""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from helpdesk.kernel import outgoing, signatures
from helpdesk.recovery import provider_answers
from helpdesk.recovery.provider_answers import of_issue, of_status
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import accepted, act, scalar, violations, voucher
from tests.recovery.providing import refund, register, status, work
from tests.recovery.reference_provider import ReferenceProvider, running

PATH = "/recovery/providers"
GOOD = {"name": "Payments", "url": "https://pay.example.com/remedies", "kinds": ["refund"]}


class TestProviders:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(PATH).status_code == 401
        assert anonymous.post(PATH, GOOD).status_code == 401

    def test_wrong_role(self, senior: Caller, manager: Caller) -> None:
        assert refused(senior.get(PATH)) == (403, "forbidden")
        assert manager.get(PATH).status_code == 200
        assert refused(manager.post(PATH, GOOD)) == (403, "forbidden")

    def test_made_with_a_secret_that_is_shown_once(self, program: Program, admin: Caller, auditor: Caller) -> None:
        answer = admin.post(PATH, GOOD, idempotency_key="one")
        assert answer.status_code == 201
        secret = answer.json["secret"]
        assert signatures.is_secret(secret)
        again = admin.post(PATH, GOOD, idempotency_key="one")
        assert (again.json["id"], again.json["secret"]) == (answer.json["id"], None)
        shown = auditor.get(f"{PATH}/{answer.json['id']}").json
        assert "secret" not in shown
        assert secret.encode() not in bytes(scalar(program.database, "SELECT secret FROM remedy_provider"))
        assert scalar(program.database, "SELECT count(*) FROM event WHERE payload::text LIKE '%whsec_%'") == 0

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"kinds": []}, "/kinds"),
            ({"kinds": ["voucher"]}, "/kinds/0"),
            ({"currencies": ["EUR", "XXQ"]}, "/currencies/1"),
            ({"url": None}, "/url"),
            ({"url": "ftp://pay.example.com"}, "/url"),
            ({"url": "https://me:secret@pay.example.com/"}, "/url"),
            ({"url": "https://pay.example.com/?a=b"}, "/url"),
            ({"url": "https://pay.example.com/#a"}, "/url"),
            ({"url": "https://pay.example.com/ü"}, "/url"),
            ({"url": "https://[::1"}, "/url"),
            ({"mode": "recording"}, "/url"),
            ({"timeout_seconds": 61}, "/timeout_seconds"),
            ({"name": " "}, "/name"),
            ({"colour": "red"}, "/colour"),
        ],
    )
    def test_what_does_not_fit(self, admin: Caller, change: dict[str, Any], pointer: str) -> None:
        answer = admin.post(PATH, GOOD | change)
        assert answer.status_code == 422
        assert [found for found, _ in codes(answer)] == [pointer]

    def test_one_of_a_name(self, admin: Caller) -> None:
        made = admin.post(PATH, GOOD).json
        assert refused(admin.post(PATH, GOOD | {"name": "PAYMENTS"})) == (409, "remedy_provider_name_taken")
        assert admin.patch(f"{PATH}/{made['id']}", {"name": "payments"}, if_match="*").status_code == 200

    def test_an_edit_is_told_and_not_over_anothers(self, program: Program, admin: Caller) -> None:
        made = admin.post(PATH, GOOD).json
        path = f"{PATH}/{made['id']}"
        assert refused(admin.patch(path, {"enabled": False})) == (428, "precondition_required")
        assert admin.patch(path, {"enabled": False}, if_match='"v1"').json["version"] == 2
        assert refused(admin.patch(path, {"enabled": True}, if_match='"v1"')) == (412, "precondition_failed")
        assert admin.patch(path, {"enabled": False}, if_match='"v2"').json["version"] == 2, "nothing changed"
        assert admin.get(f"{PATH}?enabled=true").json["items"] == []
        assert len(admin.get(f"{PATH}?enabled=false").json["items"]) == 1
        told = scalar(program.database, "SELECT payload -> 'changes' FROM event WHERE type = 'remedy_provider.changed'")
        assert told == {"enabled": [True, False]}

    def test_nobody(self, admin: Caller) -> None:
        assert admin.get(f"{PATH}/{NO_ID}").status_code == 404
        assert admin.patch(f"{PATH}/{NO_ID}", {}, if_match="*").status_code == 404

    def test_who_issues_what(self, program: Program, admin: Caller, agent: Caller, budget: str, complaint: Any) -> None:
        """Who names the currency before who takes all; who is switched off, or issues other kinds, is not asked."""
        for more in (
            {"name": "off", "enabled": False},
            {"name": "others", "kinds": ["service_credit"]},
            {"name": "dollars", "currencies": ["USD"]},
            {"name": "all"},
            {"name": "euros", "currencies": ["EUR", "USD"]},
            {"name": "younger", "currencies": ["EUR"]},
        ):
            register(admin, None, **more)
        asked = (
            "SELECT name FROM remedy_provider p JOIN remedy_order o ON o.provider_id = p.id ORDER BY o.id DESC LIMIT 1"
        )
        accepted(agent, complaint, refund())
        assert scalar(program.database, asked) == "euros"
        by_hand = accepted(agent, complaint, voucher("1.00", kind="re_performance"))
        assert by_hand["issuance"] == "by_hand"


class TestSignatures:
    def test_the_standards_own_example(self) -> None:
        """The vector that its libraries are tested with."""
        secret, at, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1614265330, b'{"test": 2432232314}'
        headers = signatures.sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
        assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        now = datetime.fromtimestamp(at, UTC)
        assert signatures.verify([secret], headers, body, now) == "msg_p5jXN8AQM9LWM0D4loKWxJek"

    def test_a_secret_is_one(self) -> None:
        assert signatures.is_secret(signatures.new_secret())
        for bad in ("", "whsec_", "whsec_AAAA", "whsec_" + "*" * 40, "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"):
            assert not signatures.is_secret(bad)


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1",
            "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1",
        ],
    )  # fmt: skip
    def test_are_not_asked(self, address: str) -> None:
        assert not outgoing.is_public(address)
        host = f"[{address}]" if ":" in address and "%" not in address else address
        if "%" not in address:
            assert not outgoing.is_acceptable_url(f"https://{host}/x", private=False)

    @pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
    def test_are_asked(self, address: str) -> None:
        assert outgoing.is_public(address)

    def test_a_name_that_leads_home_is_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One public address among private ones does not help."""
        found = [(0, 0, 0, "", (address, 443)) for address in ("93.184.216.34", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(outgoing.NotReached, match="not public"):
            outgoing.ask("GET", "https://pay.example.com/", headers={}, timeout=1, private=False)

    def test_http_is_not_asked(self) -> None:
        with pytest.raises(outgoing.NotReached):
            outgoing.ask("GET", "http://93.184.216.34/", headers={}, timeout=1, private=False)


@pytest.fixture
def raw() -> Iterator[Any]:
    """A server that answers with the bytes it is given, one after the other, for as long as it is listened to."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    pieces: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
            ended.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/", pieces
    ended.set()
    thread.join(5)
    listening.close()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [b"HTTP/1.1 200 OK\r\nX-Slow: "],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"],
        [b"not http at all\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 200],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x" * 200_000],
    ],
    ids=["nothing", "half a header", "half a body", "no http", "headers without end", "too long"],
)
def test_no_whole_answer_is_none(raw: Any, answer: list[bytes]) -> None:
    url, pieces = raw
    pieces += answer
    with pytest.raises(outgoing.Unanswered):
        outgoing.ask("GET", url, headers={}, timeout=1, private=True)


class TestAnswers:
    @pytest.mark.parametrize(
        ("status_code", "body", "says"),
        [
            (200, b'{"reference": "r"}', "issued"),
            (201, b'{"reference": " r "}', "issued"),
            (200, b'{"reference": ""}', "unclear"),
            (200, b'{"reference": "a\\nb"}', "unclear"),
            (200, b"[1]", "unclear"),
            (200, b"", "unclear"),
            (204, b"", "unclear"),
            (202, b"", "pending"),
            (202, b'{"id": 7}', "pending"),
            (302, b"", "unclear"),
            (400, b'{"detail": "no"}', "refused"),
            (404, b"", "refused"),
            (408, b"", "unclear"),
            (409, b"", "unclear"),
            (425, b"", "busy"),
            (429, b"", "busy"),
            (500, b"\xff", "unclear"),
            (503, b"", "unclear"),
        ],
    )
    def test_to_a_request(self, status_code: int, body: bytes, says: str) -> None:
        assert of_issue(outgoing.Answered(status_code, {}, body)).says == says

    @pytest.mark.parametrize(
        ("status_code", "body", "says"),
        [
            (200, b'{"status": "issued", "reference": "r"}', "issued"),
            (200, b'{"status": "issued"}', "unclear"),
            (200, b'{"status": "pending"}', "pending"),
            (200, b'{"status": "failed", "reason": "x"}', "failed"),
            (200, b'{"status": "unknown"}', "unclear"),
            (404, b'{"status": "unknown"}', "unheard"),
            (404, b"", "unclear"),
            (401, b"", "unclear"),
            (500, b"", "unclear"),
        ],
    )
    def test_of_how_it_stands(self, status_code: int, body: bytes, says: str) -> None:
        assert of_status(outgoing.Answered(status_code, {}, body)).says == says

    @pytest.mark.parametrize(("told", "wait"), [("7", 7), ("99999", 3600), ("soon", 0), ("-1", 0), ("\u0667", 0)])
    def test_it_waits_as_long_as_it_is_asked_to(self, told: str, wait: int) -> None:
        assert of_issue(outgoing.Answered(429, {"retry-after": told}, b"")).wait == wait

    def test_words_are_kept_short_and_readable(self) -> None:
        answer = of_issue(outgoing.Answered(422, {}, b'{"detail": "a\\u0000b\\n' + b"x" * 5000 + b'"}'))
        assert len(answer.detail) < 400
        assert answer.detail.isprintable()
        assert provider_answers.MOST_REFERENCE == 200


class TestDeadLetters:
    LIST = "/recovery/dead-letters"

    @pytest.fixture(autouse=True)
    def _money(self, budget: str) -> None:
        pass

    @pytest.fixture
    def failed(self, program: Program, admin: Caller, agent: Caller, complaint: dict[str, Any]) -> Iterator[Any]:
        with running(ReferenceProvider("")) as provider:
            register(admin, provider)
            provider.plan = ["refuse"]
            offer = accepted(agent, complaint, refund())
            work(program)
            yield offer

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(self.LIST).status_code == 401
        assert anonymous.pay(f"{self.LIST}/{NO_ID}/settle", {"reason": "x"}).status_code == 401

    def test_another_team_sees_nothing(self, stranger: Caller, failed: dict[str, Any]) -> None:
        assert stranger.get(f"{self.LIST}?count=true").json["total"] == 0

    def test_wrong_role(self, agent: Caller, failed: dict[str, Any]) -> None:
        assert refused(agent.pay(f"{self.LIST}/{failed['id']}/settle", {"reason": "x"})) == (403, "forbidden")

    def test_what_failed(self, program: Program, senior: Caller, failed: dict[str, Any]) -> None:
        (letter,) = senior.get(f"{self.LIST}?count=true").json["items"]
        assert (letter["id"], letter["why"], letter["attempts"]) == (failed["id"], "failed", 1)
        assert "The account is closed." in letter["last_error"]
        assert letter["provider_name"] == "Payments"
        assert [item["action"] for item in letter["allowed_actions"]] == ["retry"]
        act(senior, letter, "retry")
        assert senior.get(self.LIST).json["items"] == []
        work(program)
        assert status(senior, failed) == ("issued", None)
        assert violations(program.database) == []

    def test_by_why(self, senior: Caller, failed: dict[str, Any]) -> None:
        assert len(senior.get(f"{self.LIST}?why=failed").json["items"]) == 1
        for why in ("unknown", "contradicted"):
            assert senior.get(f"{self.LIST}?why={why}").json["items"] == []
        assert senior.get(f"{self.LIST}?why=else").status_code == 422

    def test_counted_in_the_metrics(
        self, senior: Caller, agent: Caller, complaint: Any, failed: dict[str, Any]
    ) -> None:
        accepted(agent, complaint, voucher("2.00", kind="re_performance"))
        lines = agent.get("/metrics").text.splitlines()
        assert "helpdesk_offers_failed 1.0" in lines
        assert "helpdesk_offers_by_hand 1.0" in lines
        assert "helpdesk_offers_unknown 0.0" in lines
        assert "helpdesk_offers_contradicted 0.0" in lines
