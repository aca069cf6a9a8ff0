"""Evidence packs: asked for, made by a job, had by short-lived link, gone when their time is over."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import evidence_queries as queries
from helpdesk.complaints import file_links, named_queries
from helpdesk.complaints.evidence_errors import EvidenceInProgress, EvidenceNotReady
from helpdesk.complaints.evidence_events import EvidenceExpired, EvidenceMade, EvidenceRequested
from helpdesk.complaints.evidence_models import Evidence
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel import files, jobs
from helpdesk.kernel.access import require
from helpdesk.kernel.downloads import Download
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "complaints.evidence"
KIND: Final = "complaints.evidence"
KEPT: Final = timedelta(days=30)


def check_none_in_progress(session: Session, _actor: Actor, complaint: Complaint) -> None:
    """One at a time of each complaint: two would be the same."""
    job_id = queries.being_made(session, complaint.id)
    if job_id is not None:
        raise EvidenceInProgress(job_id=job_id)


def ask(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: Mapping[str, Any]) -> UUID:
    """Ask for a pack of a locked complaint: `given` is reason, language, attachments, needs. The job's id. Raises
    `Forbidden` for needs that are not for this actor, `EvidenceInProgress`.
    """
    if given["needs"]:
        require(actor, "evidence:needs")
    check_none_in_progress(uow.session, actor, complaint)
    evidence_id = new_id()
    offers = actor.may("offer:read")
    job_id = jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given={"evidence_id": str(evidence_id)})
    row = {
        "id": evidence_id,
        "complaint_id": complaint.id,
        "job_id": job_id,
        "state": "building",
        "reason": given["reason"],
        "language": given["language"],
        "attachments": given["attachments"],
        "needs": given["needs"],
        "offers": offers,
        "tells_of": named_queries.others_seen(uow.session, actor, complaint.id),
        "asked_by": actor.id,
        "created_at": uow.now,
    }
    uow.add_rows(Evidence, [row])
    uow.record(
        EvidenceRequested(
            complaint_id=complaint.id,
            reference=complaint.reference,
            evidence_id=evidence_id,
            reason=given["reason"],
            needs=given["needs"],
            offers=offers,
            attachments=given["attachments"],
        ),
        stream=complaint,
    )
    return job_id


def made(
    uow: UnitOfWork,
    complaint: Complaint,
    pack: Evidence,
    *,
    file_id: UUID,
    size: int,
    sha256: str,
    entries: int,
    end: Any,
) -> None:
    """The pack is in the store, whole. `end`: of the chain in it."""
    files.keep(uow, file_id, size, sha256)
    pack.state, pack.file_id = "ready", file_id
    pack.size, pack.sha256, pack.entries = size, sha256, entries
    pack.made_at, pack.expires_at = uow.now, uow.now + KEPT
    uow.record(
        EvidenceMade(
            complaint_id=complaint.id,
            reference=complaint.reference,
            evidence_id=pack.id,
            size=size,
            sha256=sha256,
            chain_count=end.count,
            chain_head=end.head,
        ),
        stream=complaint,
        actor=SYSTEM,
    )


def fail(pack: Evidence) -> None:
    """It will not be made any more: given up, or its job was cancelled."""
    if pack.state == "building":
        pack.state = "failed"


def expire(uow: UnitOfWork, complaint: Complaint, pack: Evidence) -> None:
    file_id, pack.file_id, pack.state = pack.file_id, None, "expired"
    if file_id is not None:
        files.let_go(uow, file_id)
    uow.record(
        EvidenceExpired(complaint_id=complaint.id, reference=complaint.reference, evidence_id=pack.id),
        stream=complaint,
        actor=SYSTEM,
    )


def link(key: str, actor: Actor, row: Mapping[str, Any], seconds: int, now: Any) -> file_links.Linked:
    """`row`: of `queries.pack_detail`. Raises `EvidenceNotReady`."""
    if row["state"] != "ready":
        raise EvidenceNotReady(f"It is {row['state']}.", state=row["state"])
    return file_links.seal("evidence", key, actor, (row["complaint_id"], row["id"]), now + timedelta(seconds=seconds))


def given_out(session: Session, actor: Actor, complaint_id: UUID, evidence_id: UUID) -> Download:
    """Raises `NotFound`, `EvidenceNotReady`."""
    row = queries.pack_to_give(session, actor, complaint_id, evidence_id)
    if row["state"] != "ready":
        raise EvidenceNotReady(f"It is {row['state']}.", state=row["state"])
    name = f"evidence-{row['reference']}-{row['created_at']:%Y%m%d}.zip"
    return Download(row["file_id"], row["size"], row["sha256"], name, "application/zip")
