"""What follows from knocking at the door, later: the mail with a link, and forgetting what is over."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func

from helpdesk.identity import password_service
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.password_models import PasswordLink
from helpdesk.identity.provider_models import ProviderSignIn
from helpdesk.identity.session_models import AgentSession, KnownPlace, SignInThrottle
from helpdesk.kernel import outbox
from helpdesk.kernel.db import Base
from helpdesk.kernel.forgetting import forget
from helpdesk.kernel.unit_of_work import Database

KEPT: Final = timedelta(days=30)
"""How long an ended session and a used link can still be looked up in the database."""
PLACES_KEPT: Final = timedelta(days=90)
COUNTS_KEPT: Final = timedelta(days=1)


def send_reset(tools: Any, duty_id: UUID, _subject_id: UUID) -> None:
    """The handler of `password_service.TOPIC`. Mail, link and the duty's end are one transaction."""
    with tools.database.unit_of_work(SYSTEM) as uow:
        duty = outbox.take(uow.session, duty_id)
        if duty is not None:
            password_service.send_reset(uow, duty.payload["email"], tools.signing_key, tools.base_url)
            duty.payload = {}  # whose address it was is nobody's business any more
            uow.session.flush()
            outbox.mark_done(uow.session, duty_id)


def forget_what_is_over(database: Database) -> int:
    """Sessions and links long over, places long unseen, failures long ago; how many rows."""
    over: tuple[tuple[type[Base], ColumnElement[bool]], ...] = (
        (AgentSession, AgentSession.expires_at < func.now() - KEPT),
        (PasswordLink, PasswordLink.expires_at < func.now() - KEPT),
        (ProviderSignIn, ProviderSignIn.expires_at < func.now()),
        (KnownPlace, KnownPlace.seen_at < func.now() - PLACES_KEPT),
        (SignInThrottle, SignInThrottle.failed_at < func.now() - COUNTS_KEPT),
    )
    return sum(forget(database.engine, model, condition) for model, condition in over)
