"""Providers that the program believes, and who signs in through them."""

from typing import Any

from tests.conftest import Caller
from tests.identity.doors import Browser
from tests.identity.providers import Lying

SOMEBODY = "00000000-0000-0000-0000-000000000000"
SUBJECT = "248289761001"
CLIENT: dict[str, Any] = {"client_id": "helpdesk", "client_secret": "s3cret/"}


def believe(admin: Caller, issuer: str, **more: Any) -> str:
    body = {"name": "Example Corp", "issuer": issuer, **CLIENT, "allowed_domains": ["example.com"]} | more
    answer = admin.post("/identity-providers", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def begin(browser: Browser, provider_id: str, **more: Any) -> dict[str, Any]:
    answer = browser.post("/public/provider-sign-ins", {"provider_id": provider_id, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def come_back(browser: Browser, begun: dict[str, Any], brought: dict[str, str]) -> Any:
    binding = {} if begun["binding"] is None else {"binding": begun["binding"]}
    return browser.post("/public/provider-sessions", {**brought, **binding})


def sign_in(browser: Browser, lying: Lying) -> Any:
    begun = begin(browser, lying.id)
    return come_back(browser, begun, lying.authorize(begun["authorization_url"]))
