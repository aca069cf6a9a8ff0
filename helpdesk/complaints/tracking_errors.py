from helpdesk.kernel.errors import Conflict, DomainError, Unauthenticated


class TrackingRefused(DomainError):
    status = 403
    code = "tracking_refused"
    title = "Reference and secret do not belong together"
    advice = "Type both as they stand in the mail. If the secret is lost, ask us for a new one."


class TrackingSessionEnded(Unauthenticated):
    code = "tracking_session_ended"
    title = "This session has ended, or was none"
    advice = "Exchange reference and secret for a new one (`POST /public/tracking`) and send it as `Authorization: Tracking <token>`."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Tracking realm="helpdesk"'}


class ReopenWindowOver(Conflict):
    code = "reopen_window_over"
    title = "It was closed too long ago to be reopened"
    advice = (
        "Hand in a new complaint, which is linked to it (`POST /public/tracking/complaints`); we can also reopen it."
    )


class StillOpen(Conflict):
    code = "still_open"
    title = "It is still being worked on"
    advice = "Write a message to it (`POST /public/tracking/messages`) instead of a new complaint."
