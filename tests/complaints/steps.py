"""Steps that the tests of complaints share: a good body for each action, and a complaint at a given place of its life."""

from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import acts, intake, queries
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import complaint_body

LETTER: Final = {
    "finding": "Your parcel was late.",
    "reasons": "Our depot missed a scan.",
    "remedy": "We are sorry.",
    "next_stage": "Write to our complaints director within two months.",
}
_RESOLVE: Final = {
    "outcomes": [{"outcome": "upheld"}],
    "letter": LETTER,
    "remedy": {"none_because": "The complainant wants an apology only."},
}
GOOD: Final[dict[str, dict[str, Any]]] = {
    "acknowledge": {"channel": "EMAIL"},
    "triage": {"impact": 3, "urgency": 2, "category": "DEL", "issue": "DEL.LATE", "track": "investigate"},
    "set_severity": {"severity": "S2", "reason": "A second family was hurt by the same model."},
    "ask_customer": {"message": "Which day suits you?"},
    "ask_third_party": {"note": "Asked the carrier for its scan."},
    "resume": {"note": "The carrier answered."},
    "investigate": {
        "findings": [{"finding": "The depot missed the scan.", "evidence": "Carrier log of 2 March."}],
        "root_cause": "RC.HAND",
        "fault": "firm",
    },
    "resolve": _RESOLVE,
    "resolve_on_the_spot": {**_RESOLVE, "fault": "firm", "accepted_by_complainant": True},
    "answer": {"text": "We are open until eight on Thursdays."},
    "follow_up": {"result": "contact_made"},
    "reopen": {"reason": "The voucher never arrived."},
    "withdraw": {"reason": "They found the parcel."},
    "dismiss": {"reason_code": "out_of_scope"},
    "convert": {"record_type": "suggestion", "reason": "They only say what could be better."},
    "merge": {"into": "7K3M-9QX2-TAM", "reason": "Written twice."},
    "unmerge": {"reason": "They were two parcels."},
    "escalate": {"reason": "A director wrote."},
    "de_escalate": {"reason": "It was a misunderstanding."},
    "refer_externally": {"body": "Financial Ombudsman Service", "reference": "FOS-2026-0099"},
}
"""A body for each action that fits a complaint with one issue."""

WAY_TO: Final[dict[str, tuple[str, ...]]] = {
    "received": (),
    "investigated": ("investigate",),
    "resolved": ("investigate", "resolve"),
    "followed_up": ("investigate", "resolve", "follow_up"),
    "withdrawn": ("withdraw",),
    "dismissed": ("dismiss",),
}
FIRST: Final[dict[str, str]] = {"resume": "ask_customer", "de_escalate": "escalate"}
"""What must have been done before an action, where its requirement asks for it."""

OF_AN_INQUIRY: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("received", "answer"): (),
    ("resolved", "convert"): ("answer",),
}
"""What cannot be done with a complaint in that state, and can with what is none; the way there."""


def receive(database: Database, **more: Any) -> UUID:
    """A complaint that has just come in, with one issue unless `more` says otherwise."""
    given = ComplaintIn().load(complaint_body(**more))
    with database.unit_of_work(SYSTEM) as uow:
        return intake.receive(uow, SYSTEM, given)


def do(database: Database, complaint_id: UUID, action: str, actor: Actor = SYSTEM, **more: Any) -> Complaint:
    """One act through the one door, in a unit of work of its own; the complaint as it then is."""
    given = BODIES[action]().load(GOOD[action] | more)
    with database.unit_of_work(actor) as uow:
        return acts.act(uow, actor, queries.complaint_by_id_for_update(uow.session, complaint_id), action, given)


def brought_to(database: Database, state: str, ready_for: str | None = None) -> UUID:
    """A complaint in `state`, which it reached by legal acts; `ready_for`: and whatever that action waits for is done."""
    others = OF_AN_INQUIRY.get((state, ready_for or ""))
    complaint_id = receive(database, record_type="complaint" if others is None else "inquiry")
    steps = WAY_TO[state] if others is None else others
    if ready_for in FIRST and state in {"received", "investigated"}:
        steps = (*steps, FIRST[ready_for])
    for step in steps:
        do(database, complaint_id, step)
    return complaint_id
