"""What comes in through public forms. It goes through the same door as everything else (`intake.receive`); here stands
what comes before it: what the form asks, the proof of work, the trap.

The trap is a field that people do not see and programs fill in. What fell into it is answered exactly like the rest, and
kept aside: an agent looks, and what a person sent after all becomes the complaint that they were told of.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from helpdesk.complaints import form_queries, forms, intake
from helpdesk.complaints.challenges import Challenges, Solved, Unsolved
from helpdesk.complaints.form_errors import AlreadyDecided
from helpdesk.complaints.form_events import SubmissionDecided
from helpdesk.complaints.form_models import IntakeForm, Quarantined, UsedChallenge
from helpdesk.complaints.form_queries import KeyedForm
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id, new_reference
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money, json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

TRAP: Final = "website"
_ALWAYS: Final = frozenset({"subject", "description"})
_PERSON: Final = ("name", "email", "phone", "language", "region", "postcode")


def form_named(uow: UnitOfWork, key: str) -> KeyedForm:
    """Raises `ValidationFailed` for a key that is of no active form."""
    found = form_queries.form_by_key(uow.session, key)
    if found is None:
        raise ValidationFailed(errors=[FieldError.at("/form", "unknown", "There is no such form, or not any more.")])
    return found


def check(form: IntakeForm, given: Mapping[str, Any], challenges: Challenges, now: Any) -> Solved | None:
    """Everything that can be wrong with a submission, at once: `ValidationFailed`. None where the form asks for no proof."""
    problems = list(_misfits(form, given["complaint"]))
    solved = None
    if form.difficulty:
        try:
            solved = challenges.solved(form, given.get("altcha", ""), now)
        except Unsolved as error:
            code = error.code if given.get("altcha") else "required"
            problems.append(FieldError.at("/altcha", code, str(error)))
    if problems:
        raise ValidationFailed(errors=problems)
    return solved


def _misfits(form: IntakeForm, asked: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in asked:
        if name not in form.fields and name not in _ALWAYS:
            yield FieldError.at(f"/complaint/{name}", "unknown_field", "This form does not ask for it.")
    for name, need in form.fields.items():
        if need == "required" and not asked.get(name):
            yield FieldError.at(f"/complaint/{name}", "required", "This form asks for it.")
    if asked.get("record_type", form.record_types[0]) not in form.record_types:
        yield FieldError.at("/complaint/record_type", "choice", f"Must be one of: {', '.join(form.record_types)}.")


def take(
    uow: UnitOfWork,
    form: IntakeForm,
    given: Mapping[str, Any],
    solved: Solved | None,
    secrets: Secrets,
    *,
    mailed: bool,
) -> dict[str, Any]:
    """A checked submission: what its sender is told, whether it came in or fell into the trap. `mailed`: whether the
    acknowledgement may go out by mail. Raises `ValidationFailed` for a proof of work that was used before.
    """
    if solved is not None:
        _use_up(uow, solved)
    complaint_id, reference = new_id(), new_reference()
    if given.get(TRAP):
        row = {"id": complaint_id, "form_id": form.id, "reference": reference, "reason": TRAP}
        uow.add_rows(Quarantined, [row | {"given": _kept(given["complaint"])}])
    else:
        asked = {**given["complaint"], "id": complaint_id, "reference": reference}
        intake.receive(uow, SYSTEM, _as_complaint(form, asked, mailed=mailed), secrets)
    return {
        "reference": reference,
        "tracking_secret": secrets.of(complaint_id, 1),
        "received_at": uow.now,
        "acknowledged": form.acknowledge,
    }


def _use_up(uow: UnitOfWork, solved: Solved) -> None:
    """Of two at once that have the same, the second waits for the first, and is refused."""
    statement = (
        insert(UsedChallenge)
        .values(id=solved.id, expires_at=solved.expires_at)
        .on_conflict_do_nothing()
        .returning(UsedChallenge.id)
    )
    if uow.session.execute(statement).first() is None:
        text = "This solution was used before; ask for a new challenge."
        raise ValidationFailed(errors=[FieldError.at("/altcha", "used", text)])


def _as_complaint(form: IntakeForm, asked: Mapping[str, Any], *, mailed: bool) -> dict[str, Any]:
    """In the words of `schemas.ComplaintIn`, as every other intake."""
    person = {name: asked[name] for name in _PERSON if name in asked}
    language = asked.get("language") or form.language
    record_type = asked.get("record_type", form.record_types[0])
    found: dict[str, Any] = {
        "id": asked["id"],
        "reference": asked["reference"],
        "record_type": record_type,
        "channel": form.channel,
        "subject": asked["subject"],
        "description": asked["description"],
        "language": language,
        "complainant": person,
        "team_id": form.team_id,
        "price": asked.get("price"),
        "issues": [{name: asked[name] for name in ("category", "issue") if name in asked}],
        "needs": [{**need, "consent": True} for need in asked.get("needs", ())],
        "source_data": {"form_id": str(form.id), "form": form.name}
        | ({"related_to": asked["related_to"]} if "related_to" in asked else {}),
    }
    if form.acknowledge:
        text = forms.acknowledgement_of(form, language, reference=asked["reference"], record_type=record_type)
        found |= {"acknowledge": True, "acknowledgement": text, "mailed": mailed, "shown": True}
    return found


def _kept(asked: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON. `_read` is the way back."""
    kept: dict[str, Any] = json_safe({name: value for name, value in asked.items() if name != "price"})
    return kept | ({"price": dump_money(asked["price"])} if "price" in asked else {})


def _read(kept: Mapping[str, Any]) -> dict[str, Any]:
    asked = dict(kept)
    if "price" in asked:
        asked["price"] = Money.parse(asked["price"]["amount"], asked["price"]["currency"])
    return asked


def release(uow: UnitOfWork, actor: Actor, entry: Quarantined, secrets: Secrets) -> UUID:
    """Take in what the trap caught, as the complaint that its sender was told of, received when they sent it."""
    check_undecided(None, actor, entry)
    form = form_queries.form_of(uow.session, entry)
    asked = {**_read(entry.given or {}), "id": entry.id, "reference": entry.reference}
    given = _as_complaint(form, asked, mailed=bool(asked.get("email"))) | {"received_at": entry.created_at}
    _decide(uow, actor, entry, "released")
    return intake.receive(uow, SYSTEM, given, secrets)


def discard(uow: UnitOfWork, actor: Actor, entry: Quarantined) -> UUID:
    """Throw away what the trap caught; that there was something stays."""
    check_undecided(None, actor, entry)
    entry.given = None
    _decide(uow, actor, entry, "discarded")
    return entry.id


def check_undecided(_session: Any, _actor: Actor, entry: Quarantined) -> None:
    if entry.decision is not None:
        raise AlreadyDecided(decision=entry.decision)


def _decide(uow: UnitOfWork, actor: Actor, entry: Quarantined, decision: str) -> None:
    entry.decision, entry.decided_at, entry.decided_by = decision, uow.now, actor.id
    told = SubmissionDecided(
        submission_id=entry.id, form_id=entry.form_id, reference=entry.reference, decision=decision
    )
    record_administration(uow, told)
