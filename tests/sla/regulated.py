"""A complaint that regulators' rules are about, and the words that bring it under one."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import queries, service
from helpdesk.identity.actors import SYSTEM
from helpdesk.sla import regime_acts, regime_notices, regime_queries
from tests.sla.watching import LETTER, Story

DAY: Final = timedelta(days=1)
HOUSING: Final[dict[str, Any]] = {"jurisdiction": "GB", "sector": "social housing"}
FINANCIAL: Final[dict[str, Any]] = {"jurisdiction": "GB", "sector": "financial"}
MORTGAGE: Final[dict[str, Any]] = {"jurisdiction": "US", "sector": "mortgage servicing"}
DECISION: Final[dict[str, Any]] = {
    "outcomes": [{"outcome": "upheld"}],
    "letter": LETTER,
    "remedy": {"none_because": "They wanted none."},
}


class Regulated(Story):
    """A story whose facts, notices and decisions happen when the test says."""

    def fact(self, kind: str, at: datetime, so_at: datetime | None = None) -> UUID:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, self.id)
            _, fact_id = regime_acts.record_fact(uow, SYSTEM, complaint, {"kind": kind, "at": so_at or at})
        return fact_id

    def withdraw(self, fact_id: UUID, at: datetime) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            part = regime_queries.fact_for_update(uow.session, SYSTEM, str(self.id), fact_id)
            regime_acts.withdraw_fact(uow, part, {"reason": "It was another one's."})

    def decide(self, rule_id: str, at: datetime, *, applies: bool) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, self.id)
            given = {"rule_id": rule_id, "applies": applies, "reason": "We looked."}
            regime_acts.decide(uow, SYSTEM, complaint, given)

    def extend(self, kind: str, at: datetime) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            part = regime_queries.clock_for_update(uow.session, SYSTEM, str(self.id), self.clock(kind).id)
            regime_notices.check(uow.session, SYSTEM, part)
            given = {"text": "We need longer.", "reason": "The surveyor.", "send": False}
            regime_notices.extend(uow, SYSTEM, part, given)

    def edit(self, at: datetime, **given: Any) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            service.edit(uow, queries.complaint_by_id_for_update(uow.session, self.id), given)

    def decided(self, at: datetime) -> None:
        finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
        self.act("investigate", at, findings=[finding], root_cause="RC.HAND", fault="firm")
        self.act("resolve", at, **DECISION)
