"""What of a message's files goes with its mail, looked up when it is sent.

Together they have a limit, because mail servers have one: what is beyond it is named with a link that is good for some days,
and that lies in no table. What was redacted since, or turned out to be infected, is named as missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import attachment_queries, file_links
from helpdesk.complaints.attachment_errors import AttachmentNotClean
from helpdesk.complaints.attachments import is_clean
from helpdesk.complaints.phrases import said
from helpdesk.identity.actors import complainant_actor
from helpdesk.kernel.mail import Enclosed, File
from helpdesk.kernel.storage import Store, read_all


@dataclass(frozen=True, slots=True)
class Enclosing:
    """`most`: bytes that go with one mail. `scanned`: there is a scanner."""

    store: Store
    key: str
    base_url: str
    most: int
    link_days: int
    scanned: bool

    def __call__(self, session: Session, ids: Sequence[UUID]) -> Enclosed:
        """Raises `AttachmentNotClean` for one that is being scanned anew: the mail waits for it."""
        files, lines, size = [], [], 0
        for row in attachment_queries.files_to_send(session, ids):
            if row.scan == "scanning" and row.redacted_at is None:
                raise AttachmentNotClean("It is scanning.", scan=row.scan)
            if row.redacted_at is not None or row.internal or not is_clean(row.scan, scanned=self.scanned):
                lines.append(said("file_withheld", row.language))
            elif size + row.size <= self.most:
                size += row.size
                files.append(File(row.name, row.type, partial(read_all, self.store, row.file_id.hex, 0, row.size)))
            else:
                lines.append(self._linked(row))
        return Enclosed(files, "\n".join(dict.fromkeys(lines)) or None)

    def _linked(self, row: Any) -> str:
        """For the complainant's sake: it leads nowhere once they may not see the file."""
        actor = complainant_actor(row.complaint_id, frozenset())
        until = row.now + timedelta(days=self.link_days)
        made = file_links.seal("attachment", self.key, actor, (row.complaint_id, row.id), until)
        url = f"{self.base_url}/api/v1/public/files/{made.token}"
        return said("file_link", row.language, file=row.name, url=url, day=until.date().isoformat())
