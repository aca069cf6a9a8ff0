"""What is wrong with a version of a playbook, and what is odd about it, beyond what its schema says."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any, Final

from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.expressions import ALWAYS, read
from helpdesk.kernel.facts import Vocabulary
from helpdesk.recovery import playbook_wrong_way

_NOT_BELOW_ONE: Final = {
    "repeat": "where the same issue failed before",
    "vulnerability": "where a vulnerability makes it worse",
}


def checked(spec: Mapping[str, Any], vocabulary: Vocabulary, at: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The version with its conditions in one spelling, and the warnings. Raises `ValidationFailed` that names every bad
    place at once, below `at`.
    """
    problems: list[FieldError] = [*_name_problems(spec, at)]
    rules = []
    for place, rule in enumerate(spec["rules"]):
        condition, found = spelled(rule["condition"], vocabulary, f"{at}/rules/{place}/condition")
        problems += found
        rules.append({**rule, "condition": condition})
    if problems:
        raise ValidationFailed(errors=problems)
    version = {**spec, "rules": rules}
    return version, [*_warnings(spec, rules, vocabulary, at), *_wrong_way(version, vocabulary, at)]


def spelled(written: Any, vocabulary: Vocabulary, at: str) -> tuple[Any, list[FieldError]]:
    """A condition in one spelling, and what is wrong with it."""
    try:
        expression = read(written, vocabulary, at, changes=False)
    except ValidationFailed as error:
        return written, list(error.errors)
    if expression.asks_for_changes:
        text = "A playbook looks at a case as it is, not at what changed."
        return written, [FieldError.at(at, "changes", text)]
    return expression.as_json(), []


def _name_problems(spec: Mapping[str, Any], at: str) -> Iterator[FieldError]:
    for part in ("rules", "alternatives"):
        yield from _twice([item["name"] for item in spec[part]], f"{at}/{part}")
    acts = {tactic["act"] for tactic in spec["tactics"]}
    known = {item["name"] for item in spec["alternatives"]}
    for place, rule in enumerate(spec["rules"]):
        for number, act in enumerate(rule.get("tactics") or ()):
            if act not in acts:
                text = "No tactic of the playbook does this."
                yield FieldError.at(f"{at}/rules/{place}/tactics/{number}", "unknown", text)
        for number, name in enumerate(rule.get("alternatives") or ()):
            if name not in known:
                text = f"One of {', '.join(sorted(known))}."
                yield FieldError.at(f"{at}/rules/{place}/alternatives/{number}", "unknown", text)


def _twice(names: Sequence[str], at: str) -> Iterator[FieldError]:
    for place, name in enumerate(names):
        if name in names[:place]:
            yield FieldError.at(f"{at}/{place}/name", "duplicate", "Another one has this name.")


def _warnings(
    spec: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], vocabulary: Vocabulary, at: str
) -> Iterator[dict[str, str]]:
    """What is allowed, and can hardly be meant."""
    stopped: list[Any] = []
    for place, rule in enumerate(rules):
        here = f"{at}/rules/{place}"
        if ALWAYS in stopped or rule["condition"] in stopped:
            yield FieldError.at(here, "unreachable", "An earlier rule stops wherever this one would hold.")
        if _never(rule["condition"], vocabulary):
            yield FieldError.at(f"{here}/condition", "never_holds", "It asks one fact to be two things at once.")
        if not any(rule.get(name) for name in ("set", "factor", "lines", "tactics", "alternatives", "stop")):
            yield FieldError.at(here, "without_effect", "It sets nothing and adds nothing.")
        if rule.get("stop"):
            stopped.append(rule["condition"])
    yield from _bands_out_of_order(spec, rules, at)
    known = {*(vocabulary["category"].choices or ()), *(vocabulary["issue"].choices or ())}
    for code in spec["lost"]:
        if known and code not in known:
            yield FieldError.at(f"{at}/lost/{code}", "unknown", "There is no such category or issue now.")


def _bands_out_of_order(
    spec: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], at: str
) -> Iterator[dict[str, str]]:
    """Of the formula, and of each rule what it makes so: beside the formula's bands, and beside those that any rule before it
    sets. One of those may set all of them, for example for a currency, and this one a single one of that.
    """
    text = "A milder severity has a larger band than a worse one."
    formula = spec["formula"]["band"]
    if _out_of_order(formula):
        yield FieldError.at(f"{at}/formula/band", "order", text)
    before = [formula]
    for place, rule in enumerate(rules):
        band = (rule.get("set") or {}).get("band")
        if not band:
            continue
        if all(_out_of_order({**base, **band}) - _out_of_order(base) for base in before):
            yield FieldError.at(f"{at}/rules/{place}/set/band", "order", text)
        before.append({**formula, **band})


