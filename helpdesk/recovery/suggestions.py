"""The playbook's suggestion for a complaint as it stands, with what is not known yet said openly.

What is asked for goes before what was recorded of the case (`fact_recording`), and that before what the complaint says.
What is owed (proven loss, what is stated as statutory, and the tariffs of the day on which it happened) is reckoned first
and apart; the playbook decides about goodwill, tactics and alternatives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.facts import of_issues
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.facts import Facts as RuleFacts
from helpdesk.kernel.money import Money
from helpdesk.recovery import (
    case_fact_queries,
    matters,
    playbooks_in_force,
    queries,
    rule_facts,
    tariffs_in_force,
)
from helpdesk.recovery.case_facts import ALONE, ELSEWHERE, FACTS, as_kept
from helpdesk.recovery.matters import LAID_DOWN, Matter, Others, Stated
from helpdesk.recovery.playbook import Facts, Lost, Owed, Suggestion, as_data, suggest
from helpdesk.recovery.playbook_spec import Playbook
from helpdesk.recovery.playbooks_in_force import Playbooks
from helpdesk.recovery.settling import NO_SHARES, Shares
from helpdesk.recovery.tariff_methods import OPEN
from helpdesk.recovery.tariffs_in_force import Laid

DEFAULT_CURRENCY: Final = "EUR"
"""Where neither the complaint nor a tariff nor the caller names one; only the unit of the bands depends on it."""
_OF_ISSUES: Final = frozenset(of_issues(()))
_STATED: Final = ("statutory", "refunded")


@dataclass(frozen=True, slots=True)
class Suggested:
    """`assumed` names the facts that nobody has stated: read the suggestion as "if so, then". `playbook_id` None: the shipped
    one. `case`: the facts of the case that were known. `tariffs`: what each that was looked at lays down. `issues`: category and
    code of each issue that the complaint has.
    """

    suggestion: Suggestion
    facts: Facts
    assumed: tuple[str, ...]
    playbook_id: UUID | None
    case: Mapping[str, Any]
    tariffs: tuple[Laid, ...]
    stated: tuple[Stated, ...]
    """What was recorded as laid down, here and of what was merged into it, and what was lost there."""
    own_currency: str | None
    """The complaint's; None: it has none yet, and may be reckoned in another one."""
    issues: tuple[tuple[str | None, str | None], ...] = ()
    of_others: frozenset[UUID] = frozenset()
    """Complaints of other complainants that were merged into it: what they were offered there is taken off what is owed to them."""
    shares: Shares = NO_SHARES
    """For whom what is offered here counts, and what counts here and was offered elsewhere: for `override_queries.offered`."""

    def as_data(self) -> dict[str, Any]:
        """JSON-safe, to be kept with an offer."""
        return as_data(self.suggestion) | {
            "assumed": list(self.assumed),
            "playbook_id": None if self.playbook_id is None else str(self.playbook_id),
            "facts": as_kept(self.case),
            "issues": [{"category": category, "issue": issue} for category, issue in self.issues],
            "tariffs": [self.tariff_data(laid) for laid in self.tariffs],
            "other_currencies": [item.as_data() for item in self.elsewhere],
        }

    @property
    def elsewhere(self) -> tuple[Stated, ...]:
        """What is in another currency than the case is reckoned in."""
        own = self.facts.loss.currency
        refunded = [Stated("refunded", self.case["refunded"])] if "refunded" in self.case else []
        laid = (
            Stated("tariff", item.outcome.amount, item.tariff, item.other_complainant)
            for item in self.tariffs
            if item.outcome.amount is not None
        )
        found = [item for item in (*self.stated, *refunded, *laid) if item.amount.minor and item.amount.currency != own]
        return tuple(sorted(found, key=lambda item: ELSEWHERE.index(item.what)))

    @property
    def unconverted(self) -> tuple[Money, ...]:
        """What is laid down in currencies that this is not reckoned in, one amount of each. Nothing that is stated in this one covers
        it: what is stated is laid down beside the tariffs.
        """
        found: dict[str, Money] = {}
        for item in self.elsewhere:
            if item.what in LAID_DOWN:
                currency = item.amount.currency
                found[currency] = found.get(currency, Money(0, currency)) + item.amount
        return tuple(found.values())

    @property
    def is_for_others(self) -> bool:
        """Something may be owed to somebody else whose complaint was merged into this one."""
        return any(item.other_complainant for item in self.stated) or any(
            laid.other_complainant for laid in self.tariffs
        )

    @property
    def untold(self) -> tuple[Laid, ...]:
        """Tariffs that may lay down something, and nobody can tell how much; without those of which somebody has stated, in their own
        currency, what it comes to.
        """
        return tuple(laid for laid in self.tariffs if laid.outcome.code in OPEN and not laid.stated)

    @property
    def by_merged(self) -> list[UUID]:
        """Complaints by whose facts tariffs lay something down, or may."""
        return [laid.complaint_id for laid in self.tariffs if laid.complaint_id is not None]

    def tariff_data(self, laid: Laid) -> dict[str, Any]:
        """With whether it is part of what is owed: one in another currency is told, and not added up."""
        amount = laid.outcome.amount
        counted = amount is not None and amount.currency == self.facts.loss.currency
        return laid.as_data() | {"counted": counted, "other_complainant": laid.other_complainant}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a case before a playbook is chosen. `assumed`: what had to be. `values`: what conditions are asked of, with
    what is assumed, so that a rule holds of what the suggestion shows.
    """

    case: dict[str, Any]
    settled: dict[str, Any]
    assumed: tuple[str, ...]
    tariffs: tuple[Laid, ...]
    values: dict[str, Any]
    issues: tuple[tuple[str | None, str | None], ...]
    stated: tuple[Stated, ...]
    lost_by_others: tuple[Lost, ...]
    others: Others


class _FailedBefore:
    """Whether the same issue failed before within so many days: as stated, or looked up, once for each number of days."""

    def __init__(self, session: Session, complaint: Complaint, case: Mapping[str, Any]) -> None:
        self._look = partial(queries.failed_before, session, complaint)
        self._stated: bool | None = case.get("repeat")
        self._found: dict[int, tuple[UUID, ...]] = {}

    def __call__(self, within_days: int) -> bool:
        return bool(self.complaints(within_days)) if self._stated is None else self._stated

    def complaints(self, within_days: int) -> tuple[UUID, ...]:
        """In which it did; none where somebody has stated whether it did."""
        if self._stated is not None:
            return ()
        if within_days not in self._found:
            self._found[within_days] = self._look(within_days)
        return self._found[within_days]


def suggestion_for(
    session: Session,
    complaint: Complaint,
    overrides: Mapping[str, Any] | None = None,
    playbooks: Playbooks | None = None,
) -> Suggested:
    """`overrides`: fault, vulnerable, currency, the amounts loss and price (`Money` of `currency_of(complaint)`), and any of
    `case_facts.FACTS`. What neither they nor the record nor the complaint say is assumed: fault the firm's, nothing overdue,
    nothing lost; lateness is kept by another domain, so a caller who knows it passes it. `playbooks`: those to choose from;
    those in force when None. Which of their versions counts, today (in UTC) decides.
    """
    books = playbooks or playbooks_in_force.in_force(session)
    recorded = case_fact_queries.recorded(session, complaint)
    known = _known(session, complaint, dict(overrides or {}), books, recorded)
    failed = _FailedBefore(session, complaint, known.case)
    playbook_id, book = books.choose(known.values, recorded.now.date(), failed)
    facts = _facts(complaint, known, book, failed)
    rules = book.holding(RuleFacts(known.values | {"repeat": facts.repeated, "lost": facts.lost}))
    suggested = suggest(facts, book, rules)
    return Suggested(
        suggested,
        facts,
        known.assumed,
        playbook_id,
        known.case,
        known.tariffs,
        stated=known.stated,
        own_currency=complaint.currency,
        issues=known.issues,
        of_others=frozenset(one.complaint.id for told in recorded.others for one in told),
        shares=known.others.shares(facts.loss.currency),
    )


def _known(
    session: Session,
    complaint: Complaint,
    given: dict[str, Any],
    books: Playbooks,
    recorded: case_fact_queries.Recorded,
) -> _Known:
    asked = {name: given[name] for name in FACTS if given.get(name) is not None}
    case = recorded.facts | asked
    tariffs = tariffs_in_force.in_force(session)
    wanted = (books.wanted | tariffs.wanted) - {"customer_tier"} - _OF_ISSUES
    values = rule_facts.values_of(session, complaint, wanted, recorded.now, case) | of_issues(recorded.issues)
    values |= recorded.mine[0].instead
    values |= {
        "customer_tier": recorded.tier or "ordinary",
        "vulnerable": given.get("vulnerable", complaint.vulnerable),
    }
    values |= {name: given[name] for name in ("fault", "price", "loss") if given.get(name) is not None}
    day = case.get("happened_on") or complaint.received_at.date()
    values |= {"happened_on": day, "passengers": case.get("passengers") or ALONE}
    told = [replace(one, facts=one.facts | asked) for one in recorded.mine]
    mine = matters.own(session, told, tariffs, values, recorded.now)
    known_of_others = matters.of_others(session, mine, recorded, tariffs)
    others = known_of_others.matters
    laid = tuple(it for matter in (mine, *others) for it in matter.laid)
    currency = _currency(complaint, given.get("currency"), laid, case)
    settled, assumed = _settled(complaint, given, case, mine, Money(0, currency))
    for_others = [it.amount for matter in others for it in matter.stated]
    settled["statutory"] = sum((it for it in for_others if it.currency == currency), settled["statutory"])
    lost_by_others = tuple(it for matter in others for it in matter.lost)
    return _Known(
        case,
        settled,
        assumed,
        laid,
        values | settled,
        recorded.issues,
        stated=(
            *(Stated("loss", it.amount) for it in mine.lost),
            *(Stated("loss", it.amount, other_complainant=True) for it in lost_by_others),
            *(it for matter in (mine, *others) for it in matter.stated),
        ),
        lost_by_others=tuple(it for it in lost_by_others if it.amount.currency == currency),
        others=known_of_others,
    )


def _settled(
    complaint: Complaint, given: Mapping[str, Any], case: Mapping[str, Any], mine: Matter, nothing: Money
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the formula needs, and the names of what nobody has stated. What was stated in another currency is `elsewhere`."""
    known: dict[str, Any] = {
        "fault": given.get("fault") or complaint.fault,
        "weeks_overdue": case.get("weeks_overdue"),
        "loss": given.get("loss") or _in([it.amount for it in mine.lost], nothing.currency),
        "statutory": _in([it.amount for it in mine.stated], nothing.currency) or (nothing if mine.stated else None),
        "refunded": case.get("refunded"),
    }
    assumptions = {"fault": "firm", "weeks_overdue": 0, "loss": nothing, "statutory": nothing, "refunded": nothing}
    settled: dict[str, Any] = {name: assumptions[name] if value is None else value for name, value in known.items()}
    settled["refunded"] = _same(settled["refunded"], nothing)
    settled["price"] = given.get("price") or _of(complaint.price_minor, nothing.currency)
    return settled, tuple(name for name, value in known.items() if value is None)


