"""What a customer reads, in English and Simplified Chinese, from the templates in `data/texts.toml`.

Templates are ours and values are inserted as they are: a customer's name that looks like a template stays a name.
"""

import tomllib
from datetime import datetime
from functools import lru_cache
from importlib import resources
from string import Template
from typing import Any, Final

from helpdesk.kernel.money import Money

_TAGS: Final = {"zh": "zh-Hans"}


@lru_cache(maxsize=1)
def _texts() -> dict[str, Any]:
    text = resources.files("helpdesk.recovery").joinpath("data/texts.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def language_for(*wishes: str | None) -> str:
    """`zh` or `en`, after the first wish (a BCP 47 tag) that says anything; English where nothing is known."""
    wish = next((item for item in wishes if item), "en")
    return "zh" if wish.lower().split("-")[0] == "zh" else "en"


def tag(language: str) -> str:
    """The language as HTML has it (BCP 47)."""
    return _TAGS.get(language, language)


def render(language: str, kind: str, **values: str | None) -> tuple[str, str]:
    """Subject and body of the text of a kind. A `name` of None becomes the polite word for anybody."""
    texts = _texts()[language]
    values["name"] = values.get("name") or texts["name"]
    parts = texts[kind]
    return _filled(parts["subject"], values), _filled(parts["body"], values) + "\n"


def _filled(template: str, values: dict[str, Any]) -> str:
    return Template(template).substitute(values).strip()


def standard_apology(language: str) -> str:
    return str(_texts()[language]["apology_letter"]["text"]).strip()


def what(language: str, kind: str, amount: Money | None) -> str:
    """The offer in half a sentence: `a voucher for 25.00 EUR`."""
    return _filled(_texts()[language]["what"][kind], {"amount": money(amount)})


def owed(language: str, basis: str, **values: str) -> str:
    """That a part of it is owed, and by what, or is goodwill. `part`: as `of_it` has it; `law`: its name."""
    return _filled(_texts()[language]["owed"][basis], values)


def of_it(language: str, amount: Money | None) -> str:
    """So much of what is offered; None: all of it."""
    template = _texts()[language]["owed"]["all" if amount is None else "part"]
    return Template(template).substitute(amount=money(amount))  # with the space behind it that a language may want


def stays_owed(language: str, *, over: bool = False, taken: bool = False) -> str:
    """That nothing which is owed is lost with an offer. `over`: it has ended; `taken`: after they had accepted it."""
    name = "stays" if not over else "undone" if taken else "stayed"
    return str(_texts()[language]["owed"][name])


def law(language: str, tariff: str) -> str | None:
    """The law or scheme behind a tariff that came with the program, as customers know it."""
    found = _texts()[language]["law"].get(tariff)
    return None if found is None else str(found)


def term(language: str, name: str, days: int) -> str:
    """How long something will be good, and how it is used."""
    return _filled(_texts()[language]["terms"][name], {"days": str(days)})


def replaces(language: str) -> str:
    """That an offer stands in the place of an earlier one."""
    return str(_texts()[language]["replaces"])


def where_to_say(language: str, kind: str, link: str) -> str:
    """Of what is on its way: where they can say that it came, or did not."""
    return f"{_texts()[language]['where_to_say'][kind]}\n{link}"


def money(amount: Money | None) -> str:
    return "" if amount is None else f"{amount} {amount.currency}"


def moment(at: datetime) -> str:
    """`2026-03-02 09:30 UTC`: the customer's own zone is not known."""
    return at.strftime("%Y-%m-%d %H:%M UTC")
