"""Outbound mail: a port with two sides, SMTP and the log. What is to be mailed is a row, sent by a duty.

The row keeps the text as it was decided on, the duty sends it; the `Message-ID` is made from the row's id, so that a
mail repeated after a crash is recognised as the same by every mail system on its way. The row also says how it went:
whoever wants to take the text back must know whether it has gone out (`take_back`).

A server that is away or puts us off is tried for hours. One that refuses the recipient or the mail for good (5xx, RFC 5321,
4.2.1) is not asked again: the mail has failed, and those who wrote it are told, since nobody else can do anything about it.
"""

import re
import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import cache
from html import escape
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, Index, Uuid, bindparam, case, func, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from helpdesk.kernel import outbox, rich_text
from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp
from helpdesk.kernel.doorbell import MAIL
from helpdesk.kernel.duties import GiveUp, described
from helpdesk.kernel.events import Principal
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()

TOPIC = "mail.deliver"
QUEUE = MAIL
_POLICY = SMTP.clone(cte_type="7bit")
"""Seven bits, so that no server on the way has to be asked what it can carry."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


_WAITING: Final = "sent_at IS NULL AND failed_at IS NULL AND cancelled_at IS NULL"

AUTOMATIC: Final = ("auto-generated", "auto-replied")
"""What follows from no message, and what answers one."""


class OutboundMail(Identified, Stamped, Base):
    """A mail as it will be, or was, sent. `reason` says why, `subject_id` about what."""

    __tablename__ = "outbound_mail"
    __table_args__ = (
        CheckConstraint(f"automatic IN {AUTOMATIC}", name="automatic"),
        Index("ix_outbound_mail_waiting", "subject_id", postgresql_where=sql(_WAITING)),
    )

    subject_id: Mapped[UUID]
    reason: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    html: Mapped[str | None]
    """The same as sanitised HTML; the mail then has both."""
    completion: Mapped[str | None]
    """Names what is added when it is sent: what may lie in no table (see `Completions`)."""
    tried_at: Mapped[Timestamp | None]
    """When it was last begun to be sent. With neither an outcome nor a `failure`, it may have gone out."""
    files: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), default=list, server_default="{}")
    """Ids of what is to go with it, in order; whose they are `Enclose` knows."""
    automatic: Mapped[str | None]
    """What it says of itself by RFC 3834 (`AUTOMATIC`); null: a person wrote it."""
    author_id: Mapped[UUID | None]
    """The agent who wrote it, for what is added when it is sent."""
    thread: Mapped[str | None]
    """Names the conversation that it belongs to; mailboxes show those of one name together."""
    secret: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether the body holds a way in: it is forgotten as soon as it has gone out."""
    sent_at: Mapped[Timestamp | None]
    failed_at: Mapped[Timestamp | None]
    """Given up."""
    cancelled_at: Mapped[Timestamp | None]
    failure: Mapped[str | None]
    """Why the last try failed."""


_NOT_ASCII: Final = "The mail server does not offer SMTPUTF8 (RFC 6531), which an address needs that has other than ASCII letters before the @."
NO_SERVER: Final = "No mail server is configured (HELPDESK_SMTP_URL); nobody was written to."


class TlsNotOfferedError(smtplib.SMTPNotSupportedError):
    """The mail server would take our password in the clear only."""


class NotAddressable(Exception):
    """No mail can go to this address from here, however often it is tried. Says why, without the address."""


class Mailer(Protocol):
    def send(self, message: EmailMessage) -> bool:
        """Hand the message over; False where there is nobody to hand it to. Raises when it was not taken, `NotAddressable`
        where it never can be.
        """


