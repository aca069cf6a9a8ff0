"""Who may grant an offer: limits, what was granted before, four eyes, no conflict of interest, no splitting.

Whoever approves does so by their own authority, or in the name of somebody who lent them theirs; that person counts like the
one who acts: neither may have drafted the offer, be in conflict with it, or have signed it before, and it counts against the
lender's limits. One set of `circumstances` judges a single offer under the locks and a whole list without.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.errors import ConflictOfInterest
from helpdesk.identity import allowance_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.allowances import Allowances, Limits
from helpdesk.identity.allowances_in_force import in_force
from helpdesk.identity.queries import active_agent
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.recovery import approval_queries, authority, borrowing, conflict_queries, delegation_queries, queries
from helpdesk.recovery.authority import Excess, Granted, Sums, Verdict
from helpdesk.recovery.borrowing import Idle
from helpdesk.recovery.conflict_queries import Standing
from helpdesk.recovery.delegation_queries import Lent
from helpdesk.recovery.errors import BeyondAuthority, OwnApproval
from helpdesk.recovery.structuring import Near, Suspicion, together

TOGETHER: Final = "together"
"""Among the limits of a refusal: not the offer alone passes the one for a complaint, but those that it belongs together with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An offer as far as authority is concerned. `amount` None: it costs nothing, and needs none."""

    offer_id: UUID
    complaint_id: UUID
    customer_id: UUID | None
    team_id: UUID | None
    drafted_by: UUID | None
    approvals: Sequence[Mapping[str, Any]]
    amount: Money | None

    @property
    def signers(self) -> frozenset[UUID]:
        return approval_queries.signers(self.approvals)


@dataclass(frozen=True, slots=True)
class Basis:
    """Whose authority is used: one's own, or a lender's."""

    person_id: UUID | None
    authority: str
    delegation_id: UUID | None = None
    up_to: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that some offers are judged by for one person. `at`: the time by which it holds."""

    allowances: Allowances
    at: datetime
    actor_id: UUID | None
    bases: tuple[Basis, ...]
    conflicts: Sequence[Standing]
    subjects: frozenset[tuple[UUID, UUID]]
    granted: Mapping[tuple[UUID, UUID | None], Sums]
    near: Mapping[UUID, Near]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of it. `version`: of the limits. `days`: within which offers were looked at together. `limits`, `granted`: None
    for what costs nothing. `refusal`: why it is not enough.
    """

    basis: Basis
    verdict: Verdict
    at: datetime
    version: int
    days: int
    limits: Limits | None = None
    granted: Granted | None = None
    suspicion: Suspicion | None = None
    refusal: Forbidden | None = None

    @property
    def unsuspected(self) -> "Judgement":
        """For a decision that grants nothing: there is nothing to look at together."""
        return replace(self, suspicion=None)


def asked_of(held: queries.Held) -> Asked:
    offer = held.offer
    amount = None
    if offer.amount_minor is not None and offer.currency is not None:
        amount = Money(offer.amount_minor, offer.currency)
    return Asked(
        offer_id=offer.id,
        complaint_id=offer.complaint_id,
        customer_id=held.complaint.customer_id,
        team_id=held.complaint.team_id,
        drafted_by=offer.drafted_by,
        approvals=offer.approvals,
        amount=amount,
    )


def circumstances(
    session: Session,
    actor: Actor,
    offers: Sequence[Asked],
    *,
    now: datetime,
    standing: tuple[Allowances, datetime],
    lent: Sequence[Lent] | None = None,
) -> Circumstances:
    """For showing, and for `in_turn`. `now`: of which day the day is. `standing`: the limits, and the time by which they and all
    else hold. `lent`: what was lent to them; looked up when None.
    """
    allowances, at = standing
    if lent is None:
        lent = _lent_to(session, actor, at)
    own = Basis(actor.person_id, actor.authority)
    bases = (own, *(Basis(item.lender_id, item.authority, item.delegation_id, item.up_to) for item in lent))
    people = sorted({basis.person_id for basis in bases if basis.person_id is not None})
    paying = [asked.offer_id for asked in offers if asked.amount is not None]
    days = allowances.splitting_days
    return Circumstances(
        allowances,
        at,
        actor.person_id,
        bases,
        conflict_queries.standing(session, people, at) if people else [],
        approval_queries.subjects(session, {asked.complaint_id for asked in offers}, people) if people else frozenset(),
        approval_queries.granted_before(session, paying, people, now) if paying else {},
        approval_queries.granted_near(session, paying, now - timedelta(days=days)) if paying and days else {},
    )


def _lent_to(session: Session, actor: Actor, at: datetime) -> Sequence[Lent]:
    borrower = _borrower(actor)
    return () if borrower is None else delegation_queries.lent_to(session, borrower, at)


def _borrower(actor: Actor) -> UUID | None:
    """Only people borrow: neither a key of theirs nor the program acts in anybody's name."""
    return actor.id if actor.kind == "agent" else None


