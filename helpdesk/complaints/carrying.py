"""Erasing events for a redaction, and what of theirs goes on holding: digests of texts that were not redacted, who wrote a
message, what a column became; all that only those events had told. The event of the redaction names the erased ones and
tells that again, as `carried`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from helpdesk.complaints import replay_queries, text_queries
from helpdesk.complaints.cutting import Cut, leaves
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.replaying import Word
from helpdesk.complaints.text_seals import (
    CUSTOM_FIELDS,
    OF_COMPLAINT,
    Seals,
    differing,
    new_salt,
    seal_fields,
    seal_row,
)
from helpdesk.kernel import event_log
from helpdesk.kernel.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Erased:
    """Stream -> places of what was erased, and what it alone had told, as `events.Redacted` has it."""

    places: Mapping[UUID, list[int]]
    carried: Mapping[str, dict[str, Any]]

    @property
    def count(self) -> int:
        return sum(map(len, self.places.values()))


def erase(uow: UnitOfWork, kin: Sequence[UUID], event_ids: Sequence[UUID], cut: Cut) -> Erased:
    """Of locked complaints and their `kin`. The caller records a redaction that tells what is returned, and in which nothing is
    of what is `cut` out.
    """
    if not event_ids:
        return Erased({}, {})

    def may_tell(value: Any) -> bool:
        return not any(cut.holds(leaf) for leaf in leaves(value))

    told, replays = text_queries.told_in(uow.session, kin), replay_queries.replays(uow.session, kin)
    places = event_log.erase(uow.session, event_ids)
    carried = told.only_by(places)
    for stream, each in places.items():
        values, unknown = replays[stream].only_by(each, may_tell)
        for name, what in (("values", values), ("unknown", unknown)):
            if what:
                carried.setdefault(name, {})[event_log.veiled(stream)] = what
    return Erased(places, carried)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain says of a complaint's texts and custom fields, before one of them is redacted: `wrong` are those seals
    that are not of what it says, `fields` what it says last of the custom fields.
    """

    wrong: Seals
    fields: Word | None
    fields_right: bool

    @classmethod
    def of(cls, uow: UnitOfWork, complaint: Complaint) -> Self:
        said = text_queries.seals_of(uow.session, complaint.id)
        replay = replay_queries.replays(uow.session, [complaint.id])[complaint.id]
        wrong = {name for _, name in replay.faults(complaint)}
        return cls(
            differing(complaint.text_salt, complaint, OF_COMPLAINT, said),
            replay.known().get(CUSTOM_FIELDS),
            CUSTOM_FIELDS not in wrong,
        )

    def sealed_anew(self, complaint: Complaint, redacted: str | None = None) -> Seals:
        """With another salt: with the old one anybody could try out what was taken. What was not what the chain said is not
        made good by it, but for the text that was `redacted` whole.
        """
        salt = complaint.text_salt = new_salt()
        seals = seal_row(salt, complaint, OF_COMPLAINT)
        seals |= {name: seal for name, seal in self.wrong.items() if name != redacted}
        if self.fields is not None and self.fields.sealed:
            seals |= (
                seal_fields(salt, complaint.custom_fields) if self.fields_right else {CUSTOM_FIELDS: self.fields.value}
            )
        return seals

    def fields_without(self, complaint: Complaint, seals: Seals, key: str, left: str | None) -> Seals:
        """`seals`, with the custom fields as the chain has them, but for the one that was redacted."""
        if self.fields is None or self.fields.sealed:
            return seals
        values = {name: value for name, value in self.fields.value.items() if name != key}
        if left is not None:
            values[key] = left
        return seals | seal_fields(complaint.text_salt or b"", values)
