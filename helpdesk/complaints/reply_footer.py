"""What stands under the mail of a reply: who writes, the reference, and where to follow the complaint.

Made while it is sent, since the settings decide on it, and since it is no part of what was said: the thread shows the reply
as it was written. The address has no secret in it; replies are passed on.
"""

from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from sqlalchemy.orm import Session

from helpdesk.complaints import person_queries, tracking_queries
from helpdesk.complaints.phrases import said
from helpdesk.kernel.mail import OutboundMail


@dataclass(frozen=True, slots=True)
class Footer:
    """`sender`: who all mail is from. `names`: how complainants are told who handles it, first_name or team. `page`: where they
    follow it.
    """

    sender: str
    names: str
    page: str

    def under(self, session: Session, mail: OutboundMail) -> str:
        """Under a mail of a complaint's thread, by the reference and in the language of whom it is for."""
        known = tracking_queries.secret_by_reference(session, mail.thread or "")
        row = known or tracking_queries.secret_of(session, mail.subject_id)
        language = person_queries.language_of(session, row, mail.recipient) or row.language
        lines = [", ".join(self._writers(session, mail)), said("footer_reference", language, reference=row.reference)]
        if row.tracking_hash is not None:
            lines.append(said("footer_page", language, url=f"{self.page}#reference={row.reference}"))
        return "\n".join(line for line in lines if line)

    def _writers(self, session: Session, mail: OutboundMail) -> list[str]:
        """The agent as their tracking names them, where one wrote it; and the desk, by the name that its mail has."""
        writer: Any = None
        if mail.author_id is not None:
            writer = tracking_queries.writer(session, mail.author_id, mail.subject_id)
        name = None if writer is None else (writer.first_name if self.names == "first_name" else writer.team)
        return [text for text in (name, parseaddr(self.sender)[0]) if text]