def in_turn(session: Session, actor: Actor, asked: Asked, now: datetime) -> Circumstances:
    """For an approval that is about to be given: until the transaction ends nobody changes what it is judged by, nor grants to
    the same customer or in one of the names that are concerned. After the locks of complaint and offer, before the budget's.
    """
    allowance_queries.among_others(session)
    standing = allowance_queries.standing(session)
    lent = _lent_to(session, actor, standing[1])
    people = {actor.person_id, asked.drafted_by, *(item.lender_id for item in lent)}
    approval_queries.take_turns(session, asked.customer_id, people)
    return circumstances(session, actor, [asked], now=now, standing=standing, lent=lent)


def costless(actor: Actor, now: datetime) -> Judgement:
    """Of what needs no authority, since it costs nothing."""
    return Judgement(basis=Basis(actor.person_id, actor.authority), verdict=Verdict.ENOUGH, at=now, version=0, days=0)


def bar(seen: Circumstances, asked: Asked, basis: Basis) -> Forbidden | None:
    """Why this person may not approve this offer by this authority, whatever its amount."""
    people = _people(seen, basis)
    if asked.drafted_by in people:
        mine = asked.drafted_by == seen.actor_id
        return OwnApproval(
            "You drafted this offer." if mine else "Whoever lent you their authority drafted this offer."
        )
    if people & asked.signers:
        return OwnApproval("It was approved by you or in the same name already; it needs a second person.")
    return conflict(seen, asked, people)


def conflict(seen: Circumstances, asked: Asked, people: set[UUID]) -> ConflictOfInterest | None:
    """The first conflict that one of these people has with the offer."""
    for person_id in sorted(people, key=lambda each: each != seen.actor_id):
        whose = "you" if person_id == seen.actor_id else "whoever lent you their authority"
        if (asked.complaint_id, person_id) in seen.subjects:
            return ConflictOfInterest(f"The complaint is about {whose}.", kind="subject")
        for item in seen.conflicts:
            if item.bars(person_id, asked.drafted_by, asked.complaint_id, asked.customer_id):
                what = "who drafted it" if item.colleague_id is not None else "this complaint"
                return ConflictOfInterest(
                    f"A conflict of interest ({item.kind}) lies between {whose} and {what}.", kind=item.kind
                )
    return None


def judged(seen: Circumstances, asked: Asked, basis: Basis) -> Judgement:
    """By this authority, whoever the person is: `bar` comes first."""
    plain = Judgement(
        basis=basis,
        verdict=Verdict.ENOUGH,
        at=seen.at,
        version=seen.allowances.number,
        days=seen.allowances.splitting_days,
    )
    amount = asked.amount
    if amount is None:
        return plain
    limits = seen.allowances.limits(basis.authority, amount.currency, asked.team_id)
    counts = counting(seen.allowances, basis.authority, amount.currency, asked.team_id)
    granted = seen.granted.get((asked.offer_id, basis.person_id), Sums()).granted(amount.currency, counts)
    over = authority.excesses(limits, amount, granted)
    near = seen.near.get(asked.offer_id, Near())
    near = replace(near, offers=[item for item in near.offers if counts(item.amount.currency)])
    for_case = Money(limits.minor("case", amount.currency), amount.currency)
    found = together(amount, for_case, _people(seen, basis), asked.drafted_by, near)
    if found is not None and not any(item.limit == "case" for item in over):
        over.append(Excess(TOGETHER, found.limit, found.total))
    over += _beyond_what_was_lent(basis, amount)
    verdict = authority.judge(seen.allowances, basis.authority, over, endorsed=bool(asked.approvals))
    if any(item.limit == "lent" for item in over):
        verdict = Verdict.NOT_ENOUGH  # whoever signs above their limits has to have lent all of them
    return replace(
        plain,
        verdict=verdict,
        limits=limits,
        granted=granted,
        suspicion=found,
        refusal=beyond(over) if verdict is Verdict.NOT_ENOUGH else None,
    )


def _people(seen: Circumstances, basis: Basis) -> set[UUID]:
    """Who would approve, and in whose name."""
    return {person_id for person_id in (seen.actor_id, basis.person_id) if person_id is not None}


def counting(allowances: Allowances, held: str, currency: str, team_id: UUID | None) -> Callable[[str], bool]:
    """Whether what was given in a currency counts with this one, for that authority."""
    return partial(allowances.counts_with, held, currency, team_id)


def _beyond_what_was_lent(basis: Basis, amount: Money) -> list[Excess]:
    if basis.up_to is None:
        return []
    allowed = Money.of(basis.up_to, amount.currency)
    return [Excess("lent", allowed, amount)] if allowed < amount else []


def is_refused_together(judgement: Judgement) -> bool:
    """Whether it is not enough since the offer belongs together with others, whatever else is passed."""
    limits = judgement.refusal.extra.get("limits", ()) if judgement.refusal is not None else ()
    return any(item["limit"] == TOGETHER for item in limits)


def beyond(over: Sequence[Excess]) -> BeyondAuthority:
    """The refusal that names each limit."""
    return BeyondAuthority(
        limits=[
            {"limit": item.limit, "allowed": dump_money(item.allowed), "would_be": dump_money(item.would_be)}
            for item in over
        ]
    )


