"""What one can do with an offer. `advance` is the one door: nothing else assigns `status`.

From the lifecycle's table `advance` takes the guard, the new state, and (by the states on both sides) what happens to the
budget and to the complaint's counters; it writes one `offer_transition` row and records the event on the complaint's
chain. The acts below add what is special: authority at submission and approval, the link at sending, the issuing that
follows an acceptance. Every act takes a `queries.Held`, so it cannot be called without the locks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import remedies
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel import faults, links
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import (
    approvals,
    breaking_down,
    choices,
    counters,
    decisions,
    floor,
    letters,
    ordering,
    points_ledger,
    queries,
    resending,
    reservations,
    reviews,
    telling,
    texts,
    voucher_ledger,
)
from helpdesk.recovery.approvals import Judgement
from helpdesk.recovery.authority import Verdict
from helpdesk.recovery.errors import PredecessorAccepted
from helpdesk.recovery.events import BY_ACTION, OfferLeftOwed, of_offer
from helpdesk.recovery.kinds import ASK, ISSUE, LETTER, OUTSIDE, PAYING, SETTLES
from helpdesk.recovery.lifecycle import (
    BEFORE_CUSTOMER,
    ENDED,
    ISSUING_ACTIONS,
    LIFECYCLE,
    SYSTEM_ACTIONS,
    complaint_effect,
    delivers,
    money_effect,
)
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.provider_models import duty_key
from helpdesk.recovery.queries import Held

ACTIONS: Final = tuple(action for action in LIFECYCLE.actions if action not in SYSTEM_ACTIONS)
"""What a person can ask for, in the table's order."""

STEP: Final = "recovery.offer."
"""Fault points: with an action behind it, the one after this step."""


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the customer's signed links. `page`: what the token comes right behind (`Settings.offer_page`)."""

    key: str
    page: str

    def of(self, offer_id: UUID, valid_until: Any) -> str:
        """The link lives 90 days longer than the offer, so that the customer can read what became of it."""
        token = links.sign(self.key, queries.LINK_PURPOSE, offer_id, valid_until + queries.LINK_OUTLIVES)
        return f"{self.page}{token}"


def advance(
    uow: UnitOfWork,
    actor: Actor,
    held: Held,
    action: str,
    given: Mapping[str, Any],
    *,
    cheaper: int = 0,
    replaced: bool = False,
) -> None:
    """Take one step of the table. `cheaper`: by how many minor units the step has made the offer so. `replaced`: another one is
    put before the customer instead, whose letter says so. Raises `ActionNotAllowed`, or what the budget says (`NoBudget`,
    `BudgetExhausted`).

    Permission is the caller's to check, where a person asked for the step.
    """
    offer, complaint = held.offer, held.complaint
    step = LIFECYCLE.transition(action, offer.status, held.situation, actor.may)
    source, target = offer.status, step.target or offer.status
    delivered = offer.delivered_at is not None
    offer.status = target
    offer.status_reason = given.get("reason")
    if target != source:
        offer.issuance = ordering.begin(uow, held) if target == "issuing" else None
    if delivers(action, offer.kind):
        offer.delivered_at = uow.now
    counters.follow(uow, held, action, source, given)
    offer.steps += 1
    offer.touch()
    _move_money(uow, actor, held, source, target)
    counts = remedies.count(
        complaint,
        **complaint_effect(
            source,
            target,
            this_round=offer.granted_round == complaint.round,
            delivered=(delivered, offer.delivered_at is not None),
        ),
        amount=offer.amount_minor,
        cheaper=cheaper,
    )
    supplied = json_safe(given)
    _keep_step(uow, actor, offer, {"action": action, "from_status": source, "to_status": target, "given": supplied})
    issued: dict[str, Any] = {"delivered": offer.delivered_at is not None} if action in ISSUING_ACTIONS else {}
    uow.record(
        BY_ACTION[action](
            **of_offer(complaint, offer),
            action=action,
            from_status=source,
            to_status=target,
            given=supplied,
            complaint_changes=counts,
            **issued,
        ),
        stream=complaint,
        actor=actor,
    )
    if not replaced:
        telling.undone(uow, held, action, source)
    faults.point(STEP + action)


