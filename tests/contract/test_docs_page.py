"""The documentation page works without the internet: nothing that we write names another host, nothing runs inline."""

import re
from html.parser import HTMLParser

import pytest

from tests.conftest import Caller
from tests.contract.document import check_problem

ASSETS = ("/docs/assets/swagger-ui.css", "/docs/assets/swagger-ui-bundle.js")


class _Page(HTMLParser):
    """What the page loads, and what stands in it as script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.inline += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)


@pytest.fixture
def page(anonymous: Caller) -> _Page:
    answer = anonymous.get("/docs")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    return _Page(answer.text)


def test_everything_it_loads_is_ours_and_there(anonymous: Caller, page: _Page) -> None:
    assert page.loaded
    for address in page.loaded:
        assert re.match(r"/[^/]", address), address
        answer = anonymous.client.get(address)
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) > 0
        answer.close()


def test_nothing_runs_inline(page: _Page) -> None:
    assert page.inline == []


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js"])
def test_no_other_host_is_named(anonymous: Caller, path: str) -> None:
    assert not re.search(r"(?:https?:)?//[A-Za-z0-9]", anonymous.client.get(path).text)


def test_policy_lets_nothing_in(anonymous: Caller) -> None:
    """Styles may be inline: Swagger UI sets some. Scripts may not."""
    policy = anonymous.get("/docs").headers["Content-Security-Policy"]
    rules = {
        name: set(values.split()) for name, _, values in (rule.strip().partition(" ") for rule in policy.split(";"))
    }
    assert rules["default-src"] == {"'none'"}
    assert rules["script-src"] == rules["connect-src"] == {"'self'"}
    assert rules["img-src"] == {"'self'", "data:"}
    assert rules["style-src"] == {"'self'", "'unsafe-inline'"}


def test_starts_with_the_document_that_is_served(anonymous: Caller) -> None:
    script = anonymous.client.get("/docs/start.js")
    assert script.mimetype == "text/javascript"
    found = re.search(r'url: "([^"]+)"', script.text)
    assert found is not None
    assert anonymous.client.get(found.group(1)).mimetype == "application/json"
    assert "validatorUrl: null" in script.text  # or it asks a validator on the internet


@pytest.mark.parametrize("path", ASSETS)
def test_assets_may_be_kept_and_are_not_guessed_at(anonymous: Caller, path: str) -> None:
    answer = anonymous.client.get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "max-age" in answer.headers["Cache-Control"]
    assert answer.mimetype in {"text/css", "text/javascript"}
    answer.close()


def test_nothing_else_of_the_package_is_reached(anonymous: Caller) -> None:
    for path in ("/docs/assets/../__init__.py", "/docs/assets/%2e%2e/__init__.py", "/docs/assets/nothing.js"):
        answer = anonymous.client.get(path)
        problem = check_problem(answer.status_code, answer.content_type, answer.text)
        assert (problem["status"], problem["code"]) == (404, "unknown_route")


def test_the_root_leads_there(anonymous: Caller) -> None:
    answer = anonymous.client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")
