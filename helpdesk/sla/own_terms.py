"""What a survivor's clocks would have been promised without one of its merges.

A merge may make a complaint more urgent, or bring it a tag that another policy asks for. `meanwhile` notes what its clocks went by since,
with the step that the merge was the reason for. Without the merge the severity, the policy and the tier are what they were before that
step, for as long as those stayed that it brought: what somebody set since is the survivor's own. An edit of its policy counts with its
own severity. A clock that began meanwhile began by the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.merge_models import Merge
from helpdesk.sla import meanwhile, policy_queries, queries
from helpdesk.sla.meanwhile import Step, Terms
from helpdesk.sla.models import Clock, conventions_as_kept
from helpdesk.sla.policy_spec import terms_of, written_target

_POLICY: Final = "policy_id"
_BROUGHT: Final = (_POLICY, "severity", "tier")
"""What a promise is made by that a merge may change."""


@dataclass(frozen=True, slots=True)
class Own:
    """`noted`: clock -> what it was promised since the merge; `begun`: when those began that did since. `before` and `brought`: what the
    merge changed of `_BROUGHT`, and to what; `until`: when that was no more so.
    """

    session: Session
    merge: Merge
    noted: Mapping[UUID, Sequence[Step]]
    begun: Mapping[UUID, datetime]
    before: Terms
    brought: Terms
    until: Mapping[str, datetime]

    def steps(self, clock: Clock) -> list[Step]:
        """At least one; the first from when the merge was made, or the clock began."""
        since = self.begun.get(clock.id, self.merge.merged_at)
        found = self.noted.get(clock.id, ())
        if not found:
            terms = meanwhile.terms_of(clock)
            return [Step(since, self._without(clock.kind, terms, since) if clock.id in self.begun else terms)]
        return self.left_of(clock, [replace(found[0], at=since), *found[1:]])

    def left_of(self, clock: Clock, steps: Sequence[Step]) -> list[Step]:
        """Of what was promised of a clock, be it noted by another merge."""
        first = _after(self.merge.id, steps)
        return [
            step if place < first else replace(step, terms=self._without(clock.kind, step.terms, step.at))
            for place, step in enumerate(steps)
            if step.by != self.merge.id
        ]

    def _without(self, kind: str, terms: Terms | None, at: datetime) -> Terms | None:
        if terms is None or at < self.merge.merged_at:
            return terms
        changed = {
            name: self.before[name]
            for name, value in self.brought.items()
            if terms[name] == value and (name not in self.until or at < self.until[name])
        }
        if not changed:
            return terms
        version = self.before["policy_version"] if _POLICY in changed else terms["policy_version"]
        return self._promised(kind, {**terms, **changed, "policy_version": version})

    def _promised(self, kind: str, made_by: Terms) -> Terms | None:
        """By that version of the policy, on the version of its calendar that was counted on then."""
        row = policy_queries.version_spec(self.session, UUID(made_by[_POLICY]), made_by["policy_version"])
        written = written_target(row.spec, kind, made_by["severity"], made_by["tier"])
        if written is None:
            return None
        found = terms_of(written)
        calendar_id = found.calendar_id or row.calendar_id
        return {
            **made_by,
            "calendar_id": str(calendar_id),
            "calendar_version": self._version_of(calendar_id, made_by),
            "target_amount": int(found.target.amount),
            "target_unit": found.target.unit,
            "pausable": found.conventions.pausable and found.target.can_pause,
            "conventions": conventions_as_kept(found.conventions),
        }

    def _version_of(self, calendar_id: UUID, made_by: Terms) -> int:
        for terms in (made_by, self.before):
            if terms.get("calendar_id") == str(calendar_id):
                return int(terms["calendar_version"])
        present: dict[UUID, int] = {row.id: row.version for row in policy_queries.calendars_in_force(self.session)}
        return present[calendar_id]


def own(session: Session, merge: Merge) -> Own:
    """Of the survivor of a merge that is just undone."""
    noted = meanwhile.steps_of(session, merge.id)
    begun = queries.begun_since(session, merge.survivor_id, merge.merged_at)
    before, brought = _brought(merge, noted)
    until: dict[str, datetime] = {}
    for steps in noted.values():
        for step in steps[max(_after(merge.id, steps), 1) :]:
            for name, value in brought.items():
                if step.terms is not None and step.terms[name] != value:
                    until[name] = min(step.at, until.get(name, step.at))
    return Own(session, merge, noted, begun, before, brought, until)


def _after(merge_id: UUID, steps: Sequence[Step]) -> int:
    """The place of what came after the merge; 0 where nothing came by it."""
    return max((place + 1 for place, step in enumerate(steps) if step.by == merge_id), default=0)


def _brought(merge: Merge, noted: Mapping[UUID, Sequence[Step]]) -> tuple[Terms, dict[str, Any]]:
    """What a clock that was open then went by before it, and what the merge made of `_BROUGHT`. Where none was, of the severity."""
    for steps in noted.values():
        before, made = steps[0].terms, steps[max(_after(merge.id, steps) - 1, 0)]
        if made.by == merge.id and before is not None and made.terms is not None:
            return before, {name: made.terms[name] for name in _BROUGHT if made.terms[name] != before[name]}
    was, became = (facts.get("severity") for facts in (merge.facts_before, merge.facts_after))
    return {"severity": was}, {} if was == became else {"severity": became}