def _keep_step(uow: UnitOfWork, actor: Actor, offer: Offer, step: Mapping[str, Any]) -> None:
    """One line of the offer's book, which `verify` replays. `step`: action, from_status, to_status, given."""
    row = {"id": new_id(), "offer_id": offer.id, "number": offer.steps, "at": uow.now}
    uow.add_rows(OfferTransition, [{**row, **step, "actor_kind": actor.kind, "actor_id": actor.id}])


def _move_money(uow: UnitOfWork, actor: Actor, held: Held, source: str, target: str) -> None:
    effect = money_effect(source, target)
    if effect is None or held.offer.kind not in PAYING:
        return
    if effect == "reserve":
        reservations.reserve(uow, actor, held.offer, held.complaint.team_id)
    elif effect == "spend":
        reservations.reserve(uow, actor, held.offer, held.complaint.team_id)
        _SETTLE["commit"](uow, actor, held.offer)
    else:
        _SETTLE[effect](uow, actor, held.offer)


_SETTLE: Final[dict[str, Callable[[UnitOfWork, Actor, Offer], None]]] = {
    "commit": reservations.commit,
    "release": reservations.release,
    "reverse": reservations.reverse,
}


def check(session: Session, actor: Actor, held: Held, action: str) -> None:
    """What a person asks for, before their body is looked at: permission and authority (403), then state (409)."""
    step = LIFECYCLE.by_action(action)
    require(actor, step.permission)
    if action == "approve":
        refused = approvals.refusal(session, actor, approvals.asked_of(held), held.now)
        if refused is not None:
            raise refused
    LIFECYCLE.transition(action, held.offer.status, held.situation, actor.may)
    if action == "approve":
        waiting = reviews.refusal(session, held)
        if waiting is not None:
            raise waiting
    if action in resending.REASONS:
        undone = resending.refusal(session, action, held.offer, held.now)
        if undone is not None:
            raise undone


def act(uow: UnitOfWork, actor: Actor, held: Held, action: str, given: Mapping[str, Any], *, to: Links) -> UUID:
    """One act of a person, or of a customer through their link: one of `ACTIONS`.

    Raises `Forbidden` (also `OwnApproval`, `BeyondAuthority`), `ActionNotAllowed`, `NoBudget`, `BudgetExhausted`.
    """
    check(uow.session, actor, held, action)
    return carry_out(uow, actor, held, action, given, to=to)


def carry_out(uow: UnitOfWork, actor: Actor, held: Held, action: str, given: Mapping[str, Any], *, to: Links) -> UUID:
    """`act` for whoever has called `check` in the same transaction (a route does, before it reads the body)."""
    special = _SPECIAL.get(action)
    if special is None:
        advance(uow, actor, held, action, given)
    else:
        special(uow, actor, held, given, to)
    if action in decisions.BESIDE_APPROVALS:
        decisions.note(uow, actor, held, action)
    return held.offer.id


