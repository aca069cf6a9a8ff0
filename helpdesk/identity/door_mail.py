"""Mails to agents about their own account. They hold no name and nothing that somebody else wrote."""

from typing import Final
from uuid import UUID

from helpdesk.identity import session_queries
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.unit_of_work import UnitOfWork

_NOT_YOU: Final = "\n\nIf that was not you, tell an administrator at once."
_NOTICES: Final[dict[str, tuple[str, str]]] = {
    "password_changed": (
        "Your Helpdesk password was changed",
        "The password of your Helpdesk account was changed, and all other sessions were ended." + _NOT_YOU,
    ),
    "second_factor_enabled": (
        "A second factor protects your Helpdesk account",
        "A second factor was enabled for your Helpdesk account. Keep the recovery codes in a safe place." + _NOT_YOU,
    ),
    "second_factor_disabled": (
        "Your Helpdesk account has no second factor any more",
        "The second factor of your Helpdesk account was disabled." + _NOT_YOU,
    ),
    "recovery_code_used": (
        "A recovery code of your Helpdesk account was used",
        "Somebody signed in with one of your recovery codes." + _NOT_YOU,
    ),
    "provider_linked": (
        "Your Helpdesk account can be signed in to in another way",
        "Your Helpdesk account was linked with your account at an identity provider." + _NOT_YOU,
    ),
}
_LINKS: Final[dict[str, tuple[str, str]]] = {
    "invitation": (
        "You are invited to Helpdesk",
        "An account was made for you. Choose a password here, within 72 hours:\n\n{link}\n",
    ),
    "reset": (
        "A new password for Helpdesk",
        "Choose a new password here, within an hour:\n\n{link}\n\nIf you did not ask for this, do nothing.\n",
    ),
}


def tell_agent(uow: UnitOfWork, agent_id: UUID, reason: str) -> None:
    """A notice of what has happened to the account. `reason`: one of those above."""
    subject, body = _NOTICES[reason]
    email = session_queries.agent_named(uow.session, agent_id).email
    queue_mail(uow, subject_id=agent_id, reason=reason, recipient=email, subject=subject, body=body)


def mail_link(uow: UnitOfWork, agent_id: UUID, kind: str, link: str) -> None:
    """The text is forgotten as soon as it is sent: who reads the table later finds no link in it."""
    subject, body = _LINKS[kind]
    email = session_queries.agent_named(uow.session, agent_id).email
    queue_mail(
        uow,
        subject_id=agent_id,
        reason=f"password_{kind}",
        recipient=email,
        subject=subject,
        body=body.format(link=link),
        secret=True,
    )
