"""What somebody did to a survivor's facts while duplicates were merged into it, which is theirs when one of these is undone.

Most of it shows: the fact is another than what the merge made of it (`combining`). What does not is told by the survivor's story: a
severity that was set to something else and back again; a triage that came to what a rule had found in the duplicate; an
acknowledgement by an answer that the duplicate's had come before. A wait that another person's message ended was none of theirs.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from helpdesk.complaints import assessments, merge_queries
from helpdesk.complaints.acts import BY_FACTS
from helpdesk.complaints.combining import COMBINED, Facts
from helpdesk.complaints.events import (
    ComplaintAnswered,
    ComplaintInvestigated,
    ComplaintReopened,
    ComplaintResumed,
    ComplaintTriaged,
    SeveritySet,
)
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.replaying import told
from helpdesk.kernel.unit_of_work import UnitOfWork

_RELATIVE: Final = frozenset({"escalation_level"})
"""One up and one down is where it was."""


def made_of_facts(uow: UnitOfWork, survivor: Complaint, merges: Sequence[Merge]) -> Sequence[Facts]:
    """Of each of these merges, what somebody made of the survivor's facts after it and before the next. The first one is being undone:
    what it had brought has gone home already, and it is no complaint by itself yet: whoever triaged did not count it as another one.
    """
    found: list[dict[str, Any]] = [{} for _ in merges]
    triaged: set[int] = set()
    for act in merge_queries.acts_since(uow.session, survivor.id, merges[0].survivor_sequence):
        place = max(number for number, merge in enumerate(merges) if merge.survivor_sequence < act.stream_seq)
        found[place] |= _made(act, found[place])
        if act.type == ComplaintTriaged.type:
            triaged.add(place)
        elif act.type == SeveritySet.type and act.payload["given"].get("cause") != BY_FACTS:
            triaged.discard(place)
    for place in triaged:
        level = assessments.triaged_without(uow, survivor, merge_queries.judged_by(uow.session, merges[place + 1 :]))
        if level is not None:
            found[place]["severity"] = level
    return found


def waits_again(
    uow: UnitOfWork, survivor: Complaint, source: Complaint, merge: Merge
) -> list[tuple[datetime, datetime | None]]:
    """Since when and until when the survivor's complainant was waited for, although a message of the source's ended that: it has gone home.
    The last one may have no end; then the survivor waits again.
    """
    home = set(merge_queries.inbound_of(uow.session, source.id, merge.merged_at))
    found, since = list[tuple[datetime, datetime | None]](), None
    for act in merge_queries.acts_since(uow.session, survivor.id, merge.survivor_sequence) if home else ():
        changed = dict(told(act.payload)).get("waiting_on")
        if since is not None and (changed is not None or act.type == ComplaintInvestigated.type):
            found.append((since, act.occurred_at))
            since = None
        if act.type == ComplaintResumed.type and act.occurred_at in home and changed == ["customer", "us"]:
            since = act.occurred_at
    if since is not None:
        found.append((since, None))
    return [(since, _until_they_wrote(uow, survivor, since, until)) for since, until in found]


def _until_they_wrote(uow: UnitOfWork, survivor: Complaint, since: datetime, until: datetime | None) -> datetime | None:
    wrote = next(iter(merge_queries.inbound_of(uow.session, survivor.id, since)), None)
    return until if wrote is None or (until is not None and until < wrote) else wrote


def _made(act: Any, already: Facts) -> Facts:
    changed = dict(told(act.payload))
    found = {name: after for name, (_, after) in changed.items() if name in COMBINED and name not in _RELATIVE}
    if act.type == ComplaintAnswered.type and "acknowledged_at" not in already:
        found["acknowledged_at"] = changed["resolved_at"][1]
    if act.type == ComplaintReopened.type and act.payload["record_type"] == "complaint":
        found["double_deviation"] = True
    return found