def best(seen: Circumstances, asked: Asked) -> Judgement | Forbidden:
    """By one's own authority where that is enough, else by the first that was lent and is; else as one of two; else why not,
    by one's own.
    """
    found = [bar(seen, asked, basis) or judged(seen, asked, basis) for basis in seen.bases]
    for verdict in (Verdict.ENOUGH, Verdict.SECOND_NEEDED):
        for item in found:
            if isinstance(item, Judgement) and item.verdict is verdict:
                return item
    first = found[0]
    return first if isinstance(first, Forbidden) else first.refusal or BeyondAuthority()


def decide(session: Session, actor: Actor, seen: Circumstances, asked: Asked, in_name_of: UUID | None) -> Judgement:
    """What an approval rests on. `in_name_of`: whose authority is wanted; None: whichever is enough. Raises `Forbidden` as to
    why it may not be given, `ValidationFailed` for a name in which this person cannot act.
    """
    if in_name_of is None:
        found = _with_loans(session, actor, seen, asked, best(seen, asked))
    else:
        found = _named(session, actor, seen, asked, in_name_of)
    if isinstance(found, Forbidden):
        raise found
    return found


def _named(session: Session, actor: Actor, seen: Circumstances, asked: Asked, person_id: UUID) -> Judgement | Forbidden:
    named = [basis for basis in seen.bases if basis.person_id == person_id]
    if not named:
        idle = _loans(session, actor, seen, asked, person_id)
        detail = idle[0].detail if idle else "This person has lent you no authority that holds now."
        raise ValidationFailed(errors=[FieldError.at("/in_name_of", "not_lent", detail)])
    found = max((_of(seen, asked, basis) for basis in named), key=lambda item: isinstance(item, Judgement))
    if not isinstance(found, BeyondAuthority) or named[0].delegation_id is None:
        return found
    idle = _loans(session, actor, seen, asked, person_id)
    return _spoken("The amount is beyond the authority that you named", found, idle)


def _with_loans(
    session: Session, actor: Actor, seen: Circumstances, asked: Asked, found: Judgement | Forbidden
) -> Judgement | Forbidden:
    """A refusal by one's own authority says of every loan why it does not help: whoever has one means to use it."""
    if not isinstance(found, BeyondAuthority):
        return found
    idle = _loans(session, actor, seen, asked)
    return _spoken(found.detail, found, idle) if idle else found


def _spoken(detail: str, found: BeyondAuthority, idle: Sequence[Idle]) -> BeyondAuthority:
    return BeyondAuthority(borrowing.said(detail, idle), **found.extra, lent=[each.shown for each in idle])


def _loans(
    session: Session, actor: Actor, seen: Circumstances, asked: Asked, lender_id: UUID | None = None
) -> list[Idle]:
    """What was lent to this person (by one lender) and does not carry this offer, the latest lent first."""
    borrower = _borrower(actor)
    if borrower is None:
        return []
    lent = {basis.delegation_id: basis for basis in seen.bases[1:]}
    found = []
    for loan in delegation_queries.made_to(session, borrower, seen.at, lender_id):
        if loan.delegation_id in lent:
            refused = _of(seen, asked, lent[loan.delegation_id])
            idle = borrowing.not_enough(loan, refused) if isinstance(refused, Forbidden) else None
        else:
            idle = borrowing.lapsed(loan, seen.at)
        if idle is not None:
            found.append(idle)
    return found


def _of(seen: Circumstances, asked: Asked, basis: Basis) -> Judgement | Forbidden:
    refused = bar(seen, asked, basis)
    if refused is not None:
        return refused
    found = judged(seen, asked, basis)
    return found.refusal or found


def stays_active(session: Session, judgement: Judgement) -> None:
    """Whoever lent the authority is active until the transaction ends. Raises `BeyondAuthority` where they have just left."""
    lender = judgement.basis.person_id
    if judgement.basis.delegation_id is not None and lender is not None and active_agent(session, lender) is None:
        raise BeyondAuthority("Whoever lent you their authority is not active any more.")


def own(seen: Circumstances, asked: Asked) -> Judgement:
    """For whoever submits it: by their own authority only, their own draft too, but for a conflict of interest."""
    basis = seen.bases[0]
    found = judged(seen, asked, basis)
    people = {basis.person_id} if basis.person_id is not None else set()
    refused = conflict(seen, asked, people)
    if refused is None:
        return found
    return replace(found, verdict=Verdict.NOT_ENOUGH, refusal=refused)


def grants_at_once(session: Session, actor: Actor, asked: Asked, now: datetime) -> bool:
    """Whether this person's own authority is enough; for showing, without any lock."""
    seen = circumstances(session, actor, [asked], now=now, standing=(in_force(session), now), lent=())
    return own(seen, asked).verdict is Verdict.ENOUGH


def refusal(session: Session, actor: Actor, asked: Asked, now: datetime) -> Forbidden | None:
    """Why this person may not approve this offer; for showing, without any lock."""
    seen = circumstances(session, actor, [asked], now=now, standing=(in_force(session), now))
    found = _with_loans(session, actor, seen, asked, best(seen, asked))
    return found if isinstance(found, Forbidden) else None
