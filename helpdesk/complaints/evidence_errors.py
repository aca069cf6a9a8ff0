from helpdesk.kernel.errors import Conflict


class EvidenceInProgress(Conflict):
    code = "evidence_in_progress"
    title = "An evidence pack of this complaint is being made"
    advice = "Wait for the job named in `job_id`, or cancel it."


class EvidenceNotReady(Conflict):
    code = "evidence_not_ready"
    title = "This evidence pack cannot be had"
    advice = "`state` says why: it is being made, it failed, or its time is over. Ask for a new one."
