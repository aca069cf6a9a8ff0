"""Public holidays by country and region, or the closing days of a market, from the package `holidays`, as plain dates.

They are worked out when a calendar is written, for a bounded span of years, and kept with its version: `expand` tells which
release of the package made them, so that a newer release moves no deadline by itself. `differences` tells what the one
installed here would say now; taking that over is a new version.

Decisions:

- What only part of a day or nobody's work stands still for (the package's categories `half_day` and `workday`) is no holiday
  of a calendar.
- Make-up working days, where the package knows them (China, Hungary, Taiwan ...), work as the first weekday with hours, or as
  the one that is named.
- Names are English where the package has them in English: never by the locale of the machine.
- Outside the years that the package knows of a country there are none; the span is cut to what it knows.
- A date is the calendar's own local date.
"""

import warnings
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from types import ModuleType
from typing import Any, Final

from helpdesk.sla.calendar_spec import Problem

YEARS_BACK: Final = 10
YEARS_AHEAD: Final = 10
MAX_YEARS: Final = 60
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2100
_NOT_CLOSING: Final = frozenset({"half_day", "workday"})

Wanted = Mapping[str, Any]
"""As a caller gives it: country or market, subdivision, categories, observed, from_year, until_year, without, work_like."""


def release() -> str:
    return version("holidays")


def _package() -> ModuleType:
    """`helpdesk sla compute` reads calendars that are worked out already, and does not wait until it is loaded."""
    import holidays  # noqa: PLC0415  # see above

    return holidays


@lru_cache(maxsize=1)
def _regions() -> dict[str, tuple[str, ...]]:
    holidays = _package()
    found = holidays.list_supported_countries(include_aliases=False)
    return {country: tuple(sorted(found[country])) for country in sorted(found)}


@lru_cache(maxsize=512)
def _categories(country: str) -> tuple[str, ...]:
    holidays = _package()
    known = holidays.country_holidays(country).supported_categories
    return tuple(sorted(str(category) for category in known if category not in _NOT_CLOSING))


@lru_cache(maxsize=1)
def markets() -> tuple[str, ...]:
    """Codes of markets and of central banks whose closing days are known: `XECB` (TARGET), `XFED` (Federal Reserve) ..."""
    return tuple(sorted(_package().list_supported_financial(include_aliases=False)))


def countries() -> list[dict[str, Any]]:
    """Every country that the package knows, with its regions and kinds of holidays."""
    return [
        {"country": country, "subdivisions": list(regions), "categories": list(_categories(country))}
        for country, regions in _regions().items()
    ]


def problems_of(wanted: Wanted) -> list[Problem]:
    """What the package does not know, with what it knows instead, and spans of years that are none."""
    country, region = wanted.get("country"), wanted.get("subdivision")
    if wanted.get("market") is not None:
        problems = _problems_of_market(wanted)
    else:
        problems = _problems_of_country(wanted, country, region)
    since, until = wanted.get("from_year"), wanted.get("until_year")
    if since is not None and until is not None and not 0 <= until - since < MAX_YEARS:
        message = f"give years from the first to the last, at most {MAX_YEARS} of them"
        problems.append(Problem("/until_year", "bad_span", message))
    return problems


def _problems_of_market(wanted: Wanted) -> list[Problem]:
    if wanted["market"] not in markets():
        return [Problem("/market", "unknown_market", f"known: {', '.join(markets())}")]
    if wanted.get("subdivision") is not None:
        return [Problem("/subdivision", "unknown_subdivision", "a market has none")]
    return []


def _problems_of_country(wanted: Wanted, country: Any, region: str | None) -> list[Problem]:
    if country not in _regions():
        return [Problem("/country", "unknown_country", f"known: {', '.join(_regions())}")]
    problems = []
    if region is not None and region not in _regions()[country]:
        known = f"known of {country}: {', '.join(_regions()[country]) or 'none'}"
        problems.append(Problem("/subdivision", "unknown_subdivision", known))
    for index, category in enumerate(wanted["categories"]):
        if category not in _categories(country):
            known = f"known of {country}: {', '.join(_categories(country))}"
            problems.append(Problem(f"/categories/{index}", "unknown_category", known))
    return problems