@dataclass(frozen=True, slots=True)
class LogMailer:
    """For development: says that a mail would have gone out, without its text (it is in the table)."""

    def send(self, message: EmailMessage) -> bool:
        log.info("mail not sent: no HELPDESK_SMTP_URL", name=str(message["Message-ID"]))
        return False


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """`url`: `smtp://user:password@host:port` or `smtps://...`; STARTTLS is used where the server offers it."""

    url: str

    def send(self, message: EmailMessage) -> bool:
        """Certificates are verified, and a password is never sent in the clear: it opens what all our mail says."""
        parts = urlsplit(self.url)
        context = _tls()
        with _connection(parts, context) as server:
            server.ehlo_or_helo_if_needed()
            if parts.scheme != "smtps" and server.has_extn("starttls"):
                server.starttls(context=context)
            if parts.username:
                if not isinstance(server.sock, ssl.SSLSocket):
                    raise TlsNotOfferedError("the password is not sent without")
                server.login(unquote(parts.username), unquote(parts.password or ""))
            # Not `send_message`: it writes ">From" where a line of the letter begins with "From".
            recipients = [address.addr_spec for address in message["To"].addresses]
            policy, options = _POLICY, []
            if not all(recipient.isascii() for recipient in recipients):
                server.ehlo_or_helo_if_needed()  # anew after STARTTLS
                if not server.has_extn("smtputf8"):
                    raise NotAddressable(_NOT_ASCII)
                policy, options = _POLICY.clone(utf8=True), ["SMTPUTF8", "BODY=8BITMIME"]
            sender = parseaddr(str(message["From"]))[1]
            server.sendmail(sender, recipients, message.as_bytes(policy=policy), options)
        return True


@cache
def _tls() -> ssl.SSLContext:
    """Read once: the certificates of the whole world take longer than a mail."""
    return ssl.create_default_context()


def _connection(parts: SplitResult, context: ssl.SSLContext) -> smtplib.SMTP:
    host, port = parts.hostname or "localhost", parts.port or 0
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=15, context=context)
    return smtplib.SMTP(host, port, timeout=15)


def mailer_for(url: str | None) -> Mailer:
    return SmtpMailer(url) if url else LogMailer()


def queue_mail(
    uow: UnitOfWork,
    *,
    subject_id: UUID,
    reason: str,
    recipient: str,
    subject: str,
    body: str,
    html: str | None = None,
    secret: bool = False,
    completion: str | None = None,
    files: Sequence[UUID] = (),
    automatic: str | None = "auto-generated",
    author_id: UUID | None = None,
    thread: str | None = None,
) -> UUID:
    """Write the mail and the duty to send it; they commit with their cause. `html`: sanitised, the same as `body`.
    `secret`, `automatic`, `author_id`, `thread`: see `OutboundMail`. `completion`: a name in the `Completions` that mail is delivered with;
    `files`: ids that its `Enclose` knows.
    """
    mail_id = new_id()
    row = {
        "id": mail_id,
        "subject_id": subject_id,
        "reason": reason,
        "recipient": recipient,
        "subject": subject,
        "body": body,
        "html": html,
        "secret": secret,
        "completion": completion,
        "files": list(files),
        "automatic": automatic,
        "author_id": author_id,
        "thread": thread,
    }
    uow.add_rows(OutboundMail, [row])
    uow.duty(TOPIC, mail_id)
    return mail_id


@dataclass(frozen=True, slots=True)
class File:
    """What goes with a mail. `read`: its bytes, all of them."""

    name: str
    type: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Enclosed:
    """What of a mail's files goes with it; `text`: what is to be said of the others, None where nothing is."""

    files: Sequence[File] = ()
    text: str | None = None


Enclose = Callable[[Session, Sequence[UUID]], Enclosed]
"""Looks a mail's files up when it is sent: one may have been taken out since. Raises where one cannot be had yet."""


