"""What a tariff lays down, computed from the numbers of one version and the facts of a case. Pure.

A method is a way of reckoning that the program knows; its numbers (bands, hours, caps, amounts) are data. `compute` never
guesses: a fact that it needs and nobody has stated makes the outcome `facts_missing`, with the names of all that it will need by
what is stated; which more it needs may depend on what these are. Amounts are for one passenger or customer, rounded once, half up,
and then multiplied by the passengers.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from helpdesk.kernel.errors import FieldError
from helpdesk.kernel.money import Money
from helpdesk.recovery.case_facts import COUNTED, Known, plain
from helpdesk.recovery.counting import counted

CODES: Final = (
    "owed",
    "facts_missing",
    "not_in_force",
    "not_known",
    "not_this_cause",
    "extraordinary",
    "told_in_time",
    "rerouted_in_time",
    "not_late_enough",
    "other_currency",
    "nothing_counted",
)
"""How a computation can end: `owed`, or why it lays down nothing here, or cannot be told. `not_known`: it lays down something on
that day, and no version says how much.
"""
OPEN: Final = frozenset({"facts_missing", "not_known", "other_currency"})
"""Those of which nobody can tell what is laid down, or whether anything is."""
_MOST: Final = Decimal(1_000_000_000)
_PLACES: Final = 8

Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`amount` None: nothing is owed by it, or it cannot be told (`missing` names the facts that would tell). `steps`: how it was
    reckoned.
    """

    code: str
    because: str
    amount: Money | None = None
    missing: tuple[str, ...] = ()
    steps: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def applies(self) -> bool | None:
        """None: it cannot be told."""
        if self.code in OPEN:
            return None
        return self.code == "owed"


def compute(method: str, numbers: Numbers, currency: str, facts: Known) -> Outcome:
    """`method`: one of `METHODS`; `numbers`: such as `problems` finds nothing wrong with."""
    return METHODS[method].compute(numbers, currency, facts)


def _missing(facts: Known, *names: str) -> Outcome | None:
    absent = tuple(name for name in names if facts.get(name) is None)
    if not absent:
        return None
    return Outcome(code="facts_missing", because=f"Nobody has stated {', '.join(absent)}.", missing=absent)


def _owed(each: Decimal, currency: str, facts: Known, because: str, *steps: Mapping[str, str]) -> Outcome:
    """`each`: for one passenger."""
    people = facts.get("passengers") or 1
    one = Money.of(each, currency)
    told = [*steps, *([_step("passengers", str(people), "people whose case it is")] if people != 1 else [])]
    return Outcome(code="owed", because=because, amount=Money(one.minor * people, currency), steps=tuple(told))


def _step(name: str, value: str, because: str) -> dict[str, str]:
    return {"step": name, "value": value, "because": because}


