"""The facts that triggers may ask for: those of a complaint, and what the domains above it know: the event, the clocks in
percent, business time, and the offers. What does not stand on the complaint's row costs a statement, and only where a
condition asks for it.

Business minutes are those of the default policy's calendar; without one they are not known.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.automation import fact_queries, happenings
from helpdesk.automation.happenings import Happened
from helpdesk.complaints import facts as complaint_facts
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.facts import CODE, CODES, FLAG, TEXT, WHOLE, Facts, Field, Vocabulary
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import LIFECYCLE as OFFER_LIFE
from helpdesk.sla import clock_terms
from helpdesk.sla.business_time import SEARCH_DAYS, BusinessTimeError, elapsed, remaining
from helpdesk.sla.errors import NoPolicy
from helpdesk.sla.models import CLOCK_STATES, POLICY_KINDS, Clock
from helpdesk.sla.policies_in_force import default_policy

_STATES: Final = (*CLOCK_STATES, "none")


def _of_clock(kind: str) -> Vocabulary:
    said = kind.replace("_", " ")
    return {
        f"clock.{kind}.state": Field(CODE, f"of the promise to {said}, in the present round", _STATES),
        f"clock.{kind}.percent_used": Field(WHOLE, f"how much of the time to {said} is used, in business time"),
        f"clock.{kind}.minutes_to_due": Field(WHOLE, f"whole minutes by the clock to when it is due to {said}"),
    }


_OF_CLOCKS: Final[Vocabulary] = {
    **{name: field for kind in POLICY_KINDS for name, field in _of_clock(kind).items()},
    "promises_broken": Field(CODES, "the promises of the present round that were broken, regulators' too"),
    "promise_broken": Field(FLAG, "whether any promise of the present round was broken"),
}
_OF_OFFERS: Final[Vocabulary] = {
    "offer_statuses": Field(CODES, "where the offers on it stand", OFFER_LIFE.states),
    "offer_kinds": Field(CODES, "what was offered", KINDS),
}
AGES: Final = {
    "business_minutes_since_received": "received_at",
    "business_minutes_since_inbound": "last_inbound_at",
    "business_minutes_since_public_reply": "last_public_reply_at",
}
AGES_OF_MOMENT: Final = frozenset(AGES)
"""Facts of any moment, as soon as the times that they count from are known."""
_BUSINESS: Final[Vocabulary] = {
    "business_minutes_since_received": Field(WHOLE, "whole business minutes since it reached the firm"),
    "business_minutes_since_inbound": Field(WHOLE, "whole business minutes since the complainant wrote last"),
    "business_minutes_since_public_reply": Field(WHOLE, "whole business minutes since we wrote to them last"),
}

OURS: Final[Vocabulary] = {**happenings.VOCABULARY, **_OF_CLOCKS, **_OF_OFFERS, **_BUSINESS}
SHIPPED: Final[Vocabulary] = {**complaint_facts.VOCABULARY, **OURS}
"""All but the operator's own fields."""


def vocabulary(session: Session) -> Vocabulary:
    """All that can be asked for now; one statement."""
    return {**complaint_facts.vocabulary(session), **OURS}


def facts_of(
    session: Session, complaint: Complaint, wanted: AbstractSet[str], now: datetime, event: Happened | None = None
) -> Facts:
    """Of the `wanted` facts at least, as they are now; changes are those of the event."""
    asked = wanted | {AGES[name] for name in wanted & AGES.keys()}
    found = complaint_facts.facts_of(session, complaint, asked, now)
    values = dict(found.values)
    values |= beside(session, complaint, wanted, now, values)
    if event is None:
        return Facts(values)
    return Facts(values | happenings.facts_of_event(event), happenings.changes_of(event, complaint.currency))


def beside(
    session: Session, complaint: Complaint, wanted: AbstractSet[str], now: datetime, known: Mapping[str, Any]
) -> dict[str, Any]:
    """What this domain knows of it beside the event. `known`: the facts of the complaint itself, its times above all."""
    values: dict[str, Any] = {}
    if wanted & _OF_CLOCKS.keys():
        values |= _of_clocks(session, fact_queries.clocks_of_round(session, complaint.id, complaint.round), now)
    if wanted & _OF_OFFERS.keys():
        offers = fact_queries.offers_of(session, complaint.id)
        values |= {"offer_statuses": {row.status for row in offers}, "offer_kinds": {row.kind for row in offers}}
    ages = wanted & AGES.keys()
    if ages:
        values |= business_ages(session, {name: known.get(AGES[name]) for name in ages}, now)
    return values


def business_ages(session: Session, since: Mapping[str, datetime | None], now: datetime) -> dict[str, int | None]:
    try:
        calendar = default_policy(session).calendar
    except NoPolicy:
        return dict.fromkeys(since)
    stretch = timedelta(days=SEARCH_DAYS)
    return {
        name: None if at is None or now - at > stretch else elapsed(calendar, at, now) // 60
        for name, at in since.items()
    }


def _of_clocks(session: Session, found: Sequence[Clock], now: datetime) -> dict[str, Any]:
    broken = {clock.kind for clock in found if clock.breached_at is not None}
    values: dict[str, Any] = {"promises_broken": broken, "promise_broken": bool(broken)}
    by_kind = {clock.kind: clock for clock in found}
    for kind in POLICY_KINDS:
        clock = by_kind.get(kind)
        values[f"clock.{kind}.state"] = "none" if clock is None else clock.state
        if clock is not None:
            values[f"clock.{kind}.percent_used"] = percent_used(session, clock, now)
            due = clock.due_at if clock.stopped_at is None else None
            values[f"clock.{kind}.minutes_to_due"] = None if due is None else int((due - now).total_seconds() // 60)
    return values


def percent_used(session: Session, clock: Clock, now: datetime) -> int | None:
    """Of the business time that the promise gives, rounded down; more than 100 once it is overdue. None where the calendar
    gives no answer.
    """
    moment = clock.stopped_at or now
    calendar, target = clock_terms.calendar_of(session, clock), clock_terms.target_of(clock)
    pauses = clock_terms.pauses_of(clock) if clock.pausable else []
    try:
        used = elapsed(calendar, clock.started_at, moment, pauses)
        left = remaining(
            calendar, clock.started_at, target, moment, pauses, conventions=clock_terms.conventions_of(clock)
        )
    except BusinessTimeError:
        return None
    whole = used + left
    return 100 if whole <= 0 else 100 * used // whole


def tellable(names: AbstractSet[str], known: Vocabulary) -> frozenset[str]:
    """Those whose values may stand in a log: no texts, which stand where they can be redacted."""
    return frozenset(name for name in names if name in known and known[name].kind is not TEXT)


def explained(condition: Any, told: AbstractSet[str], then: AbstractSet[str] | None = None) -> Any:
    """What `Expression.explain` gave, for keeps: what was found only of those that are `tellable`. With `then`, each leaf
    says whether that was so at the moment in question or is so today.
    """
    if isinstance(condition, list):
        return [explained(part, told, then) for part in condition]
    if "field" not in condition:
        return {
            name: explained(part, told, then) if name in {"all", "any", "not"} else part
            for name, part in condition.items()
        }
    leaf = dict(condition)
    if leaf["field"] not in told:
        leaf["found"] = None
    if then is not None:
        leaf["as_of"] = "then" if leaf["field"] in then else "today"
    return leaf