def compose(
    mail: OutboundMail, sender: str, body: str, html: str | None, *, files: Sequence[File] = ()
) -> EmailMessage:
    """Headers that cannot be injected into (line breaks and other control characters become blanks). A domain in another
    script is written as every mail server understands it. The conversation begins with a message that there never was: so
    its first mail is no other than the rest, and one that was lost tears nothing apart. `body`, `html`: the completed ones.
    """
    domain = parseaddr(sender)[1].partition("@")[2] or "localhost"
    name, at, host = mail.recipient.rpartition("@")
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = name + at + _in_ascii(host)
    # The standard library decodes what looks like an encoded word (RFC 2047), line breaks included, and writes it anew.
    message["Subject"] = " ".join(_CONTROL.sub(" ", mail.subject).replace("=?", "= ?").split())
    message["Date"] = mail.created_at.astimezone(UTC)  # the same when it is sent again
    message["Message-ID"] = f"<{mail.id}@{domain}>"
    if mail.thread is not None:
        message["In-Reply-To"] = message["References"] = f"<{mail.thread}@{domain}>"
    if mail.automatic is not None:  # nobody's auto-reply is to answer it, or the two would never end
        message["Auto-Submitted"] = mail.automatic
        message["X-Auto-Response-Suppress"] = "All"
    message.set_content(body)
    if html is not None:
        message.add_alternative(rich_text.document(html), subtype="html")
    for file in files:
        kind, _, subtype = file.type.partition("/")
        if kind in {"message", "multipart"}:  # which may not be written in Base64 (RFC 2046)
            kind, subtype = "application", "octet-stream"
        message.add_attachment(file.read(), maintype=kind, subtype=subtype, filename=file.name)
    return message


def _in_ascii(host: str) -> str:
    """Raises `NotAddressable`."""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise NotAddressable("The domain of the address cannot be written in ASCII (IDNA).") from None


Completions = Mapping[str, Callable[[Session, OutboundMail], str]]
"""By name, what makes the end of a mail while it is sent: a secret that is kept nowhere, or what the settings decide."""


Undelivered = Callable[[UnitOfWork, UUID, str], bool]
"""Tells those who wrote a mail that it does not arrive, and why; False where there is nobody to tell, and so it is for who
runs the program. Takes its locks before the mail's.
"""

Sent = Callable[[UnitOfWork, OutboundMail], None]
"""What follows from a mail that the server has taken, in the transaction that records it. Takes no locks."""

_TOO_LARGE: Final = 552
_LONGEST_REFUSAL: Final = 500


def refusal_of(error: Exception) -> str | None:
    """Why it never goes out: the server's words where it refuses for good the recipient, what the mail says, or its size; None where another try may
    succeed. That it does not take our password or our sender is no fault of the mail.
    """
    answers: list[tuple[int, bytes | str]]
    if isinstance(error, NotAddressable):
        return str(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = list(error.recipients.values())
    elif isinstance(error, smtplib.SMTPDataError) or (
        isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code == _TOO_LARGE
    ):
        answers = [(error.smtp_code, error.smtp_error)]
    else:
        return None
    if not answers or any(code < 500 for code, _ in answers):
        return None
    code, words = answers[0]
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(_CONTROL.sub(' ', text).split())}"[:_LONGEST_REFUSAL]


def deliver(
    database: Database,
    system: Principal,
    duty_id: UUID,
    mail_id: UUID,
    *,
    mailer: Mailer,
    sender: str,
    completions: Completions | None = None,
    enclose: Enclose | None = None,
    undelivered: Undelivered | None = None,
    sent: Sent | None = None,
) -> None:
    """The outside handler of `TOPIC`: say that it begins, send with no transaction open, settle. Raises `GiveUp` for a mail
    that is refused for good and that `undelivered` tells nobody of.
    """
    with database.unit_of_work(system) as uow:
        mail = _locked(uow, mail_id)
        wanted = mail.sent_at is None and mail.cancelled_at is None
        text = (completions or {})[mail.completion](uow.session, mail) if wanted and mail.completion else None
        if wanted:
            mail.tried_at, mail.failure = uow.now, None
    handed_over = False
    if wanted:
        try:
            enclosed = _enclosed(database, mail, enclose)
            body, html = _completed(mail, text, enclosed.text)
            handed_over = mailer.send(compose(mail, sender, body, html, files=enclosed.files))
        except Exception as error:
            refusal = refusal_of(error)
            with database.unit_of_work(system) as uow:
                _locked(uow, mail_id).failure = refusal or described(error)
            if refusal is None:
                raise
            log.warning("mail refused for good", mail=str(mail_id), error=described(error))
            if not _settle_refused(database, system, duty_id, mail_id, refusal=refusal, undelivered=undelivered):
                raise GiveUp(f"refused for good, {described(error)}") from error
            return
    with database.unit_of_work(system) as uow:
        if outbox.settle(uow.session, duty_id) and wanted:
            uow.session.execute(_SENT if handed_over else _NOT_SENT, {"mail_id": mail_id})
            if handed_over and sent is not None:
                sent(uow, mail)


