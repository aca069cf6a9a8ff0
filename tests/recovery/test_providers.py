"""Outside providers as data, what their answers mean, and the list of what went wrong.

How it can fail: a secret is shown twice, kept in clear or told in the log; two providers of one name; an edit over another's; an
answer taken for what it does not say.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from helpdesk.kernel import outgoing, signatures
from helpdesk.recovery import provider_answers
from helpdesk.recovery.provider_answers import of_issue, of_status
from helpdesk.recovery.provider_queries import provider_for
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import while_it_waits
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import accepted, act, execute, offered, scalar, violations, voucher
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

    @pytest.mark.parametrize("name", ["İzmir", "ΣΑΣ"])
    def test_a_name_that_python_and_the_database_spell_small_differently(self, admin: Caller, name: str) -> None:
        assert admin.post(PATH, GOOD | {"name": name}).status_code == 201
        assert refused(admin.post(PATH, GOOD | {"name": name})) == (409, "remedy_provider_name_taken")

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

    def test_its_address_stays_while_something_is_open_with_it(
        self, program: Program, admin: Caller, agent: Caller, budget: str, complaint: Any
    ) -> None:
        """Another one would be asked for what this one may have done."""
        made = admin.post(PATH, GOOD).json
        path, other = f"{PATH}/{made['id']}", {"url": "https://pay.example.org/remedies"}
        assert admin.patch(path, other, if_match="*").json["url"] == other["url"], "nothing is open"
        accepted(agent, complaint, refund())
        for state, change in (
            ("open", GOOD),
            ("pending", {"url": "https://pay.example.org/other"}),
            ("unknown", {"mode": "recording", "url": None}),
        ):
            execute(program.database, "UPDATE remedy_order SET state = :state", state=state)
            answer = admin.patch(path, change, if_match="*")
            assert (refused(answer), answer.json["orders"]) == ((409, "remedy_provider_has_orders"), 1)
        execute(program.database, "UPDATE remedy_order SET state = 'open'")
        assert admin.get(path).json["url"] == other["url"]
        more = other | {"mode": "http", "enabled": False, "timeout_seconds": 7}
        assert admin.patch(path, more, if_match="*").status_code == 200, "the rest of it can be changed"
        execute(program.database, "UPDATE remedy_order SET state = 'settled', closed_at = now()")
        assert admin.patch(path, {"url": GOOD["url"]}, if_match="*").json["url"] == GOOD["url"]

    def test_an_order_that_is_made_while_the_address_changes(
        self, program: Program, admin: Caller, agent: Caller, budget: str, complaint: Any
    ) -> None:
        """Whoever makes it holds the provider: the change waits for them, and is refused then."""
        made = admin.post(PATH, GOOD).json
        offer = offered(agent, complaint, refund())
        answer = while_it_waits(
            program.database.engine,
            f"SELECT FROM remedy_provider WHERE id = '{made['id']}' FOR KEY SHARE",
            lambda: admin.patch(f"{PATH}/{made['id']}", {"url": "https://pay.example.org/"}, if_match="*"),
            f"""INSERT INTO remedy_order (id, created_at, offer_id, round, provider_id, key, body)
                VALUES (gen_random_uuid(), now(), '{offer["id"]}', 1, '{made["id"]}', 'x', '{{}}')""",
        )
        assert refused(answer) == (409, "remedy_provider_has_orders")

    def test_one_that_is_asked_goes_before_the_recording_one(self, program: Program, admin: Caller) -> None:
        """Which moves nothing: it may be older, and name the currency."""

        def first() -> str:
            with program.database.reader() as session:
                return str(provider_for(session, "refund", "EUR"))

        recording = register(admin, name="Recording", currencies=["EUR"])
        assert first() == recording["id"]
        real = admin.post(PATH, GOOD).json
        assert first() == real["id"]
        named = admin.post(PATH, GOOD | {"name": "Euro payments", "currencies": ["EUR"]}).json
        assert first() == named["id"]
        for each in (real, named):
            admin.patch(f"{PATH}/{each['id']}", {"enabled": False}, if_match="*")
        assert first() == recording["id"]

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


class TestAnswers:
    @pytest.mark.parametrize(
        ("status_code", "body", "says"),
        [
            (200, b'{"reference": "r"}', "issued"),
            (201, b'{"reference": " r "}', "issued"),
            (201, b'{"reference": 12345}', "issued"),
            (201, b'{"reference": true}', "unclear"),
            (201, b'{"reference": 1.5}', "unclear"),
            (201, b'{"reference": 123456789012345678901234567890}', "unclear"),
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

    @pytest.mark.parametrize(
        ("status_code", "body", "claims"),
        [
            (201, b'{"ok": true}', True),
            (200, b"", True),
            (202, b"", True),
            (204, b"", True),
            (302, b"", False),
            (409, b'{"detail": "no"}', False),
            (500, b"", False),
        ],
    )
    def test_what_claims_that_it_was_done(self, status_code: int, body: bytes, *, claims: bool) -> None:
        assert bool(of_issue(outgoing.Answered(status_code, {}, body)).claim) == claims

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

    def test_all_of_a_provider_at_once(
        self,
        program: Program,
        agent: Caller,
        senior: Caller,
        complaint: dict[str, Any],
        registered: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        """The first is contradicted, and what is behind it is retried all the same."""
        provider.plan = ["refuse"] * 3
        failed, *others = [accepted(agent, complaint, refund(amount)) for amount in ("1.00", "2.00", "3.00")]
        work(program)
        assert [status(agent, offer)[0] for offer in (failed, *others)] == ["failed"] * 3
        execute(
            program.database,
            "UPDATE remedy_order SET contradiction = 'It was issued as re_1.', contradicted_at = now() WHERE offer_id = :id",
            id=failed["id"],
        )
        path = f"/recovery/providers/{registered['id']}/retry-dead-letters"
        assert refused(agent.pay(path, {})) == (403, "forbidden")
        assert refused(senior.pay(path.replace(registered["id"], str(NO_ID)), {})) == (404, "not_found")
        assert senior.pay(path, {"limit": 0}).status_code == 422
        answer = senior.pay(path, {"limit": 1}).json
        assert [(item["offer_id"], item["action"], item["status"], item["code"]) for item in answer["items"]] == [
            (failed["id"], None, 409, "action_not_allowed")
        ]
        assert answer["more"]
        answer = senior.pay(path, {"after": failed["id"]}).json
        assert [(item["place"], item["offer_id"], item["action"], item["status"]) for item in answer["items"]] == [
            (place, offer["id"], "retry", 200) for place, offer in enumerate(others)
        ]
        assert not answer["more"]
        work(program)
        assert [status(senior, offer) for offer in others] == [("issued", None)] * 2
        assert senior.pay(path, {"after": failed["id"]}).json == {"items": [], "more": False}
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