def _out_of_order(band: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Pairs of severities, the worse one first, of which the milder one has more."""
    return {
        (worse, milder)
        for worse, milder in combinations(sorted(band), 2)
        if Decimal(band[worse]) < Decimal(band[milder])
    }


def _wrong_way(spec: Mapping[str, Any], vocabulary: Vocabulary, at: str) -> Iterator[dict[str, str]]:
    """Numbers that can hardly be meant, of the formula and of the rules, and what rules make of typical cases."""
    yield from _odd(spec["formula"], spec["formula"], f"{at}/formula")
    # Of the formula alone: a rule that sets it to 0 says that it does not count there.
    if Decimal(spec["formula"]["delay"]["per_week"]) == 0:
        text = "0: a delay never counts, however long it is."
        yield FieldError.at(f"{at}/formula/delay/per_week", "without_effect", text)
    for place, rule in enumerate(spec["rules"]):
        yield from _odd(rule.get("set") or {}, spec["formula"], f"{at}/rules/{place}/set")
    for found in playbook_wrong_way.found_in(spec, vocabulary):
        yield FieldError.at(f"{at}/rules/{found.place}", found.code, found.detail)


def _odd(part: Mapping[str, Any], formula: Mapping[str, Any], at: str) -> Iterator[dict[str, str]]:
    """Of a formula, or of what a rule sets of one."""
    yield from _backwards(part, formula, at)
    yield from _leaves_nothing(part, formula, at)


def _backwards(part: Mapping[str, Any], formula: Mapping[str, Any], at: str) -> Iterator[dict[str, str]]:
    """What goes the wrong way."""
    fault = {name: Decimal(value) for name, value in {**formula["fault"], **(part.get("fault") or {})}.items()}
    if part.get("fault") and not fault["none"] <= fault["shared"] <= fault["firm"]:
        text = "The less the fault is the firm's, the more there is: none, shared, firm are to rise."
        yield FieldError.at(f"{at}/fault", "order", text)
    for name, about in _NOT_BELOW_ONE.items():
        if Decimal((part.get(name) or {}).get("factor", 1)) < 1:
            yield FieldError.at(f"{at}/{name}/factor", "below_one", f"Below 1: there is less goodwill {about}.")


def _leaves_nothing(part: Mapping[str, Any], formula: Mapping[str, Any], at: str) -> Iterator[dict[str, str]]:
    for tier, factor in ((part.get("tier") or {}).get("factors") or {}).items():
        if Decimal(factor) == 0:
            yield FieldError.at(
                f"{at}/tier/factors/{tier}", "zero", "0: customers of this tier never have any goodwill."
            )
    if part.get("cap") is not None and Decimal(part["cap"]["of_price"]) == 0:
        yield FieldError.at(f"{at}/cap/of_price", "zero", "0: where a price is known there is never any goodwill.")
    delay = part.get("delay") or {}
    if delay and Decimal(delay["per_week"]) > 0 and delay["most_weeks"] == 0:
        yield FieldError.at(f"{at}/delay/most_weeks", "without_effect", "0: no week counts, whatever each adds.")
    if part.get("band") and all(Decimal(value) == 0 for value in {**formula["band"], **part["band"]}.values()):
        yield FieldError.at(f"{at}/band", "zero", "No severity has any goodwill.")
    if part.get("fault") and all(Decimal(value) == 0 for value in {**formula["fault"], **part["fault"]}.values()):
        yield FieldError.at(f"{at}/fault", "zero", "There is no goodwill, whosever fault it is.")


def _never(condition: Any, vocabulary: Vocabulary) -> bool:
    """Whether an `all` asks the same single-valued fact to be two different values."""
    if not isinstance(condition, Mapping) or "all" not in condition:
        return False
    wanted: dict[str, Any] = {}
    for part in condition["all"]:
        if _never(part, vocabulary):
            return True
        if not isinstance(part, Mapping) or part.get("operator") != "is" or vocabulary[part["field"]].kind.many:
            continue
        if wanted.setdefault(part["field"], part["value"]) != part["value"]:
            return True
    return False
