"""The way to an identity provider and back, in a browser.

How it can fail: an answer counts twice, or in another browser, or too late, or after the provider was switched off; the
provider is asked inside a transaction; the page leads somewhere else.
"""

from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.pool import QueuePool

from helpdesk.identity import oidc_calls, oidc_knowledge
from helpdesk.identity.door_jobs import forget_what_is_over
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller
from tests.identity.believing import SOMEBODY, begin, come_back, sign_in
from tests.identity.doors import Browser, Member, execute
from tests.identity.providers import Lying
from tests.racing import at_once


class TestRoundTrip:
    def test_what_the_browser_is_sent_with(self, browser: Browser, lying: Lying, engine: Engine) -> None:
        begun = begin(browser, lying.id)
        query = {name: value[0] for name, value in parse_qs(urlsplit(begun["authorization_url"]).query).items()}
        assert query["redirect_uri"] == "http://helpdesk.test/sign-in/callback"
        assert query["client_id"] == "helpdesk"
        assert {"nonce", "state", "code_challenge"} <= query.keys()
        with engine.connect() as connection:
            kept = str(connection.execute(text("SELECT p::text FROM provider_sign_in p")).all())
        for secret in (query["state"], query["nonce"], begun["binding"]):
            assert secret not in kept

    def test_each_time_others(self, browser: Browser, lying: Lying) -> None:
        urls = [parse_qs(urlsplit(begin(browser, lying.id)["authorization_url"]).query) for _ in range(3)]
        for name in ("state", "nonce", "code_challenge"):
            assert len({url[name][0] for url in urls}) == 3

    def test_an_answer_counts_once(self, browser: Browser, lying: Lying, ana: Member) -> None:
        begun = begin(browser, lying.id)
        brought = lying.authorize(begun["authorization_url"])
        assert come_back(browser, begun, brought).status_code == 201
        assert come_back(browser, begun, brought).status_code == 401
        assert len(lying.sent) == 1  # the provider is not even asked

    def test_of_two_at_once_one_counts(self, app: Flask, lying: Lying, ana: Member) -> None:
        begun = begin(Browser(app), lying.id)
        brought = lying.authorize(begun["authorization_url"])
        answers = at_once(*[lambda: come_back(Browser(app), begun, brought).status_code] * 4)
        assert sorted(answers) == [201, 401, 401, 401]

    def test_in_another_browser(self, app: Flask, lying: Lying, ana: Member) -> None:
        """A link that somebody else made signs nobody in, and is still good where it was made."""
        mine, theirs = Browser(app), Browser(app)
        begun = begin(mine, lying.id, cookie=True)
        brought = lying.authorize(begun["authorization_url"])
        begin(theirs, lying.id, cookie=True)
        assert come_back(theirs, begun, brought).status_code == 401
        assert come_back(Browser(app), begun, brought).status_code == 401
        assert come_back(mine, begun, brought).status_code == 201

    def test_with_the_binding_of_another(self, browser: Browser, lying: Lying, ana: Member) -> None:
        first, second = begin(browser, lying.id), begin(browser, lying.id)
        brought = lying.authorize(first["authorization_url"])
        for binding in (second["binding"], "hdb_x", "\x00"):
            assert come_back(browser, first | {"binding": binding}, brought).status_code == 401
        assert browser.post("/public/provider-sessions", brought).status_code == 401

    def test_too_late(self, browser: Browser, lying: Lying, ana: Member, engine: Engine, database: Database) -> None:
        begun = begin(browser, lying.id)
        execute(engine, "UPDATE provider_sign_in SET expires_at = now()")
        assert come_back(browser, begun, lying.authorize(begun["authorization_url"])).status_code == 401
        execute(engine, "UPDATE provider_sign_in SET expires_at = now() - interval '1 second'")
        assert forget_what_is_over(database) >= 1

    def test_a_code_of_another_sign_in(self, browser: Browser, lying: Lying, ana: Member) -> None:
        """PKCE: it was asked for with another verifier."""
        first, second = begin(browser, lying.id), begin(browser, lying.id)
        stolen = lying.authorize(first["authorization_url"])
        mine = lying.authorize(second["authorization_url"])
        assert come_back(browser, second, mine | {"code": stolen["code"]}).status_code == 401

    def test_the_issuer_beside_the_code(self, browser: Browser, lying: Lying, ana: Member) -> None:
        """RFC 9207: of the provider that was asked, and there where it says that it puts it there."""
        for iss, status in (("https://login.evil.example", 401), (lying.issuer, 201)):
            begun = begin(browser, lying.id)
            brought = lying.authorize(begun["authorization_url"]) | {"iss": iss}
            assert come_back(browser, begun, brought).status_code == status
        oidc_knowledge.forget_providers()
        lying.metadata = {"authorization_response_iss_parameter_supported": True}
        assert sign_in(browser, lying).status_code == 401

    def test_switched_off_in_between(self, browser: Browser, lying: Lying, ana: Member, admin: Caller) -> None:
        begun = begin(browser, lying.id)
        brought = lying.authorize(begun["authorization_url"])
        admin.patch(f"/identity-providers/{lying.id}", {"active": False}, if_match="*")
        assert come_back(browser, begun, brought).status_code == 401
        answer = browser.post("/public/provider-sign-ins", {"provider_id": lying.id})
        assert (answer.status_code, answer.json["code"]) == (409, "provider_not_active")

    def test_sent_to_another_in_between(self, browser: Browser, lying: Lying, ana: Member, admin: Caller) -> None:
        begun = begin(browser, lying.id)
        brought = lying.authorize(begun["authorization_url"])
        admin.patch(f"/identity-providers/{lying.id}", {"issuer": "https://other.example"}, if_match="*")
        assert come_back(browser, begun, brought).status_code == 401
        assert lying.sent == []

    def test_nobody_knows_it(self, browser: Browser) -> None:
        assert browser.post("/public/provider-sign-ins", {"provider_id": SOMEBODY}).status_code == 422

    def test_guesses_make_one_wait(self, browser: Browser, lying: Lying) -> None:
        body = {"state": "x", "code": "x", "binding": "x"}
        answers = [browser.post("/public/provider-sessions", body).status_code for _ in range(23)]
        assert answers == [401] * 21 + [429] * 2

    @pytest.mark.usefixtures("ana")
    def test_no_transaction_waits_for_the_provider(
        self, browser: Browser, lying: Lying, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = []
        body = oidc_calls._body

        def counted(answer: Any) -> bytes:
            held.append(cast(QueuePool, engine.pool).checkedout())
            return body(answer)

        monkeypatch.setattr(oidc_calls, "_body", counted)
        assert sign_in(browser, lying).status_code == 201
        assert held == [0, 0, 0]  # itself, the tokens, the keys


class TestPages:
    """What a browser itself goes to, without a line of script."""

    @staticmethod
    def visit(browser: Browser, path: str) -> Any:
        return browser.client.get(
            path, base_url="https://helpdesk.test", environ_overrides={"REMOTE_ADDR": browser.address}
        )

    def test_there_and_back(self, browser: Browser, lying: Lying, ana: Member) -> None:
        there = self.visit(browser, f"/sign-in/{lying.id}")
        assert there.status_code == 303
        assert "HttpOnly" in there.headers["Set-Cookie"]
        back = self.visit(browser, f"/sign-in/callback?{urlencode(lying.authorize(there.headers['Location']))}")
        assert (back.status_code, back.headers["Location"]) == (303, "/")
        assert browser.get("/me").json["id"] == str(ana.id)
        assert browser.client.get_cookie("__Host-helpdesk-sign-in") is None

    def test_in_another_browser(self, app: Flask, lying: Lying, ana: Member) -> None:
        """Somebody is given a link that would sign them in as somebody else."""
        there = self.visit(Browser(app), f"/sign-in/{lying.id}")
        victim = Browser(app)
        back = self.visit(victim, f"/sign-in/callback?{urlencode(lying.authorize(there.headers['Location']))}")
        assert back.status_code == 401
        assert back.mimetype == "text/plain"
        assert "Set-Cookie" not in back.headers
        assert victim.get("/me").status_code == 401

    def test_odd_ways_back(self, browser: Browser, lying: Lying) -> None:
        self.visit(browser, f"/sign-in/{lying.id}")
        for query in (
            "",
            "error=access_denied&state=x",
            "state=x",
            "code=x",
            "state=x&code=x",
            "state=%00&code=%ff",
            f"state={'x' * 201}&code=x",
            f"state=x&code={'x' * 4001}",
            "state=x&state=y&code=x&code=y&iss=%E2%98%83",
        ):
            answer = self.visit(browser, f"/sign-in/callback?{query}")
            assert (answer.status_code, answer.mimetype) == (401, "text/plain"), query
            assert "assword" not in answer.text  # nobody gave one here
            assert "<" not in answer.text

    def test_providers_that_are_none(self, browser: Browser, admin: Caller, lying: Lying) -> None:
        for nowhere in (SOMEBODY, "x"):
            answer = self.visit(browser, f"/sign-in/{nowhere}")
            assert (answer.status_code, answer.mimetype) == (404, "text/plain")
            assert "Go back to the page where you sign in" in answer.text
            assert "errors" not in answer.text
        admin.patch(f"/identity-providers/{lying.id}", {"active": False}, if_match="*")
        assert self.visit(browser, f"/sign-in/{lying.id}").status_code == 409
        assert self.visit(browser, "/sign-in/callback").headers["Content-Security-Policy"]
