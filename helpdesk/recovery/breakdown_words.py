"""A breakdown in words, and as payloads have it: of what an offer gives, so much is owed by such a law, and so much is goodwill.

What customers read of it is the basis, the amount and the name of the law; how it was reckoned is ours.
"""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk.kernel.money import Money
from helpdesk.recovery import breakdown, tariffs, texts
from helpdesk.recovery.breakdown import GOODWILL, RESTITUTION, Line, Part

_OURS: Final = ("tariff", "tariff_version", "source")


def law(language: str, line: Line) -> str | None:
    """The name of what lays it down: our own word for a tariff that came with the program and still has its title, else the title
    that the operator gave it. None: nobody named it.
    """
    if line.tariff is None or line.title is None:
        return None
    shipped = (item for item in tariffs.shipped()["tariffs"] if item["id"] == line.tariff)
    if any(version["title"] == line.title for item in shipped for version in item["versions"]):
        return texts.law(language, line.tariff) or line.title
    return line.title


def shown(part: Part | None, language: str, currency: str | None) -> dict[str, Any] | None:
    """As payloads have it. Money as (minor units, currency); a `goodwill` of None: what the rest is, is not known."""
    if part is None or currency is None:
        return None
    lines = [
        {
            "basis": line.basis,
            "amount": (line.minor, currency),
            "law": law(language, line),
            "net_of_tariffs": line.net,
            **{name: getattr(line, name) for name in _OURS},
        }
        for line in part.lines
    ]
    if part.goodwill:
        goodwill = {"basis": GOODWILL, "amount": (part.goodwill, currency), "law": None, "net_of_tariffs": False}
        lines.append(goodwill | dict.fromkeys(_OURS))
    return {
        "owed": (part.owed, currency),
        "goodwill": None if part.goodwill is None else (part.goodwill, currency),
        "lines": lines,
    }


def in_offer(row: Mapping[str, Any], options: list[dict[str, Any]], parts: Mapping[int, Part]) -> dict[str, Any]:
    """The offer's own `breakdown`, and its `options` with theirs. `row`: language, chosen_option, and the offer's kind and amount,
    which until something was chosen are those of the dearest option.
    """
    told = [
        option
        | {"breakdown": shown(parts.get(option["number"]), row["language"], option["amount"] and option["amount"][1])}
        for option in options
    ]
    own = row["chosen_option"] or next(
        (item["number"] for item in told if (item["kind"], item["amount"]) == (row["kind"], row["amount"])), None
    )
    return {"options": told, "breakdown": next((it["breakdown"] for it in told if it["number"] == own), None)}


def sentences(language: str, told: Mapping[str, Any] | None, amount: tuple[int, str] | None) -> list[str]:
    """For customers, of an option's or offer's breakdown as `shown`; none where nothing is said."""
    if told is None or amount is None:
        return []
    return [_sentence(language, line, whole=line["amount"] == amount) for line in told["lines"]]


def _sentence(language: str, line: Mapping[str, Any], *, whole: bool) -> str:
    kind = line["basis"]
    if kind == RESTITUTION and line["net_of_tariffs"]:
        kind = "restitution_net"
    elif kind == breakdown.STATUTORY and line["law"] is None:
        kind = "statutory_unnamed"
    part = texts.of_it(language, None if whole else Money(*line["amount"]))
    return texts.owed(language, kind, part=part, law=line["law"] or "")


def owes(parts: Mapping[int, Part]) -> bool:
    """Whether the customer was told that anything of it is owed."""
    return any(part.lines for part in parts.values())
