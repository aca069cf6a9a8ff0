"""A customer's browser without scripts: it opens pages, follows their links and sends their forms, with addresses resolved as
a browser does, and holds every page that it sees to what all of them promise.
"""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from flask.testing import FlaskClient

from helpdesk.kernel.unit_of_work import Database
from tests.recovery.helpers import scalar

VOID: Final = {"meta", "link", "input", "br", "img"}
ALLOWED: Final = {
    "html", "head", "meta", "title", "link", "body", "main", "h1", "h2", "p", "section", "div", "ul", "ol", "li", "dl", "dt",
    "dd", "form", "fieldset", "legend", "label", "input", "textarea", "select", "option", "button", "a", "strong", "code", "bdi",
    "time", "span",
}  # fmt: skip
"""Nothing that runs, loads or embeds."""
POLICY: Final = {
    "default-src": "'none'",
    "style-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@dataclass
class Form:
    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Values that can be chosen, by the field's name."""
    required: set[str] = field(default_factory=set)


class Page(HTMLParser):
    """One page, taken apart. `text`: what is read, without tags."""

    def __init__(self, answer: Any, address: str) -> None:
        super().__init__()
        self.answer, self.address, self.html = answer, address, answer.text
        self.status = int(answer.status_code)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self.alert: str | None = None
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self.feed(self.html)
        self.close()
        assert self._open == [], "something was not closed"
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag in ALLOWED, tag
        assert len(given) == len(attrs), f"an attribute of <{tag}> stands twice"
        self.tags.append((tag, given))
        if tag == "form":
            self.forms.append(Form(given["method"] or "get", urljoin(self.address, given["action"] or "")))
        if tag in {"input", "textarea", "select"}:
            self._field(tag, given)
        if tag == "option":
            name = next(held["name"] for opened, held in reversed(self._open) if opened == "select")
            self.forms[-1].choices.setdefault(str(name), []).append(given["value"] or "")
            if "selected" in given:
                self.forms[-1].fields[str(name)] = given["value"] or ""
        if tag not in VOID:
            self._open.append((tag, given))

    def _field(self, tag: str, given: dict[str, str | None]) -> None:
        form, name = self.forms[-1], str(given["name"])
        assert any(opened == "form" for opened, _ in self._open)
        if given.get("type") == "radio":
            form.choices.setdefault(name, []).append(given["value"] or "")
            if "checked" in given:
                form.fields[name] = given["value"] or ""
        else:
            form.fields[name] = given.get("value") or ""
        if "required" in given:
            form.required.add(name)

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> ends with </{tag}>"

    def handle_data(self, data: str) -> None:
        if not self._open:
            assert not data.strip()
            return
        tag, given = self._open[-1]
        if tag == "textarea":
            self.forms[-1].fields[str(given["name"])] += data
            return
        self._texts.append(data)
        if tag == "a":
            self.links[data] = urljoin(self.address, given["href"] or "")
        if any(held.get("role") == "alert" for _, held in self._open):
            self.alert = (self.alert or "") + data

    def one(self, tag: str) -> dict[str, str | None]:
        (found,) = [given for name, given in self.tags if name == tag]
        return found

    @property
    def title(self) -> str:
        return str(self.html.partition("<h1>")[2].partition("</h1>")[0])

    @property
    def form(self) -> Form:
        """The form that sends something."""
        (found,) = [form for form in self.forms if form.method == "post"]
        return found

    def check(self) -> None:
        """What every page promises: to whoever reads it with eyes, ears or fingers, and against everybody else."""
        headers = self.answer.headers
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "noindex" in headers["X-Robots-Tag"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in headers
        rules = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
        assert rules == POLICY
        html = self.one("html")
        assert html["lang"] in {"en", "zh-Hans"}
        assert html["dir"] == "ltr"
        assert headers["Content-Language"] in {html["lang"], str(html["lang"]).partition("-")[0]}
        assert [tag for tag, _ in self.tags].count("main") == 1
        self.one("h1")
        self._check_parts()
        for tag, given in self.tags:
            assert not [name for name in given if name.startswith("on") or name in {"style", "src"}], tag
        for address in [*self.links.values(), *(form.action for form in self.forms)]:
            assert address.startswith(("http://helpdesk.test/offers/", f"{self.address}#")), address

    def _check_parts(self) -> None:
        ids = Counter(given["id"] for _, given in self.tags if "id" in given)
        assert set(ids.values()) <= {1}
        labelled = {given.get("for") for tag, given in self.tags if tag == "label"}
        for tag, given in self.tags:
            if tag in {"input", "textarea", "select"} and given.get("type") != "hidden":
                assert given["id"] in labelled
            for name in ("aria-labelledby", "aria-describedby"):
                assert set((given.get(name) or "").split()) <= set(ids)
            if tag == "a" and (given["href"] or "").startswith("#"):
                assert (given["href"] or "")[1:] in ids
            if tag == "label":
                assert given["for"] in ids


class Visit:
    """A browser at an offer's link."""

    def __init__(self, client: FlaskClient, link: str) -> None:
        self.client, self.link = client, link
        self.page: Page

    def open(self, address: str | None = None, *, status: int = 200, likes: str = "") -> Page:
        """`likes`: the languages that its owner reads."""
        address = address or self.link
        headers = {"Accept-Language": likes} if likes else {}
        return self._seen(self.client.get(path_of(address), headers=headers), address, status)

    def follow(self, label: str, *, status: int = 200) -> Page:
        """A link of the page."""
        return self.open(self.page.links[label], status=status)

    def choose(self, option: int | None = None, *, status: int = 200) -> Page:
        """The form that leads to the acceptance."""
        (form,) = [form for form in self.page.forms if form.method == "get"]
        assert form.choices == {} or "option" in form.required
        query = {} if option is None else {"option": str(option)}
        return self.open(form.action + (f"?{urlencode(query)}" if query else ""), status=status)

    def send(self, *, status: int = 200, form: Form | None = None, **typed: str) -> Page:
        """The page's own form, as it stands or as it was filled in."""
        form = form or self.page.form
        assert set(typed) <= set(form.fields), "the form has no such field"
        return self.post(form.action, form.fields | typed, status=status)

    def post(self, address: str, fields: dict[str, str], *, status: int = 200) -> Page:
        return self._seen(self.client.post(path_of(address), data=fields), address, status)

    def _seen(self, answer: Any, address: str, status: int) -> Page:
        assert "Location" not in answer.headers or answer.status_code in {303, 308}
        if answer.status_code in {303, 308}:
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.data == b""
            address = urljoin(address, answer.headers["Location"])
            answer = self.client.get(path_of(address))
        self.page = Page(answer, address)
        assert self.page.status == status, self.page.text
        self.page.check()
        return self.page


def path_of(address: str) -> str:
    parts = urlsplit(address)
    assert parts.netloc == "helpdesk.test", address
    return parts.path + (f"?{parts.query}" if parts.query else "")


def opened(client: FlaskClient, offer: dict[str, Any]) -> Visit:
    visit = Visit(client, offer["link"])
    visit.open()
    return visit


def another(visit: Visit) -> Visit:
    """The same link in a browser of its own."""
    found = Visit(visit.client.application.test_client(), visit.link)
    found.open()
    return found


def steps(database: Database, action: str) -> int:
    return int(scalar(database, "SELECT count(*) FROM offer_transition WHERE action = :action", action=action))
