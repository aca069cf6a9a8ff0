"""Outbound mail, against a real SMTP server.

How it can fail: a duty performed twice sends two mails; a mail that was not taken is lost; a repeat after a crash looks
like another mail; a hostile subject or body adds a header or a command; another script arrives as question marks.
"""

import asyncio
import smtplib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import mail
from helpdesk.kernel.duties import Outside
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import LogMailer, SmtpMailer, compose, mailer_for, queue_mail
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program, assemble

_HOSTILE = st.sampled_from(
    [
        *(
            "",
            "\r\nBcc: victim@x.example",
            "\n\nBody",
            "\r\n\r\n<script>",
            "\x00",
            "\u2028X: y",
            "\x85X: y",
            "\n.\nQUIT",
        ),
        *("=?utf-8?q?=0D=0AX:_y?=", "=?utf-8?b?DQpYOiB5?=", "==??utf-8?q?=0AX:_y?=?=", "=\x00?utf-8?q?=0AX:_y?="),
        "\n--===============boundary==\nContent-Type: text/html",
    ]
)


class Post:
    """Keeps what arrives; `refuse` is what it answers to the next recipients."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.refuse: list[str] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), message))
        return "250 Taken"


class Server(Controller):
    """On whatever port is free."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def server(post: Post) -> Iterator[Server]:
    server = Server(post, hostname="127.0.0.1", port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mailing(settings: Settings, server: Server) -> Iterator[Program]:
    url = f"smtp://127.0.0.1:{server.port}"
    program = assemble(replace(settings, smtp_url=url, mail_from="Helpdesk <help@desk.example>"))
    yield program
    program.engine.dispose()


def queue(database: Database, **more: Any) -> tuple[UUID, UUID]:
    """The mail's id and its duty's."""
    given: dict[str, Any] = {
        "recipient": "li.wei@example.com",
        "subject": "Your complaint",
        "body": "We have it.",
    } | more
    with database.unit_of_work(SYSTEM) as uow:
        mail_id = queue_mail(uow, subject_id=new_id(), reason="test", **given)
    with database.reader() as session:
        duty = session.execute(text("SELECT id FROM duty WHERE subject_id = :id"), {"id": mail_id}).scalar_one()
    return mail_id, duty


def row(database: Database, table: str, row_id: UUID) -> Any:
    with database.reader() as session:
        return session.execute(text(f"SELECT * FROM {table} WHERE id = :id"), {"id": row_id}).mappings().one()


class TestDelivery:
    def test_once_though_performed_twice(self, mailing: Program, post: Post) -> None:
        mail_id, duty = queue(mailing.database)
        assert row(mailing.database, "outbound_mail", mail_id)["sent_at"] is None
        assert mailing.performer.perform([duty, duty]) == {"done": 1, "skipped": 1, "failed": 0}
        [(sender, recipients, message)] = post.mails
        assert (sender, recipients) == ("help@desk.example", ["li.wei@example.com"])
        assert (message["From"], message["To"]) == ("Helpdesk <help@desk.example>", "li.wei@example.com")
        assert message["Message-ID"] == f"<{mail_id}@desk.example>"
        assert (message["Subject"], message.get_content()) == ("Your complaint", "We have it.\r\n")
        assert message["Auto-Submitted"] == "auto-generated"
        assert row(mailing.database, "outbound_mail", mail_id)["sent_at"] is not None
        assert row(mailing.database, "duty", duty)["done_at"] is not None

    def test_refused_then_taken(self, mailing: Program, post: Post) -> None:
        post.refuse = ["451 Come back later", "421 Too busy"]
        mail_id, duty = queue(mailing.database)
        for number in (1, 2):
            assert mailing.performer.perform([duty])["failed"] == 1
            assert row(mailing.database, "duty", duty)["failures"] == number
            assert row(mailing.database, "outbound_mail", mail_id)["sent_at"] is None
        assert mailing.performer.perform([duty])["done"] == 1
        assert len(post.mails) == 1

    def test_no_server_then_one(self, settings: Settings, mailing: Program, post: Post) -> None:
        away = assemble(replace(settings, smtp_url="smtp://127.0.0.1:1"))
        mail_id, duty = queue(away.database)
        assert away.performer.perform([duty])["failed"] == 1
        assert "ConnectionRefused" in row(away.database, "duty", duty)["last_error"]
        away.engine.dispose()
        assert mailing.performer.perform([duty])["done"] == 1
        assert row(mailing.database, "outbound_mail", mail_id)["sent_at"] is not None

    def test_a_crash_after_sending_repeats_the_same_mail(self, mailing: Program, post: Post) -> None:
        """Taken by the server, not yet settled by us: the repeat carries the same Message-ID."""
        mail_id, duty = queue(mailing.database)

        def send_and_die(tools: Any, duty_id: UUID, subject: UUID) -> None:
            class Dying(SmtpMailer):
                def send(self, message: EmailMessage) -> bool:
                    super().send(message)
                    raise RuntimeError("the power went")

            mailer = Dying(tools.mailer.url)
            mail.deliver(tools.database, SYSTEM, duty_id, subject, mailer=mailer, sender=tools.sender)

        dying = replace(mailing.performer, handlers={mail.TOPIC: Outside(send_and_die)})
        assert dying.perform([duty])["failed"] == 1
        assert mailing.performer.perform([duty])["done"] == 1
        first, second = (message["Message-ID"] for _, _, message in post.mails)
        assert first == second == f"<{mail_id}@desk.example>"

    def test_a_secret_is_forgotten_when_it_has_gone_out(self, mailing: Program, post: Post) -> None:
        """And not before: a mail that was not taken still needs it."""
        mail_id, duty = queue(mailing.database, body="A link.", secret=True)
        post.refuse = ["451 Come back later"]
        for left in ("A link.", ""):
            mailing.performer.perform([duty])
            assert row(mailing.database, "outbound_mail", mail_id)["body"] == left
        assert post.mails[0][2].get_content() == "A link.\r\n"

    def test_refused_for_good_is_not_asked_again(self, mailing: Program, post: Post) -> None:
        """Of mail that is about no complaint nobody is told but who runs the program: its duty is dead."""
        mail_id, duty = queue(mailing.database)
        post.refuse = ["550 5.1.1 <li.wei@example.com>: Nobody here"]
        assert mailing.performer.perform([duty])["failed"] == 1
        assert mailing.performer.perform([duty])["skipped"] == 1
        kept = row(mailing.database, "outbound_mail", mail_id)
        assert kept["failed_at"] is not None
        assert kept["failure"] == "550 5.1.1 <li.wei@example.com>: Nobody here"
        assert row(mailing.database, "duty", duty)["dead_at"] is not None
        assert "li.wei" not in row(mailing.database, "duty", duty)["last_error"]

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (smtplib.SMTPRecipientsRefused({"a@x.example": (550, b"5.1.1 Unknown\r\nuser")}), "550 5.1.1 Unknown user"),
            (smtplib.SMTPRecipientsRefused({"a@x.example": (452, b"Mailbox full")}), None),
            (smtplib.SMTPRecipientsRefused({}), None),
            (smtplib.SMTPDataError(554, b"5.6.0 \xff" + b"x" * 900), "554 5.6.0 \ufffd" + "x" * 489),
            (smtplib.SMTPDataError(451, b"Later"), None),
            (smtplib.SMTPSenderRefused(552, b"5.3.4 Too large", "help@desk.example"), "552 5.3.4 Too large"),
            (smtplib.SMTPSenderRefused(550, b"5.7.1 Not you", "help@desk.example"), None),
            (smtplib.SMTPAuthenticationError(535, b"5.7.8 Wrong"), None),
            (ConnectionRefusedError(), None),
        ],
    )
    def test_what_is_for_good(self, error: Exception, words: str | None) -> None:
        """Not what the mail can do nothing about: who we are, and whether the server is there."""
        assert mail.refusal_of(error) == words

    def test_several_and_one_of_them_refused(self, mailing: Program, post: Post) -> None:
        duties = [queue(mailing.database, subject=str(number))[1] for number in range(3)]
        post.refuse = ["550 Nobody here"]
        assert mailing.performer.perform(duties) == {"done": 2, "skipped": 0, "failed": 1}
        assert [message["Subject"] for _, _, message in post.mails] == ["1", "2"]

    @pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the test is that we require it
    def test_no_password_without_tls(self, settings: Settings, post: Post) -> None:
        """The server would take it in the clear; it opens everything that our mail says, so it is not sent."""
        asked: list[Any] = []

        def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
            asked.append(given)
            return AuthResult(success=True)

        server = Server(
            post, hostname="127.0.0.1", port=0, auth_required=True, auth_require_tls=False, authenticator=check
        )
        server.start()
        program = assemble(replace(settings, smtp_url=f"smtp://us%20er:p%40ss@127.0.0.1:{server.port}"))
        try:
            _, duty = queue(program.database)
            assert program.performer.perform([duty])["failed"] == 1
            assert "TlsNotOffered" in row(program.database, "duty", duty)["last_error"]
        finally:
            program.engine.dispose()
            server.stop()
        assert (asked, post.mails) == ([], [])

    def test_a_mail_that_never_goes_out_says_so(self, settings: Settings) -> None:
        away = assemble(replace(settings, smtp_url="smtp://127.0.0.1:1"))
        mail_id, duty = queue(away.database)
        handler = away.performer.handlers[mail.TOPIC]
        assert isinstance(handler, Outside)
        assert handler.patience > 20  # a server may be away for hours
        for _ in range(handler.patience):
            assert row(away.database, "outbound_mail", mail_id)["failed_at"] is None
            assert away.performer.perform([duty])["failed"] == 1
        assert row(away.database, "outbound_mail", mail_id)["failed_at"] is not None
        assert row(away.database, "duty", duty)["dead_at"] is not None
        away.engine.dispose()


