"""The log of administrative acts: who changed what the system does, and what it was before.

When to use it: for every act on agents, teams, roles, tokens, keys, forms, taxonomies, macros, calendars, policies,
budgets and the like, and for what happens at the door (a sign-in, a wrong password). When not: for what happens to one
complaint, whose chain it belongs to.

One chain for all of them, so that an act that is removed or put elsewhere is noticed too. Nothing ever deletes it.
"""

from helpdesk.identity.administration_queries import log_for_update
from helpdesk.kernel.events import Event, Principal
from helpdesk.kernel.unit_of_work import UnitOfWork


def record_administration(uow: UnitOfWork, event: Event, *, actor: Principal | None = None) -> None:
    """`uow.record` for an administrative act. The event tells before and after of every field that changed, what is
    personal in fields that it names as `personal`, and no secret at all. Acts wait for one another only at their commit.
    """
    uow.record_last(event, log_for_update, actor=actor)