def _submit(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    """Within the submitter's own authority two steps at once, so that the book shows both."""
    floor.look_again(uow, actor, held, given, "submit")
    advance(uow, actor, held, "submit", given)
    asked = approvals.asked_of(held)
    if asked.amount is None:
        judgement, because = approvals.costless(actor, uow.now), "it costs nothing"
    else:
        seen = approvals.in_turn(uow.session, actor, asked, uow.now)
        judgement, because = approvals.own(seen, asked), "within own authority"
    waits = reviews.hold_up(uow, actor, held)
    decisions.keep(uow, actor, held, "submit", judgement)
    if judgement.verdict is Verdict.ENOUGH and not waits:
        _grant(uow, actor, held, {"because": because}, judgement)


def _approve(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    """`check` has looked already; what it saw of the sums may have changed until it is this one's turn."""
    floor.look_again(uow, actor, held, given, "approve")
    asked = approvals.asked_of(held)
    seen = approvals.in_turn(uow.session, actor, asked, uow.now)
    judgement = approvals.decide(uow.session, actor, seen, asked, given.get("in_name_of"))
    approvals.stays_active(uow.session, judgement)
    if judgement.verdict is Verdict.SECOND_NEEDED:
        _sign(uow, actor, held.offer, judgement)
        advance(uow, actor, held, "endorse", given)
        decisions.keep(uow, actor, held, "endorse", judgement)
    else:
        _grant(uow, actor, held, given, judgement)


def _grant(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], judgement: Judgement) -> None:
    _sign(uow, actor, held.offer, judgement)
    held.offer.granted_at = uow.now
    held.offer.granted_round = held.complaint.round
    advance(uow, actor, held, "approve", given)
    decisions.keep(uow, actor, held, "approve", judgement)


def _sign(uow: UnitOfWork, actor: Actor, offer: Offer, judgement: Judgement) -> None:
    basis = judgement.basis
    in_name_of = None if basis.delegation_id is None else basis.person_id
    signed = json_safe({"agent_id": actor.id, "in_name_of": in_name_of, "at": uow.now})
    offer.approvals = [*offer.approvals, signed]


def _refuse(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    held.offer.approvals = []
    advance(uow, actor, held, "refuse", given)


def _send(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], to: Links) -> None:
    floor.look_again(uow, actor, held, given, "offer")
    held.offer.breakdown = breaking_down.told(uow, held)
    if held.offer.successor_of is not None:
        _replace(uow, actor, held, held.offer.successor_of, given)
    held.offer.told_at = uow.now
    held.offer.valid_until = uow.now + timedelta(days=held.offer.valid_days)
    advance(uow, actor, held, "offer", given)
    telling.offered(uow, held, to.of(held.offer.id, held.offer.valid_until))


def _replace(uow: UnitOfWork, actor: Actor, held: Held, predecessor_id: UUID, given: Mapping[str, Any]) -> None:
    """The customer has one of the two: the offer that this one replaces ends with its sending."""
    (predecessor,) = queries.offers_for_update(uow.session, held.complaint.id, [predecessor_id])
    if predecessor.status in BEFORE_CUSTOMER:
        before = replace(held, offer=predecessor)
        floor.look_beside(uow, actor, before, given)
        advance(uow, SYSTEM, before, "revoke", {"reason": "Another offer was made instead."}, replaced=True)
    elif predecessor.status not in ENDED:
        raise PredecessorAccepted(offer_id=predecessor_id)


def _revoke(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    floor.look_beside(uow, actor, held, given)
    advance(uow, actor, held, "revoke", given)


def _keep(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], to: Links) -> None:
    advance(uow, actor, held, "keep", given)
    telling.offered(uow, held, to.of(held.offer.id, held.offer.valid_until), kept=True)


def _prolong(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    """The link in the customer's hands serves as long."""
    until = uow.now + timedelta(days=given["days"])
    if held.offer.valid_until is not None and until <= held.offer.valid_until:
        detail = f"They have until {texts.moment(held.offer.valid_until)} already; name more days."
        raise ValidationFailed(errors=[FieldError.at("/days", "too_few", detail)])
    held.offer.valid_until = until
    advance(uow, actor, held, "prolong", given)


def _send_again(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], to: Links) -> None:
    held.offer.told_at = uow.now
    advance(uow, actor, held, "send_again", given)
    telling.offered(uow, held, to.of(held.offer.id, held.offer.valid_until))


def _send_letter_again(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    advance(uow, actor, held, "send_letter_again", given)
    resending.send_letter(uow, held)


def _report_undelivered(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    advance(uow, actor, held, "report_undelivered", given)
    held.offer.reported_at = uow.now


def _end(uow: UnitOfWork, actor: Actor, held: Held, action: str, given: Mapping[str, Any]) -> None:
    """By the customer's word or their silence, or with the complaint: whether or not that leaves open what is owed. That it does is
    told, also to who took the step.
    """
    left = floor.left_open(uow.session, held.complaint, held.offer)
    advance(uow, actor, held, action, given)
    if left is not None:
        missing = left.amount
        event = OfferLeftOwed(
            **of_offer(held.complaint, held.offer),
            missing_minor=None if missing is None else missing.minor,
            missing_currency=None if missing is None else missing.currency,
        )
        uow.record(event, stream=held.complaint, actor=SYSTEM)


def _decline(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    _end(uow, actor, held, "decline", given)


def _accept(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    """An accepted offer is an owed one: issuing begins in the same transaction, with the duty to do it."""
    cheaper = choices.choose(uow, actor, held, given.get("option"))
    advance(uow, actor, held, "accept", given, cheaper=cheaper)
    advance(uow, SYSTEM, held, "begin_issuing", {})
    _owe_issuance(uow, held.offer)


def _retry(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    held.offer.round += 1
    advance(uow, actor, held, "retry", given)
    _owe_issuance(uow, held.offer)


def _owe_issuance(uow: UnitOfWork, offer: Offer) -> None:
    """Nothing is owed by a duty where it waits for a person."""
    if offer.issuance == "automatic":
        uow.duty(ASK if offer.kind in OUTSIDE else ISSUE, offer.id, dedupe_key=duty_key(offer.id, offer.round))


def _record_issued(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    """By hand: `given` has what it is called outside."""
    ordering.close(uow, held.offer.id)
    held.offer.issued_reference = given["reference"]
    advance(uow, actor, held, "record_issued", given)
    telling.issued(uow, held)


def book_issued(uow: UnitOfWork, actor: Actor, held: Held, reference: str) -> None:
    """What failed was issued all the same, as `reference`. Raises `NoBudget`, `BudgetExhausted`."""
    held.offer.round += 1
    held.offer.issued_reference = reference
    advance(uow, actor, held, "book_issued", {"reference": reference})
    telling.issued(uow, held)


def _fail(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    ordering.close(uow, held.offer.id)
    advance(uow, actor, held, "fail", given)


def _post_letter(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    advance(uow, actor, held, "post_letter", given)
    if held.offer.kind == LETTER:
        letters.mark_posted(uow, actor, held)


def _ask_again(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    """While it is asked anyway that is only brought forward, and counts as any other try."""
    asked = held.situation.asked
    advance(uow, actor, held, "ask_again", given)
    if asked:
        ordering.bring_forward(uow, held.offer.id)
        return
    held.offer.issuance = "automatic"
    turn = ordering.begin_anew(uow, held.offer.id)
    uow.duty(ASK, held.offer.id, payload={"turn": turn}, dedupe_key=duty_key(held.offer.id, held.offer.round, turn))


def _reverse(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any], _to: Links) -> None:
    floor.look_beside(uow, actor, held, given)
    advance(uow, actor, held, "reverse", given)
    if held.offer.kind == "voucher":
        voucher_ledger.void(uow, actor, held)
    elif held.offer.kind == "points":
        points_ledger.void(uow, actor, held)


_SPECIAL: Final[dict[str, Callable[[UnitOfWork, Actor, Held, Mapping[str, Any], Links], None]]] = {
    "submit": _submit,
    "approve": _approve,
    "refuse": _refuse,
    "offer": _send,
    "accept": _accept,
    "decline": _decline,
    "keep": _keep,
    "prolong": _prolong,
    "send_again": _send_again,
    "send_letter_again": _send_letter_again,
    "report_undelivered": _report_undelivered,
    "retry": _retry,
    "record_issued": _record_issued,
    "fail": _fail,
    "ask_again": _ask_again,
    "post_letter": _post_letter,
    "revoke": _revoke,
    "reverse": _reverse,
}


def expire(uow: UnitOfWork, held: Held) -> bool:
    """Re-checks under the lock: False when it was answered, revoked or prolonged in the meantime."""
    if held.offer.status not in BEFORE_CUSTOMER or held.situation.in_time:
        return False
    _end(uow, SYSTEM, held, "expire", {})
    return True


def revoke_all(uow: UnitOfWork, complaint_ids: list[UUID], reason: str) -> None:
    """The complaints were closed without a decision: what the customer has not answered is taken back. Goodwill first: only what was
    accepted stands then, and where nothing covers what is owed beside it any more, that is told.
    """
    held = queries.hold_unanswered(uow.session, complaint_ids)
    for one in sorted(held, key=lambda one: one.offer.kind in SETTLES):
        _end(uow, SYSTEM, one, "revoke", {"reason": reason})
        uow.session.flush()  # the next one is looked at beside it
