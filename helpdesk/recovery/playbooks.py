"""What a manager can do with playbooks. A draft can be changed; what was published cannot: another version takes its place
from a day on, or it is retired.

Of one playbook at most one version is in force on a day. Publishing ends the open version before it the day before; where
the days of another one would be cut, it is refused.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import FieldError, NotFound, ValidationFailed
from helpdesk.kernel.expressions import ALWAYS
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.positions import behind
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import playbook_checks, playbook_queries, playbooks_in_force, rule_facts
from helpdesk.recovery.errors import DefaultPlaybookStays, NotADraft, NotPublished, ValidityOverlaps
from helpdesk.recovery.playbook_events import (
    PlaybookChanged,
    PlaybookDiscarded,
    PlaybookDrafted,
    PlaybookPublished,
    PlaybookRetired,
)
from helpdesk.recovery.playbook_models import LAST, Playbook, PlaybookVersion
from helpdesk.recovery.playbook_spec import shipped_spec

_OF_PLAYBOOK = ("name", "position", "condition")


def create(uow: UnitOfWork, given: Mapping[str, Any]) -> UUID:
    """Without a version it is for nothing yet. Raises `NameTaken`, `ValidationFailed`."""
    playbook_queries.default_installed(uow.session)  # one at a time: positions and names are looked for
    if playbook_queries.name_taken(uow.session, given["name"]):
        raise NameTaken
    position = given.get("position")
    if position is None:
        position = behind(playbook_queries.last_position(uow.session), LAST - 1)
    condition = _condition(uow, given["condition"])
    playbook = Playbook(id=new_id(), version=1, name=given["name"], position=position, condition=condition)
    uow.session.add(playbook)
    _changed(uow, playbook, {})
    return playbook.id


def change(uow: UnitOfWork, playbook: Playbook, given: Mapping[str, Any]) -> UUID:
    """Raises `NameTaken`, `DefaultPlaybookStays`, `ValidationFailed`."""
    before = _shown(playbook)
    if playbook.is_default and {"position", "condition"} & given.keys():
        raise DefaultPlaybookStays
    if "name" in given and playbook_queries.name_taken(uow.session, given["name"], playbook.id):
        raise NameTaken
    wanted = dict(given)
    if "condition" in given:
        wanted["condition"] = _condition(uow, given["condition"])
    for name, value in wanted.items():
        setattr(playbook, name, value)
    if before != _shown(playbook):
        playbook.touch()
        _changed(uow, playbook, before)
    return playbook.id


def _shown(playbook: Playbook) -> dict[str, Any]:
    return {name: getattr(playbook, name) for name in _OF_PLAYBOOK}


def _changed(uow: UnitOfWork, playbook: Playbook, before: Mapping[str, Any]) -> None:
    playbooks_in_force.changed(uow)
    changes = differences(before, _shown(playbook))
    record_administration(uow, PlaybookChanged(playbook_id=playbook.id, name=playbook.name, changes=changes))


def _condition(uow: UnitOfWork, written: Any) -> Any:
    vocabulary = rule_facts.vocabulary(uow.session, rule_facts.OF_PLAYBOOKS)
    spelled, problems = playbook_checks.spelled(written, vocabulary, "/condition")
    if problems:
        raise ValidationFailed(errors=problems)
    return spelled


def draft(uow: UnitOfWork, actor: Actor, playbook: Playbook, given: Mapping[str, Any]) -> tuple[UUID, int]:
    """Of a locked playbook; the draft's number. `given`: `spec`, or `from_version`, and `note`."""
    base: Mapping[str, Any] = {}
    if "from_version" in given:
        base = _base(uow, playbook.id, given["from_version"])
    spec, warnings = _checked(uow, given.get("spec", base))
    row = PlaybookVersion(
        playbook_id=playbook.id,
        number=playbook_queries.next_number(uow.session, playbook.id),
        version=1,
        state="draft",
        spec=spec,
        warnings=warnings,
        note=given["note"],
        created_by=actor.id,
        created_at=uow.now,
    )
    uow.session.add(row)
    _drafted(uow, playbook, row, base)
    return playbook.id, row.number


def _base(uow: UnitOfWork, playbook_id: UUID, number: int) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = playbook_queries.version_detail(uow.session, playbook_id, number)["spec"]
    except NotFound:
        problem = FieldError.at("/from_version", "unknown", "The playbook has no such version.")
        raise ValidationFailed(errors=[problem]) from None
    return found


def edit(uow: UnitOfWork, playbook: Playbook, row: PlaybookVersion, given: Mapping[str, Any]) -> tuple[UUID, int]:
    """Of a locked draft. Raises `ValidationFailed`."""
    before = dict(row.spec)
    spec, warnings = _checked(uow, given["spec"])
    if (spec, given["note"]) != (before, row.note):
        row.spec, row.warnings, row.note = spec, warnings, given["note"]
        row.touch()
        _drafted(uow, playbook, row, before)
    return row.playbook_id, row.number


def _drafted(uow: UnitOfWork, playbook: Playbook, row: PlaybookVersion, before: Mapping[str, Any]) -> None:
    changes = differences(before, row.spec)
    record_administration(
        uow, PlaybookDrafted(playbook_id=row.playbook_id, name=playbook.name, number=row.number, changes=changes)
    )