def _in(amounts: Sequence[Money], currency: str) -> Money | None:
    """That which is in this currency; there is one of each."""
    return next((it for it in amounts if it.currency == currency), None)


def _facts(complaint: Complaint, known: _Known, book: Playbook, failed: _FailedBefore) -> Facts:
    values = known.values
    return Facts(
        severity=complaint.severity,
        tier=values["customer_tier"],
        repeated=failed(book.formula.repeat_within_days),
        delay_stated="weeks_overdue" not in known.assumed,
        failed_in=failed.complaints(book.formula.repeat_within_days),
        vulnerable=values["vulnerable"],
        tariffs=_owed(known.tariffs, known.settled["loss"].currency),
        lost_by_others=known.lost_by_others,
        lost=book.lost_in(values),
        **known.settled,
    )


def _owed(tariffs: tuple[Laid, ...], currency: str) -> tuple[Owed, ...]:
    """Those that lay down an amount in this currency."""
    return tuple(
        Owed(
            tariff=laid.tariff,
            version=laid.version.number,
            amount=laid.outcome.amount,
            set_off=laid.version.spec["set_off"] and not laid.other_complainant,
            evidence=laid.as_data() | ({"other_complainant": True} if laid.other_complainant else {}),
        )
        for laid in tariffs
        if laid.version is not None and laid.outcome.amount is not None and laid.outcome.amount.currency == currency
    )


def _currency(complaint: Complaint, given: str | None, laid: tuple[Laid, ...], case: Mapping[str, Any]) -> str:
    """Of a complaint that has none, and where nobody names one, that of the first tariff that lays down something, then that of
    what was stated.
    """
    amounts = [item.outcome.amount for item in laid if item.outcome.amount is not None]
    amounts += [case[name] for name in _STATED if name in case]
    return currency_of(complaint, given or (amounts[0].currency if amounts else None))


def currency_of(complaint: Complaint, given: str | None = None) -> str:
    """The complaint's own currency counts before any other: its amounts are in it."""
    return complaint.currency or given or DEFAULT_CURRENCY


def _of(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)


def _same(amount: Money, nothing: Money) -> Money:
    """There is no exchange rate."""
    return amount if amount.currency == nothing.currency else nothing