def _air_passenger(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    """Where nothing can be owed by what is stated, nothing else is asked for."""
    cause = facts.get("cause")
    nothing = None if cause is None else _NOTHING[cause](numbers, facts)
    if nothing is not None:
        return nothing
    needs = () if cause is None else _NEEDS[cause](numbers, facts)
    absent = _missing(facts, "cause", "distance_km", *needs)
    if absent is not None:
        return absent
    return _BY_CAUSE[facts["cause"]](numbers, currency, facts)


def _nothing_for_delay(numbers: Numbers, facts: Known) -> Outcome | None:
    if facts.get("extraordinary"):
        return Outcome(code="extraordinary", because="Extraordinary circumstances excuse a delay.")
    late, least = facts.get("delay_hours"), Decimal(numbers["delay_from_hours"])
    if late is None or late >= least:
        return None
    because = f"It arrived {counted(late, 'hour')} late; from {counted(least, 'hour')} on it counts."
    return Outcome(code="not_late_enough", because=because)


def _delayed(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    late = facts["delay_hours"]
    band, amount, told = _band(numbers, facts)
    below = numbers.get("last_band_halved_below_hours")
    halved = (
        below is not None
        and band is numbers["bands"][-1]
        and amount == Decimal(band["amount"])
        and late < Decimal(below)
    )
    steps = [told, _half(halved, f"{counted(late, 'hour')} late")]
    return _owed(amount / 2 if halved else amount, currency, facts, "The delay was long enough.", *steps)


def _nothing_for_cancellation(numbers: Numbers, facts: Known) -> Outcome | None:
    if facts.get("extraordinary"):
        return Outcome(code="extraordinary", because="Extraordinary circumstances excuse a cancellation.")
    days = facts.get("notice_days")
    if days is None:
        return None
    if _notice(numbers, facts)["arrives_later_below_hours"] is None:
        return Outcome(code="told_in_time", because=f"It was told {counted(days, 'day')} before, which is in time.")
    if not facts.get("rerouted") or not _close_enough(_notice(numbers, facts), facts):
        return None
    because = f"It was told {counted(days, 'day')} before, and the other transport leaves and arrives close to what was planned."
    return Outcome(code="rerouted_in_time", because=because)


def _cancelled(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    return _perhaps_halved(numbers, currency, facts, "The cancellation was told too late.")


def _nothing_for_refusal(_numbers: Numbers, _facts: Known) -> Outcome | None:
    """Denied boarding is the carrier's own doing: no circumstance excuses it."""
    return None


def _close_enough(notice: Mapping[str, Any], facts: Known) -> bool:
    earlier, later = Decimal(notice["departs_earlier_up_to_hours"]), Decimal(notice["arrives_later_below_hours"])
    leaves, arrives = facts.get("departs_earlier_hours"), facts.get("delay_hours")
    return leaves is not None and arrives is not None and bool(leaves <= earlier and arrives < later)


def _refused(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    return _perhaps_halved(numbers, currency, facts, "Boarding was denied.")


def _perhaps_halved(numbers: Numbers, currency: str, facts: Known, because: str) -> Outcome:
    band, amount, told = _band(numbers, facts)
    halved = bool(facts["rerouted"] and facts["delay_hours"] <= Decimal(band["halved_up_to_hours"]))
    why = f"re-routed, {counted(facts['delay_hours'], 'hour')} later" if facts["rerouted"] else "not re-routed"
    return _owed(amount / 2 if halved else amount, currency, facts, because, told, _half(halved, why))


def _needs_of_delay(numbers: Numbers, facts: Known) -> tuple[str, ...]:
    return ("delay_hours", "extraordinary", *_eu(numbers, facts))


def _needs_of_cancellation(numbers: Numbers, facts: Known) -> tuple[str, ...]:
    """Other transport matters where the notice was not in time, and nothing excuses it."""
    late = facts.get("notice_days") is not None and _notice(numbers, facts)["arrives_later_below_hours"] is not None
    other = ("rerouted", *(("departs_earlier_hours", "delay_hours") if facts.get("rerouted") else ()))
    counts = late and not facts.get("extraordinary")
    return ("notice_days", "extraordinary", *_eu(numbers, facts), *(other if counts else ()))


def _needs_of_refusal(numbers: Numbers, facts: Known) -> tuple[str, ...]:
    return ("rerouted", *_eu(numbers, facts), *(("delay_hours",) if facts.get("rerouted") else ()))


def _notice(numbers: Numbers, facts: Known) -> Mapping[str, Any]:
    rows: Sequence[Mapping[str, Any]] = numbers["notice"]
    return next(row for row in rows if facts["notice_days"] >= Decimal(row["from_days"]))


def _eu(numbers: Numbers, facts: Known) -> tuple[str, ...]:
    """`within_eu` matters only where it makes another amount, which nobody can tell before the distance."""
    at_most = numbers.get("within_eu_at_most")
    if facts.get("distance_km") is None:
        return ()
    beyond = at_most is not None and Decimal(_row(numbers, facts)["amount"]) > Decimal(at_most)
    return ("within_eu",) if beyond else ()


def _row(numbers: Numbers, facts: Known) -> Mapping[str, Any]:
    bands: Sequence[Mapping[str, Any]] = numbers["bands"]
    return next(row for row in bands if row["up_to_km"] is None or facts["distance_km"] <= Decimal(row["up_to_km"]))


def _band(numbers: Numbers, facts: Known) -> tuple[Mapping[str, Any], Decimal, Mapping[str, str]]:
    """The band, its amount, and how it was found. Within the Union the band of that amount counts, with its hours."""
    row, because = _row(numbers, facts), f"{plain(facts['distance_km'])} km"
    at_most = numbers.get("within_eu_at_most")
    if at_most is not None and facts.get("within_eu") and Decimal(row["amount"]) > Decimal(at_most):
        row = next(item for item in numbers["bands"] if Decimal(item["amount"]) == Decimal(at_most))
        because += " within the Union"
    return row, Decimal(row["amount"]), _step("distance", row["amount"], because)


def _half(halved: bool, because: str) -> dict[str, str]:
    return _step("halved", "0.5" if halved else "1", because)


_BY_CAUSE: Final[Mapping[str, Callable[[Numbers, str, Known], Outcome]]] = {
    "delay": _delayed,
    "cancellation": _cancelled,
    "denied_boarding": _refused,
}
_NOTHING: Final[Mapping[str, Callable[[Numbers, Known], Outcome | None]]] = {
    "delay": _nothing_for_delay,
    "cancellation": _nothing_for_cancellation,
    "denied_boarding": _nothing_for_refusal,
}
"""Why nothing is owed, where what is stated tells."""
_NEEDS: Final[Mapping[str, Callable[[Numbers, Known], tuple[str, ...]]]] = {
    "delay": _needs_of_delay,
    "cancellation": _needs_of_cancellation,
    "denied_boarding": _needs_of_refusal,
}
"""Beside the distance, as far as what is stated tells."""


def _fare_multiple(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    absent = _missing(facts, "cause")
    if absent is not None:
        return absent
    if facts["cause"] != "denied_boarding":
        return Outcome(code="not_this_cause", because="It is for boarding that was denied.")
    if facts.get("rerouted") and _arrives_in_time(numbers, facts):
        because = (
            f"The other transport arrives within {counted(numbers['none_up_to_hours'], 'hour')} of what was planned."
        )
        return Outcome(code="rerouted_in_time", because=because)
    absent = _missing(facts, "fare", *_wanted_of_rerouting(numbers, facts))
    if absent is not None:
        return absent
    if facts["fare"].currency != currency:
        because = f"The fare is in {facts['fare'].currency}, the tariff in {currency}; there is no exchange rate here."
        return Outcome(code="other_currency", because=because, missing=("fare",))
    return _of_fare(numbers, currency, facts)


def _lower_below(numbers: Numbers, facts: Known) -> Decimal:
    """Hours; of a flight of which nobody says whether it leaves the country the longer ones, from which on it is the same."""
    of_both = numbers["lower"]["below_hours"]
    stated = facts.get("international")
    names = ("domestic", "international") if stated is None else ("international" if stated else "domestic",)
    return max(Decimal(of_both[name]) for name in names)


def _wanted_of_rerouting(numbers: Numbers, facts: Known) -> tuple[str, ...]:
    """Nothing where it is late enough for the higher share, other transport or not."""
    late = facts.get("delay_hours")
    if late is not None and late >= _lower_below(numbers, facts):
        return ()
    return ("rerouted", *(("delay_hours", "international") if facts.get("rerouted") else ()))


def _arrives_in_time(numbers: Numbers, facts: Known) -> bool:
    late = facts.get("delay_hours")
    return late is not None and bool(late <= Decimal(numbers["none_up_to_hours"]))


def _of_fare(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    share = numbers["higher"]
    why = "no other transport was offered"
    if facts.get("rerouted") is not False:
        below = _lower_below(numbers, facts)
        other = "the other transport" if facts.get("rerouted") else "any other transport"
        why = f"{other} arrives {counted(facts['delay_hours'], 'hour')} later; from {below} on the higher share counts"
        share = numbers["lower"] if facts["delay_hours"] < below else share
    full = facts["fare"].decimal * Decimal(share["percent"]) / 100
    each = min(full, Decimal(share["at_most"]))
    steps = [
        _step("fare", str(facts["fare"]), "one way"),
        _step("percent", share["percent"], why),
        _step("at_most", share["at_most"], "reached" if full > each else "not reached"),
    ]
    return _owed(each, currency, facts, "Boarding was denied.", *steps)


def _per_unit(numbers: Numbers, currency: str, facts: Known) -> Outcome:
    units = numbers["units"]
    known = [name for name in units if facts.get(name) is not None]
    if not known:
        return Outcome(
            code="facts_missing", because=f"Nobody has stated any of {', '.join(units)}.", missing=tuple(units)
        )
    total = sum((Decimal(units[name]) * facts[name] for name in known), Decimal(0))
    if not total:
        return Outcome(code="nothing_counted", because=f"There is nothing to pay by: {', '.join(known)} is 0.")
    steps = tuple(
        _step(name, plain(Decimal(units[name]) * facts[name]), f"{facts[name]} at {units[name]}") for name in known
    )
    return Outcome(code="owed", because="It is paid by the piece.", amount=Money.of(total, currency), steps=steps)


def _amount_problem(numbers: Any, name: str, at: str, most: Decimal = _MOST) -> Iterator[FieldError]:
    """A decimal string from 0 to `most`."""
    value = numbers.get(name) if isinstance(numbers, Mapping) else None
    if value is None:
        yield FieldError.at(f"{at}/{name}", "required", "Missing data for required field.")
        return
    if not isinstance(value, str) or decimal_of(value) is None:
        yield FieldError.at(f"{at}/{name}", "invalid", 'Write a plain decimal string, for example "250".')
    elif Decimal(value) > most:
        yield FieldError.at(f"{at}/{name}", "range", f"Must be less than or equal to {plain(most)}.")


def decimal_of(value: str) -> Decimal | None:
    """A plain decimal, not negative, of at most 8 places; None for anything else."""
    whole, dot, places = value.partition(".")
    digits = whole.isascii() and whole.isdigit() and (not dot or (places.isascii() and places.isdigit()))
    if not digits or len(whole) > 16 or len(places) > _PLACES:
        return None
    return Decimal(value)


def _unknown(given: Any, known: Sequence[str], at: str) -> Iterator[FieldError]:
    if not isinstance(given, Mapping):
        yield FieldError.at(at, "invalid", f"Write an object with {', '.join(known)}.")
        return
    for name in [str(name) for name in given if name not in known][:10]:
        step = name[:100].replace("~", "~0").replace("/", "~1")
        yield FieldError.at(f"{at}/{step}", "unknown_field", "Unknown field.")


_HOURS: Final = Decimal(10_000)


def _air_problems(numbers: Numbers, at: str) -> Iterator[FieldError]:
    known = ("bands", "within_eu_at_most", "delay_from_hours", "last_band_halved_below_hours", "notice")
    yield from _unknown(numbers, known, at)
    yield from _amount_problem(numbers, "delay_from_hours", at, _HOURS)
    for name in ("within_eu_at_most", "last_band_halved_below_hours"):
        if numbers.get(name) is not None:
            yield from _amount_problem(numbers, name, at)
    yield from _band_problems(numbers.get("bands"), f"{at}/bands")
    yield from _notice_problems(numbers.get("notice"), f"{at}/notice")
    yield from _eu_problems(numbers, at)


def _band_problems(bands: Any, at: str) -> Iterator[FieldError]:
    if not isinstance(bands, list) or not 1 <= len(bands) <= 20:
        yield FieldError.at(at, "length", "Write a list of 1 to 20 bands.")
        return
    for place, band in enumerate(bands):
        here = f"{at}/{place}"
        yield from _unknown(band, ("up_to_km", "amount", "halved_up_to_hours"), here)
        yield from _amount_problem(band, "amount", here)
        yield from _amount_problem(band, "halved_up_to_hours", here, _HOURS)
        last = place == len(bands) - 1
        if isinstance(band, Mapping) and not (last and band.get("up_to_km") is None):
            yield from _amount_problem(band, "up_to_km", here)
    yield from _order_problems([band.get("up_to_km") for band in bands if isinstance(band, Mapping)], at)


def _order_problems(ends: Sequence[Any], at: str) -> Iterator[FieldError]:
    """Bands rise, and the last one is open: a distance beyond every band would have no amount."""
    if ends and ends[-1] is not None:
        yield FieldError.at(f"{at}/{len(ends) - 1}/up_to_km", "open_end", "The last band has no end: write null.")
    numbers = [decimal_of(end) if isinstance(end, str) else None for end in ends[:-1]]
    for place, (low, high) in enumerate(itertools.pairwise(numbers), start=1):
        if low is not None and high is not None and high <= low:
            yield FieldError.at(f"{at}/{place}/up_to_km", "order", "Each band ends further than the one before.")


def _notice_problems(notice: Any, at: str) -> Iterator[FieldError]:
    if not isinstance(notice, list) or not 1 <= len(notice) <= 10:
        yield FieldError.at(at, "length", "Write a list of 1 to 10 rows.")
        return
    limits = ("departs_earlier_up_to_hours", "arrives_later_below_hours")
    for place, row in enumerate(notice):
        here = f"{at}/{place}"
        yield from _unknown(row, ("from_days", *limits), here)
        yield from _amount_problem(row, "from_days", here)
        if isinstance(row, Mapping) and any(row.get(name) is not None for name in limits):
            for name in limits:
                yield from _amount_problem(row, name, here, _HOURS)
    days = [row.get("from_days") for row in notice if isinstance(row, Mapping)]
    read = [number for day in days if isinstance(day, str) and (number := decimal_of(day)) is not None]
    if len(read) < len(notice):
        return
    if read[-1] != 0:
        yield FieldError.at(f"{at}/{len(notice) - 1}/from_days", "open_end", "The last row begins at 0 days.")
    if read != sorted(set(read), reverse=True):
        yield FieldError.at(at, "order", "Rows go from the longest notice to the shortest, each once.")


def _eu_problems(numbers: Numbers, at: str) -> Iterator[FieldError]:
    at_most, bands = numbers.get("within_eu_at_most"), numbers.get("bands")
    if not isinstance(at_most, str) or decimal_of(at_most) is None or not isinstance(bands, list):
        return
    amounts = [band["amount"] for band in bands if isinstance(band, Mapping) and isinstance(band.get("amount"), str)]
    if Decimal(at_most) not in {decimal_of(item) for item in amounts}:
        yield FieldError.at(f"{at}/within_eu_at_most", "unknown", "It is the amount of one of the bands.")


def _fare_problems(numbers: Numbers, at: str) -> Iterator[FieldError]:
    yield from _unknown(numbers, ("none_up_to_hours", "lower", "higher"), at)
    yield from _amount_problem(numbers, "none_up_to_hours", at, _HOURS)
    for name, known in (("lower", ("percent", "at_most", "below_hours")), ("higher", ("percent", "at_most"))):
        share, here = numbers.get(name), f"{at}/{name}"
        if not isinstance(share, Mapping):
            yield FieldError.at(here, "required", f"Write an object with {', '.join(known)}.")
            continue
        yield from _unknown(share, known, here)
        yield from _amount_problem(share, "percent", here, Decimal(10_000))
        yield from _amount_problem(share, "at_most", here)
        if name == "lower":
            hours = share.get("below_hours")
            yield from _unknown(hours, ("domestic", "international"), f"{here}/below_hours")
            for where in ("domestic", "international"):
                yield from _amount_problem(hours, where, f"{here}/below_hours", _HOURS)


def _unit_problems(numbers: Numbers, at: str) -> Iterator[FieldError]:
    yield from _unknown(numbers, ("units",), at)
    units = numbers.get("units")
    if not isinstance(units, Mapping) or not units:
        yield FieldError.at(f"{at}/units", "required", f"Write an amount for one or more of {', '.join(COUNTED)}.")
        return
    yield from _unknown(units, COUNTED, f"{at}/units")
    for name in units:
        if name in COUNTED:
            yield from _amount_problem(units, name, f"{at}/units")


@dataclass(frozen=True, slots=True)
class Method:
    summary: str
    compute: Callable[[Numbers, str, Known], Outcome]
    problems: Callable[[Numbers, str], Iterator[FieldError]]


METHODS: Final[Mapping[str, Method]] = {
    "air_passenger": Method("by distance, delay, notice and re-routing", _air_passenger, _air_problems),
    "fare_multiple": Method("a share of the fare, up to a maximum, by how late the other transport is", _fare_multiple, _fare_problems),
    "per_unit": Method("so much for each day, appointment or failure", _per_unit, _unit_problems),
}  # fmt: skip


def problems(method: str, numbers: Any, at: str) -> list[FieldError]:
    """Everything that is wrong with the numbers of a method of `METHODS`, each with its place."""
    if not isinstance(numbers, Mapping):
        return [FieldError.at(at, "invalid", "Write an object.")]
    return list(METHODS[method].problems(numbers, at))
