"""A letter as a document, and when the customer has it, or the code of a voucher: its mail was taken by the server, or somebody
posted it.
"""

from html import escape
from typing import Any, Final

from helpdesk.identity.actors import Actor
from helpdesk.kernel.mail import OutboundMail
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import letter_queries, texts
from helpdesk.recovery.kinds import LETTER
from helpdesk.recovery.queries import Held

STYLE: Final = "body { max-width: 42em; margin: 3em auto; font: 1em/1.5 serif; } p { white-space: pre-line; }"
_PAGE: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{subject}</title>
<style>{style}</style>
</head>
<body>
<h1>{subject}</h1>
{body}
</body>
</html>
"""
MAILED: Final = "recovery.letter_mailed"
"""Topic of the duty to record that the mail server has taken a letter; its subject is the offer."""
MAILED_AS: Final = frozenset({LETTER, "voucher", "voucher_in_parts"})
"""Why a letter is mailed with which the customer has it; the mail's subject is the offer."""


def document(letter: dict[str, Any]) -> str:
    """The whole letter as a page of its own, to be printed or kept: no script, nothing from elsewhere. Every text is escaped."""
    paragraphs = [part for part in letter["body"].strip().split("\n\n") if part.strip()]
    body = "\n".join(f"<p>{escape(part.strip())}</p>" for part in paragraphs)
    return _PAGE.format(
        style=STYLE, language=texts.tag(letter["language"]), subject=escape(letter["subject"]), body=body
    )


def file_name(letter: dict[str, Any]) -> str:
    return f"letter-{letter['complaint_reference']}.html"


def sent(uow: UnitOfWork, mail: OutboundMail) -> None:
    """Of any mail, in the transaction that records it: what is still to be done about a letter is owed, since it takes locks
    that somebody may hold for long, and a mail whose sending is not recorded would go out again.
    """
    if mail.reason in MAILED_AS:
        uow.duty(MAILED, mail.subject_id)


def mark_posted(uow: UnitOfWork, actor: Actor, held: Held) -> None:
    letter = letter_queries.letter_of(uow.session, held.offer.id)
    letter.posted_at = uow.now
    letter.posted_by = actor.person_id
