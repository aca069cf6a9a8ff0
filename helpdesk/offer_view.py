"""What the offer page shows: the templates `pages/offer*.html` and their words, `pages/offer_words.toml`.

A customer reads it in the language of their letters, with amounts and times as those have them. What people wrote has a
direction of its own (`dir="auto"`), and every text is escaped by the templates.
"""

import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from string import Template
from typing import Any, Final

from babel import Locale
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.money import Money
from helpdesk.recovery import breakdown_words, texts
from helpdesk.recovery.kinds import ISSUABLE
from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER, ENDED

ANSWERS: Final[Mapping[str, str]] = {
    "accept": "accept",
    "counter": "counter",
    "take-back": "take_back_counter",
    "decline": "decline",
    "arrived": "confirm_delivery",
    "not-arrived": "report_undelivered",
}
"""Last part of an answer's address, and its action, in the order in which they are shown."""

FIELDS: Final = ("option", "words", "kind", "amount", "currency", "reason", "note")
"""What the forms have beside their key."""

MOST_CHARACTERS: Final = 2000
"""Of what a customer writes, as the API has it."""

ROADS: Final[Mapping[str, str]] = {
    "refund": "money",
    "partial_refund": "money",
    "goodwill_payment": "money",
    "service_credit": "credit",
    "replacement": "goods",
    "gift": "goods",
    "re_performance": "service",
    "voucher": "voucher",
    "points": "points",
    "apology_letter": "letter",
}
"""What of each kind of remedy the words tell apart, on its way to the customer."""

_ARRIVING: Final = frozenset({"goods", "service", "letter"})
"""Of these it is told when the customer had it; of others the bank or the account tells."""

_NOT_HAD: Final = BEFORE_CUSTOMER | ENDED