class TestContent:
    @pytest.mark.parametrize(
        "subject",
        [
            "a\r\nBcc: victim@example.com",
            "a\nb",
            "a\rb",
            "a\u2028b",
            "a\x0bb",
            "a\x85b",
            "a\x1b[31mb",
            " \t ",
            "",
            "x" * 5_000,
            "包" * 500,
        ],
    )
    def test_hostile_subject(self, mailing: Program, post: Post, subject: str) -> None:
        _, duty = queue(mailing.database, subject=subject)
        assert mailing.performer.perform([duty])["done"] == 1
        [(_, recipients, message)] = post.mails
        assert recipients == ["li.wei@example.com"]
        assert message["Bcc"] is None
        assert sorted(message.keys()) == sorted(set(message.keys()))
        if len(subject) < 100:
            assert message["Subject"].split() == subject.replace("\x1b", " ").split()

    @pytest.mark.parametrize(
        "body",
        [
            "plain",
            "尊敬的李先生:\n您的投诉已收到。📦\n",
            "a line of a dot\n.\nand more\n..\n",
            "QUIT\r\nRCPT TO:<victim@example.com>\r\n",
            "From here\nFrom there\n",
            "x" * 20_000,
            "包" * 5_000,
            "tab\there, end without a line break",
            "trailing blanks   \n\n\n",
            "\ufeffstarts with a mark\u200b",
        ],
    )
    def test_any_body_arrives_as_it_was(self, mailing: Program, post: Post, body: str) -> None:
        _, duty = queue(mailing.database, body=body)
        assert mailing.performer.perform([duty])["done"] == 1
        [(_, recipients, message)] = post.mails
        assert recipients == ["li.wei@example.com"]
        assert message.get_content().replace("\r\n", "\n").rstrip("\n") == body.replace("\r\n", "\n").rstrip("\n")

    @given(
        subject=st.text(max_size=60), body=st.text(max_size=80), html=st.none() | st.text(max_size=80), extra=_HOSTILE
    )
    def test_no_text_becomes_a_header(self, subject: str, body: str, html: str | None, extra: str) -> None:
        """Whatever stands in subject, text and HTML: the headers are ours, and the mail has the parts that it should."""
        shown = None if html is None else html + extra
        written = letter(subject=subject + extra)
        message = compose(written, "Helpdesk <help@desk.example>", body + extra, shown)
        read = message_from_bytes(message.as_bytes(), policy=default)
        fixed = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version"} | AUTOMATIC
        assert {name for name in read if not name.startswith("Content-")} == fixed
        assert [str(read["To"]), str(read["From"])] == ["a@x.example", "Helpdesk <help@desk.example>"]
        kinds = ["text/plain"] if html is None else ["multipart/alternative", "text/plain", "text/html"]
        assert [part.get_content_type() for part in read.walk()] == kinds

    def test_domain_in_another_script(self, mailing: Program, post: Post) -> None:
        _, duty = queue(mailing.database, recipient="ana@bücher.example")
        assert mailing.performer.perform([duty])["done"] == 1
        assert post.mails[0][1] == ["ana@xn--bcher-kva.example"]

    def test_name_in_another_script(self, mailing: Program, post: Post) -> None:
        """Addresses as they are in China: the server takes them by SMTPUTF8, the domain in ASCII all the same."""
        _, duty = queue(mailing.database, recipient="王小明@bücher.example")
        assert mailing.performer.perform([duty])["done"] == 1
        [(_, recipients, message)] = post.mails
        assert recipients == ["王小明@xn--bcher-kva.example"]
        written = message["To"].addresses[0].addr_spec  # as the standard library reads what is not ASCII
        assert written.encode(errors="surrogateescape").decode() == recipients[0]
        assert (message["Subject"], message.get_content()) == ("Your complaint", "We have it.\r\n")

    def test_name_in_another_script_that_the_server_cannot_take(self, settings: Settings, post: Post) -> None:
        server = Server(post, hostname="127.0.0.1", port=0, enable_SMTPUTF8=False)
        server.start()
        program = assemble(replace(settings, smtp_url=f"smtp://127.0.0.1:{server.port}"))
        try:
            mail_id, duty = queue(program.database, recipient="王小明@example.com")
            assert program.performer.perform([duty])["failed"] == 1
            kept = row(program.database, "outbound_mail", mail_id)
            assert "SMTPUTF8" in kept["failure"]
            assert kept["failed_at"] is not None
            assert row(program.database, "duty", duty)["dead_at"] is not None
        finally:
            program.engine.dispose()
            server.stop()
        assert post.mails == []

    def test_domain_that_there_cannot_be(self, mailing: Program, post: Post) -> None:
        mail_id, duty = queue(mailing.database, recipient=f"a@{'ü' * 80}.example")
        assert mailing.performer.perform([duty])["failed"] == 1
        kept = row(mailing.database, "outbound_mail", mail_id)
        assert "IDNA" in kept["failure"]
        assert kept["failed_at"] is not None
        assert post.mails == []

    @pytest.mark.parametrize("recipient", ["a@x.example\r\nBcc: b@x.example", "a@x.example\nRCPT TO:<b@x.example>"])
    def test_an_address_cannot_carry_a_header(self, mailing: Program, post: Post, recipient: str) -> None:
        """No such address passes the schemas; were one in the table, it is refused, not followed."""
        _, duty = queue(mailing.database, recipient=recipient)
        assert mailing.performer.perform([duty])["failed"] == 1
        assert post.mails == []

    def test_sender_without_a_domain(self) -> None:
        message = compose(letter(thread="AB12-CD34-EF5"), "helpdesk", "b", None)
        assert message["Message-ID"] == "<00000000-0000-0000-0000-000000000001@localhost>"
        assert message["References"] == "<AB12-CD34-EF5@localhost>"

    def test_it_is_dated_by_when_it_was_written(self) -> None:
        message = compose(letter(), "helpdesk", "b", None)
        assert message["Date"].datetime == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)

    @pytest.mark.parametrize("automatic", [None, "auto-generated", "auto-replied"])
    def test_only_what_nobody_wrote_says_so(self, automatic: str | None) -> None:
        message = compose(letter(automatic=automatic), "helpdesk", "b", None)
        assert {name: message[name] for name in AUTOMATIC if name in message} == (
            {} if automatic is None else {"Auto-Submitted": automatic, "X-Auto-Response-Suppress": "All"}
        )


AUTOMATIC = {"Auto-Submitted", "X-Auto-Response-Suppress"}


def letter(**given: Any) -> mail.OutboundMail:
    when = datetime(2026, 3, 2, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    known = {"id": UUID(int=1), "recipient": "a@x.example", "subject": "s", "created_at": when}
    return mail.OutboundMail(**known | {"automatic": "auto-generated"} | given)


class TestWithoutAServer:
    def test_it_is_said_in_the_log_without_the_text(self, program: Program) -> None:
        assert mailer_for(None) == LogMailer()
        assert mailer_for("smtp://h") == SmtpMailer("smtp://h")
        mail_id, duty = queue(program.database)
        assert program.performer.perform([duty])["done"] == 1
        kept = row(program.database, "outbound_mail", mail_id)
        assert (kept["sent_at"], kept["failure"]) == (None, mail.NO_SERVER)
        assert kept["cancelled_at"] is not None