def _checked(uow: UnitOfWork, spec: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    vocabulary = rule_facts.vocabulary(uow.session, rule_facts.OF_PLAYBOOKS)
    checked, warnings = playbook_checks.checked(json_safe(spec), vocabulary, "/spec")
    return checked, warnings


def discard(uow: UnitOfWork, playbook: Playbook, row: PlaybookVersion) -> None:
    """Throw a locked draft away. Its number is not given again while a later one stands."""
    uow.session.delete(row)
    record_administration(
        uow, PlaybookDiscarded(playbook_id=row.playbook_id, name=playbook.name, number=row.number, changes={})
    )


def check_draft(row: PlaybookVersion) -> None:
    if row.state != "draft":
        raise NotADraft(state=row.state)


def publish(
    uow: UnitOfWork, actor: Actor, playbook: Playbook, row: PlaybookVersion, given: Mapping[str, Any]
) -> tuple[UUID, int]:
    """A locked draft, checked once more against what can be asked for now. Raises `ValidityOverlaps`, `ValidationFailed`."""
    today = uow.now.date()
    since, until = given.get("valid_from") or today, given.get("valid_until")
    _check_days(since, until, today)
    row.spec, row.warnings = _checked(uow, row.spec)
    ended = _make_room(uow, row, since, until)
    row.state, row.valid_from, row.valid_until = "published", since, until
    row.published_at, row.published_by = uow.now, actor.id
    row.touch()
    playbook.touch()
    playbooks_in_force.changed(uow)
    record_administration(
        uow,
        PlaybookPublished(
            playbook_id=row.playbook_id,
            name=playbook.name,
            number=row.number,
            valid_from=since.isoformat(),
            valid_until=None if until is None else until.isoformat(),
            ended=None if ended is None else ended.number,
            spec=row.spec,
            changes=differences({} if ended is None else ended.spec, row.spec),
        ),
    )
    return row.playbook_id, row.number


def _check_days(since: date, until: date | None, today: date) -> None:
    problems = []
    if since < today:
        text = f"It would change what held already; the first day is {today.isoformat()} (UTC) or later."
        problems.append(FieldError.at("/valid_from", "past", text))
    if until is not None and until < since:
        problems.append(FieldError.at("/valid_until", "backwards", "The last day is the first one or later."))
    if problems:
        raise ValidationFailed(errors=problems)


def _make_room(uow: UnitOfWork, row: PlaybookVersion, since: date, until: date | None) -> PlaybookVersion | None:
    """End the open version that began before; it, or None. What would begin on the same day or later is in the way."""
    last = until or date.max
    there = playbook_queries.published_of(uow.session, row.playbook_id)
    before = [
        item for item in there if item.valid_from is not None and item.valid_from < since and item.valid_until is None
    ]
    others = [item for item in there if item not in before]
    cut = [
        it
        for it in others
        if it.valid_from is not None and it.valid_from <= last and (it.valid_until or date.max) >= since
    ]
    if cut:
        raise ValidityOverlaps(versions=[item.number for item in cut])
    for item in before:
        item.valid_until = since - timedelta(days=1)
        item.touch()
        uow.session.flush()  # before the other one begins: the trigger looks at both
    return before[0] if before else None


def retire(
    uow: UnitOfWork, actor: Actor, playbook: Playbook, row: PlaybookVersion, given: Mapping[str, Any]
) -> tuple[UUID, int]:
    """A published version holds no more, at once. Where no other holds, the next playbook counts, and the shipped one in the
    end. Raises `NotPublished`.
    """
    row.state, row.retired_at, row.retired_by, row.retired_because = "retired", uow.now, actor.id, given["reason"]
    row.touch()
    playbook.touch()
    playbooks_in_force.changed(uow)
    record_administration(
        uow,
        PlaybookRetired(
            playbook_id=row.playbook_id,
            name=playbook.name,
            number=row.number,
            reason=given["reason"],
            changes={"state": ["published", "retired"]},
        ),
    )
    return row.playbook_id, row.number


def check_published(row: PlaybookVersion) -> None:
    if row.state != "published":
        raise NotPublished(state=row.state)


def install(uow: UnitOfWork) -> bool:
    """The shipped playbook as version 1 of the default one, where there is none yet; whether it was put in."""
    if playbook_queries.default_installed(uow.session):
        return False
    playbook = Playbook(id=new_id(), version=1, name="default", position=LAST, condition=dict(ALWAYS), is_default=True)
    uow.session.add(playbook)
    uow.session.flush()  # its version is about to refer to it
    spec = shipped_spec()
    uow.session.add(
        PlaybookVersion(
            playbook_id=playbook.id,
            number=1,
            version=1,
            state="published",
            spec=spec,
            warnings=[],
            note=None,
            valid_from=date(2000, 1, 1),
            created_at=uow.now,
            published_at=uow.now,
        )
    )
    playbooks_in_force.changed(uow)
    record_administration(
        uow,
        PlaybookPublished(
            playbook_id=playbook.id,
            name="default",
            number=1,
            valid_from="2000-01-01",
            valid_until=None,
            ended=None,
            spec=spec,
            changes={},
        ),
    )
    return True