_pages: Final = Environment(
    loader=PackageLoader("helpdesk", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands, so that addresses in it are relative: nobody needs to know what stands before `/offers`.

    `token`: as it was verified. `path`: of the answer; None on the offer's own page.
    """

    token: str
    path: str | None = None

    @property
    def offer(self) -> str:
        return self.token if self.path is None else f"../{self.token}"

    @property
    def answers(self) -> str:
        return f"{self.token}/" if self.path is None else ""


def offer(shown: Mapping[str, Any], place: Place, *, problem: Sequence[str] = ()) -> str:
    """The offer as it stands (`public_queries.by_link`), with what can be said of it. `problem`: names of words for what went
    wrong before.
    """
    language, told = shown["language"], _told(shown)
    return _render(
        "offer.html",
        language,
        css=_css(0 if place.path is None else 1),
        offer=told,
        problem=[word_of(language, name, told["road"]) for name in problem],
        answers_at=place.answers,
        paths=list(ANSWERS.items()),
    )


def answer(
    shown: Mapping[str, Any],
    place: Place,
    key: str,
    filled: Mapping[str, str],
    faults: Sequence[FieldError] = (),
) -> str:
    """The page with the form of one answer: what it means, and what goes with it. `filled`: what was typed before; `faults`:
    what was wrong with it.
    """
    language, told = shown["language"], _told(shown)
    wanted = next((option for option in told["options"] if str(option["number"]) == filled.get("option")), None)
    if wanted is None and len(told["options"]) == 1:
        wanted = told["options"][0]
    currency = next((option["amount"][1] for option in shown["options"] if option["amount"] is not None), None)
    example = "" if currency is None else str(Money.of(Decimal(40), currency))
    return _render(
        "offer_answer.html",
        language,
        css=_css(1),
        offer=told,
        path=place.path,
        chosen=wanted,
        key=key,
        filled=dict.fromkeys(FIELDS, "") | dict(filled),
        errors=_errors(faults, language, filled, example),
        most=MOST_CHARACTERS,
        counters_left=shown["counters_left"],
        kinds=ISSUABLE,
        currency=currency,
        example=example,
        offer_at=place.offer,
    )


def notice(language: str, told: str, *, depth: int) -> str:
    """A page that only says something. `depth`: how many folders deeper than an offer's own page it stands."""
    return _render("offer_notice.html", language, css=_css(depth), told=told)


def understand(fields: Mapping[str, str], wanted: Collection[str]) -> dict[str, Any]:
    """A form as the API's body has it: those of its fields that are `wanted`. What was left empty was not said."""
    given: dict[str, Any] = {
        name: fields[name].replace("\r\n", "\n") for name in FIELDS if name in wanted and fields.get(name, "").strip()
    }
    if re.fullmatch(r"[0-9]", given.get("option", "")):
        given["option"] = int(given["option"])
    if "amount" in given:
        typed = _narrow(given["amount"]).strip()
        # A comma is a decimal sign where nothing else can be meant: 40,00 and not 1,000.
        amount = typed.replace(",", ".") if re.fullmatch(r"\d+,\d\d?", typed, re.ASCII) else typed
        given["amount"] = {"amount": amount, "currency": fields.get("currency", "")}
    return given


def _narrow(typed: str) -> str:
    """Full-width figures and signs as ordinary ones, as an input method for Chinese writes them. Nothing else: of NFKC alone a 1 with
    a small 2 above would be 12.
    """
    return "".join(
        unicodedata.normalize("NFKC", char) if unicodedata.east_asian_width(char) == "F" else char for char in typed
    )


@cache
def direction(tag: str) -> str:
    """`ltr` or `rtl`, of a language (BCP 47)."""
    return str(Locale.parse(tag, sep="-").text_direction)


@lru_cache(maxsize=1)
def words() -> dict[str, dict[str, str]]:
    text = resources.files("helpdesk").joinpath("pages", "offer_words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def word(language: str, name: str, **values: Any) -> str:
    return Template(words()[language][name]).substitute(values)


def word_of(language: str, name: str, road: str) -> str:
    """Of what is on its way by one of `ROADS`: the words that stand for that one, as `name_road`, else those for all."""
    own = f"{name}_{road}"
    return word(language, own if own in words()[language] else name)


@lru_cache(maxsize=1)
def style() -> str:
    return resources.files("helpdesk").joinpath("pages", "offer.css").read_text(encoding="utf-8")


def _render(name: str, language: str, **values: Any) -> str:
    tag = texts.tag(language)
    return _pages.get_template(name).render(
        lang=tag,
        dir=direction(tag),
        say=lambda name, **filled: word(language, name, **filled),
        say_of=lambda name, road: word_of(language, name, road),
        moment=_moment,
        **values,
    )


def _css(depth: int) -> str:
    return f"{'../' * depth}page.css"


def _moment(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(at), texts.moment(at))


def _told(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The offer as the templates know it: amounts and what is offered in words."""
    language, road = shown["language"], ROADS[shown["kind"]]
    options = [
        {**option, "what": _what(language, option), "owed": _owed(language, option)} for option in shown["options"]
    ]
    what = _what(language, shown)
    undecided = shown["status"] in {"offered", "countered"}
    counter = shown["counter"]
    return {
        **shown,
        "reference": shown["complaint_reference"],
        "options": options,
        "what": what,
        "owed": _owed(language, shown),
        "stays_owed": _stays_owed(language, shown),
        "concerned": [option["what"] for option in options] if undecided else [what],
        "road": road,
        "title": _title(shown, road),
        "undone": _undone(shown),
        "good_until": shown["voucher_expires_at"] or shown["points_expires_at"],
        "came_at": shown["delivered_at"] if road in _ARRIVING else None,
        "voucher_balance": _money(shown["voucher_balance"]),
        "counter": None if counter is None else {**counter, "amount": _money(counter["amount"])},
    }


def _undone(shown: Mapping[str, Any]) -> bool:
    """They had accepted it, and it could not be done."""
    return bool(shown["status"] == "revoked" and shown["accepted"])


def _title(shown: Mapping[str, Any], road: str) -> str:
    """The name of its words."""
    if _undone(shown):
        return "title_undone"
    ended = shown["status"] == "issued" and shown["validity"] in {"used", "expired"}
    return f"title_{shown['validity']}_{road}" if ended else f"title_{shown['status']}"


def _what(language: str, terms: Mapping[str, Any]) -> str:
    amount = terms["amount"]
    return texts.what(language, terms["kind"], None if amount is None else Money(*amount))


def _owed(language: str, terms: Mapping[str, Any]) -> list[str]:
    return breakdown_words.sentences(language, terms["breakdown"], terms["amount"])


def _stays_owed(language: str, shown: Mapping[str, Any]) -> str | None:
    """Where they may think that it is lost: before they answer, and once it has come to nothing. Where another offer was made
    instead, that one says it.
    """
    if not shown["owes"] or shown["replaced"] or shown["status"] not in _NOT_HAD:
        return None
    over, taken = shown["status"] not in BEFORE_CUSTOMER, shown["status"] == "reversed" or _undone(shown)
    return texts.stays_owed(language, over=over, taken=taken)


def _money(amount: tuple[int, str] | None) -> str:
    return texts.money(None if amount is None else Money(*amount))


def _errors(faults: Sequence[FieldError], language: str, filled: Mapping[str, str], example: str) -> dict[str, str]:
    """What to mend, by field."""
    values = {"example": example, "most": MOST_CHARACTERS}
    names = [(fault["pointer"].split("/")[1], fault["code"]) for fault in faults]
    return {name: word(language, _mending(name, code, filled.get(name, "")), **values) for name, code in names}


def _mending(name: str, code: str, typed: str) -> str:
    if name in {"option", "kind", "amount"}:
        return f"bad_{name}"
    if code == "required":
        return "words_missing"
    return "too_long" if len(typed) > MOST_CHARACTERS else "bad_text"