def expand(
    wanted: Wanted, weekly_hours: Mapping[str, Any], this_year: int, *, since: int | None = None
) -> dict[str, Any]:
    """What is kept with a version: `release`, `from_year`, `until_year`, `holidays` (date -> name) and `working_days` (date ->
    weekday whose hours it has); dates as text, in order. Call `problems_of` first.

    `since`: the first year of an earlier version, from which on it is worked out again where no first year is wanted: old
    complaints come in late, and their deadlines rest on it.
    """
    span = _span(wanted, this_year, since)
    found = _entity(wanted, span)
    first, last = (min(found.years), max(found.years)) if found.years else span
    without = set(wanted["without"])
    named = {day.isoformat(): str(name) for day, name in sorted(found.items()) if first <= day.year <= last}
    like = wanted.get("work_like") or next((day for day, shifts in weekly_hours.items() if shifts), None)
    made_up = [day.isoformat() for day in sorted(found.weekend_workdays) if first <= day.year <= last] if like else []
    return {
        "release": release(),
        "from_year": first,
        "until_year": last,
        "holidays": {day: name for day, name in named.items() if day not in without},
        "working_days": {day: like for day in made_up if day not in without},
    }


def idle_exceptions(wanted: Wanted, this_year: int) -> list[Problem]:
    """Dates in `without` on which there is nothing to leave out: a mistyped one would leave a holiday in silently."""
    whole = expand({**wanted, "without": []}, {"mon": [()]}, this_year)
    known = whole["holidays"].keys() | whole["working_days"].keys()
    message = f"it is no public holiday there in {whole['from_year']} to {whole['until_year']}"
    return [
        Problem(f"/without/{index}", "no_holiday", message)
        for index, day in enumerate(wanted["without"])
        if day not in known
    ]


def differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What `now` has and what was kept has not, and the other way round: date -> name, date -> weekday."""
    found = {
        f"{what}_{change}": {day: text for day, text in one[what].items() if day not in other[what]}
        for what in ("holidays", "working_days")
        for change, one, other in (("added", now, kept), ("removed", kept, now))
    }
    return {"kept_release": kept["release"], "release": now["release"], "differs": any(found.values()), **found}


def _entity(wanted: Wanted, span: tuple[int, int]) -> Any:
    holidays = _package()
    market, country = wanted.get("market"), wanted.get("country")
    known = holidays.country_holidays(country) if market is None else holidays.financial_holidays(market)
    years = range(max(span[0], known.start_year), min(span[1], known.end_year) + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some years of some kinds are not known: what is known is kept
        if market is not None:
            return holidays.financial_holidays(market, years=years, expand=False, observed=wanted["observed"])
        return holidays.country_holidays(
            country,
            subdiv=wanted.get("subdivision"),
            years=years,
            expand=False,
            observed=wanted["observed"],
            language="en_US" if "en_US" in known.supported_languages else known.default_language,
            categories=_in_order(wanted["categories"]),
        )


def _in_order(categories: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(categories))


def _span(wanted: Wanted, this_year: int, before: int | None) -> tuple[int, int]:
    """The years that are worked out, both included; what is not given moves with the time."""
    since, until = wanted.get("from_year"), wanted.get("until_year")
    if until is None:
        until = max(this_year, since or this_year) + YEARS_AHEAD
    if since is None:
        since = max(min(this_year, until) - YEARS_BACK if before is None else before, until - MAX_YEARS + 1)
    return since, min(until, since + MAX_YEARS - 1)


def holidays_of(spec: Mapping[str, Any]) -> set[date]:
    """The days off of one version's own words and of its country."""
    public = spec.get("public_holidays") or {}
    kept = public.get("expanded", {}).get("holidays", {})
    return {date.fromisoformat(day) for day in (*spec.get("holidays", []), *kept)}


def working_days_of(spec: Mapping[str, Any]) -> dict[date, str]:
    """Make-up days. A calendar's own words go over those of its country, so its own holiday is none of them."""
    public = spec.get("public_holidays") or {}
    kept = public.get("expanded", {}).get("working_days", {})
    own = set(spec.get("holidays", []))
    days = {day: like for day, like in kept.items() if day not in own} | dict(spec.get("working_days", {}))
    return {date.fromisoformat(day): like for day, like in days.items()}