_MAIL: Final = OutboundMail.__table__
_OUTCOME: Final = (
    update(_MAIL)
    .where(_MAIL.c.id == bindparam("mail_id"), _MAIL.c.sent_at.is_(None))
    # It may have been tried again after it had been given up.
    .values(failed_at=None, body=case((_MAIL.c.secret, ""), else_=_MAIL.c.body))
)
_SENT: Final = _OUTCOME.values(sent_at=func.now())
_NOT_SENT: Final = _OUTCOME.values(cancelled_at=func.now(), failure=NO_SERVER)


def _settle_refused(
    database: Database,
    system: Principal,
    duty_id: UUID,
    mail_id: UUID,
    *,
    refusal: str,
    undelivered: Undelivered | None,
) -> bool:
    """Whether somebody was told: then nothing is owed any more."""
    with database.unit_of_work(system) as uow:
        if outbox.take(uow.session, duty_id) is None:
            return True
        if undelivered is None or not undelivered(uow, mail_id, refusal):
            return False
        give_up(uow, mail_id, refusal)
        outbox.mark_done(uow.session, duty_id)
    return True


def _enclosed(database: Database, mail: OutboundMail, enclose: Enclose | None) -> Enclosed:
    if not mail.files or enclose is None:
        return Enclosed()
    with database.reader() as session:
        return enclose(session, mail.files)


def _completed(mail: OutboundMail, *texts: str | None) -> tuple[str, str | None]:
    body, html = mail.body, mail.html
    for text in texts:
        if text is not None:
            shown = escape(text).replace("\n", "<br>")
            body, html = f"{body}\n\n{text}", None if html is None else f"{html}<p>{shown}</p>"
    return body, html


def give_up(uow: UnitOfWork, mail_id: UUID, reason: str) -> None:
    """The duty is dead after its patience: the mail will not go out by itself any more, and says so."""
    mail = uow.session.get(OutboundMail, mail_id, with_for_update=True)
    if mail is not None and mail.sent_at is None:
        mail.failed_at = uow.now
        mail.failure = mail.failure or reason


_LOCKED: Final = select(OutboundMail).where(OutboundMail.id == bindparam("mail_id")).with_for_update()


def _locked(uow: UnitOfWork, mail_id: UUID) -> OutboundMail:
    return uow.session.execute(_LOCKED, {"mail_id": mail_id}).scalar_one()


def take_back(uow: UnitOfWork, mail_id: UUID, *, rewrite: Callable[[str], str], cancel: bool) -> str:
    """Put another text in the place of a mail's; with `cancel`, and do not send it. What became of the old text: `sent`,
    `perhaps_sent` (a try has begun whose outcome is not known), or `not_sent`.
    """
    mail = _locked(uow, mail_id)
    mail.body, mail.html = rewrite(mail.body), None
    if mail.sent_at is not None:
        return "sent"
    begun = mail.tried_at is not None and mail.failure is None and mail.failed_at is None
    if cancel and mail.cancelled_at is None:
        mail.cancelled_at = uow.now
    return "perhaps_sent" if begun else "not_sent"


STATES: Final = ("queued", "sent", "failed", "cancelled")


def state_of(*, sent_at: object, cancelled_at: object, failed_at: object) -> str:
    """One of `STATES`, from the columns of a row."""
    if sent_at is not None:
        return "sent"
    if cancelled_at is not None:
        return "cancelled"
    return "queued" if failed_at is None else "failed"
