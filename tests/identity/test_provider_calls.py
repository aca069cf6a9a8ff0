"""What the program asks of an identity provider, when that is slow, away or lies.

How it can fail: it is asked without end, or led somewhere else by a redirect; a secret is sent to an address that anybody can
listen to; whoever needs nothing from a slow one waits for it; an odd answer is an error of ours.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask

from helpdesk.app import create_app
from helpdesk.identity import oidc_knowledge
from helpdesk.identity.oidc_calls import is_acceptable_url
from helpdesk.identity.oidc_knowledge import Client, Metadata
from helpdesk.identity.provider_errors import ProviderUnavailable
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.identity.believing import believe, sign_in
from tests.identity.doors import Browser, Member
from tests.identity.providers import Lying

ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "a redirect": (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "nothing": (200, {}, b""),
    "a list": (200, {}, b"[]"),
    "an empty object": (200, {}, b"{}"),
    "no JSON": (200, {}, b"<html>"),
    "no text": (200, {}, b"\xff"),
    "an error": (500, {}, b"{}"),
    "too much": (200, {}, b" " * 300_000 + b"{}"),
    "an issuer that is another": (200, {}, b'{"issuer": "https://login.evil.example"}'),
}


class TestProvidersThatAreSlow:
    """One thread waits for the provider; all others go by what was known, or wait a little."""

    CLIENT: Client = Client("https://login.example.com", "x", None, "https://desk.example/back", insecure=False)
    METADATA: Metadata = Metadata("a", "b", "c", None, (), names_itself=False)

    @pytest.fixture
    def slow(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
        """Whoever asks says so and waits to be let go; nobody else waits for them for long."""
        asked, answers = threading.Event(), threading.Event()

        def discovered(_: Client) -> Metadata:
            asked.set()
            assert answers.wait(30)
            return replace(self.METADATA, jwks_uri="new")

        monkeypatch.setattr(oidc_knowledge, "_discovered", discovered)
        monkeypatch.setattr(oidc_knowledge, "_WAITS", 0.01)
        oidc_knowledge.forget_providers()
        yield asked, answers
        answers.set()

    def test_nobody_waits_for_what_nobody_knows(self, slow: tuple[threading.Event, threading.Event]) -> None:
        asked, answers = slow
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(oidc_knowledge.metadata_of, self.CLIENT)
            assert asked.wait(30)
            with pytest.raises(ProviderUnavailable):
                oidc_knowledge.metadata_of(self.CLIENT)
            answers.set()
            assert first.result(30).jwks_uri == "new"
        assert oidc_knowledge.metadata_of(self.CLIENT).jwks_uri == "new"

    def test_what_was_known_will_do(self, slow: tuple[threading.Event, threading.Event]) -> None:
        asked, answers = slow
        oidc_knowledge._of(self.CLIENT.issuer).metadata.value = self.METADATA  # known long ago
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(oidc_knowledge.metadata_of, self.CLIENT)
            assert asked.wait(30)
            assert oidc_knowledge.metadata_of(self.CLIENT) == self.METADATA
            answers.set()
            assert first.result(30).jwks_uri == "new"


class TestProvidersThatAreAway:
    def test_odd_answers(self, browser: Browser, lying: Lying) -> None:
        for what, answer in ANSWERS.items():
            oidc_knowledge.forget_providers()
            lying.asked.clear()
            lying.answers["/.well-known/openid-configuration"] = answer
            for _ in range(2):
                found = browser.post("/public/provider-sign-ins", {"provider_id": lying.id})
                assert (found.status_code, found.json["code"]) == (503, "provider_unavailable"), what
                assert found.headers["Retry-After"]
            assert len(lying.asked) == 1, what  # not again for some seconds, and nowhere else

    def test_odd_answers_later(self, app: Flask, lying: Lying, ana: Member) -> None:
        for path in ("/token", "/jwks"):
            for answer in ANSWERS.values():
                oidc_knowledge.forget_providers()
                lying.answers = {path: answer}
                found = sign_in(Browser(app), lying)
                assert found.json["code"] in {"sign_in_failed", "provider_unavailable"}, (path, answer)

    def test_addresses_that_no_secret_is_sent_to(self, browser: Browser, lying: Lying) -> None:
        for metadata in (
            {"token_endpoint": "http://login.example.com/token"},
            {"jwks_uri": "file:///etc/passwd"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"token_endpoint": None},
            {"userinfo_endpoint": "http://169.254.169.254/latest/meta-data"},
        ):
            oidc_knowledge.forget_providers()
            lying.metadata = dict(metadata)
            assert browser.post("/public/provider-sign-ins", {"provider_id": lying.id}).status_code == 503, metadata

    def test_nobody_there(self, browser: Browser, admin: Caller) -> None:
        oidc_knowledge.forget_providers()
        provider_id = believe(admin, "http://127.0.0.1:1")
        assert browser.post("/public/provider-sign-ins", {"provider_id": provider_id}).status_code == 503

    def test_only_https_without_the_setting(self, program: Program, lying: Lying) -> None:
        """Also for one that was set up while it was allowed."""
        strict = create_app(program=replace(program, settings=replace(program.settings, oidc_insecure=False)))
        oidc_knowledge.forget_providers()
        answer = Browser(strict).post("/public/provider-sign-ins", {"provider_id": lying.id})
        assert answer.status_code == 503
        assert lying.asked == []

    def test_a_secret_that_does_not_open_any_more(self, program: Program, lying: Lying) -> None:
        tools = replace(program.tools, signing_key="another key, long enough for everybody")
        moved = Browser(create_app(program=replace(program, tools=tools)))
        answer = moved.post("/public/provider-sign-ins", {"provider_id": lying.id})
        assert (answer.status_code, "anew" in answer.json["detail"]) == (503, True)


@pytest.mark.parametrize(
    ("url", "good", "here"),
    [
        ("https://login.example.com", True, True),
        ("https://login.example.com:8443/realms/x?y=z", True, True),
        ("https://[2001:db8::1]/x", True, True),
        ("http://127.0.0.1:9400", False, True),
        ("http://[::1]:9400", False, True),
        ("http://localhost/x", False, True),
        ("http://127.0.0.1.evil.example", False, False),
        ("http://localhost.evil.example", False, False),
        ("http://10.0.0.1", False, False),
        ("https://user@login.example.com", False, False),
        ("https://@login.example.com", False, False),
        ("https://login.example.com#", False, False),
        ("https://login.example.com\\@evil.example", False, False),
        ("https://login.example.com\n", False, False),
        ("https://login.exämple.com", False, False),
        ("ftp://login.example.com", False, False),
        ("//login.example.com", False, False),
        ("https:///x", False, False),
        ("https://login.example.com:0", False, False),
        ("https://login.example.com:x", False, False),
        ("https://[", False, False),
        ("", False, False),
    ],
)
def test_acceptable_urls(url: str, good: bool, here: bool) -> None:
    assert is_acceptable_url(url, insecure=False) is good
    assert is_acceptable_url(url, insecure=True) is here
