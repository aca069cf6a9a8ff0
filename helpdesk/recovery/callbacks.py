"""What a provider calls back: at once, before its answer to us, twice, late, or against what was recorded.

The signature was verified by whoever calls this. A message counts once: the same id again is answered as the first time. The
offer is locked before that is looked at, so that of two at once the second finds the first.
"""

from typing import Any
from uuid import UUID

from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import outcomes, provider_queries, queries
from helpdesk.recovery.provider_answers import FAILED, ISSUED, Answer
from helpdesk.recovery.provider_errors import CallbackDiffers
from helpdesk.recovery.provider_models import RemedyCallback


def take(uow: UnitOfWork, provider_id: UUID, message_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """`given`: idempotency_key, status (`provider_models.SAYINGS`), reference, id, reason. Raises `NotFound` for a key that
    this provider was never given, `CallbackDiffers`.
    """
    found = provider_queries.order_by_key(uow.session, provider_id, given["idempotency_key"])
    if found is None:
        raise NotFound("There is no such idempotency_key.")
    order_id, offer_id = found
    held = queries.hold_any(uow.session, offer_id)
    order = provider_queries.order_for_update(uow.session, order_id)
    said = {
        "order_id": order_id,
        "says": given["status"],
        "reference": given.get("reference"),
        "external_id": given.get("id"),
        "reason": given.get("reason"),
    }
    earlier = provider_queries.callback_said(uow.session, provider_id, message_id)
    if earlier is not None:
        if any(getattr(earlier, name) != value for name, value in said.items()):
            raise CallbackDiffers
        return {"state": order.state, "contradicts": order.contradiction is not None}
    uow.add_rows(RemedyCallback, [{"id": new_id(), "provider_id": provider_id, "message_id": message_id, **said}])
    answer = Answer(said["says"], said["reference"], said["external_id"], said["reason"] or "")
    if not outcomes.is_open(held, order):
        outcomes.late(uow, held, order, answer)
    elif answer.says == ISSUED:
        outcomes.issued(uow, held, order, answer)
    elif answer.says == FAILED:
        outcomes.refused(uow, held, order, answer.detail)
    else:
        outcomes.pending(order, answer)
    return {"state": order.state, "contradicts": order.contradiction is not None}
