"""A few agents, a budget and some complaints, so that a first look shows something. Only into an empty system."""

from datetime import date, timedelta
from typing import Any, Final

from helpdesk.complaints import intake
from helpdesk.complaints import list_queries as lists
from helpdesk.complaints.list_queries import Wanted
from helpdesk.identity import queries as people
from helpdesk.identity import service as identity
from helpdesk.identity import team_service
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import budgets, providers
from helpdesk.recovery.budget_models import Budget
from helpdesk.wiring import Program

AGENT: Final = "ana.souza@example.com"
MANAGER: Final = "mei.chen@example.com"

_AGENTS: Final = (
    (AGENT, "Ana Souza", "agent"),
    ("sam.okafor@example.com", "Sam Okafor", "senior"),
    (MANAGER, "Mei Chen", "manager"),
    ("dora.lind@example.com", "Dora Lind", "director"),
    ("ada.admin@example.com", "Ada Admin", "admin"),
    ("otto.weiss@example.com", "Otto Weiss", "auditor"),
)

_PROVIDER: Final[dict[str, Any]] = {
    "name": "Demo payments",
    "mode": "recording",
    "kinds": ["refund", "partial_refund", "service_credit", "goodwill_payment"],
    "timeout_seconds": 10,
    "enabled": True,
}
"""Moves nothing: a refund of the demo goes through, and is kept in a table."""

_COMPLAINTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "channel": "EMAIL",
        "subject": "Parcel a week late",
        "description": "My parcel was promised for Monday and came on Friday. I had taken the day off for it.",
        "complainant": {"name": "Jo Meyer", "email": "jo.meyer@example.com", "language": "en"},
        "issues": [{"category": "DEL", "issue": "DEL.LATE"}],
        "price": Money(20_000, "EUR"),
        "impact": 3,
        "urgency": 2,
    },
    {
        "channel": "PHONE",
        "subject": "Charged twice",
        "description": "The March invoice was taken from my account twice, and the second amount is still missing.",
        "complainant": {"name": "Priya Nair", "email": "priya.nair@example.com", "language": "en"},
        "issues": [{"category": "BIL", "issue": "BIL.OVER"}],
        "price": Money(8_900, "EUR"),
        "loss": Money(8_900, "EUR"),
    },
    {
        "channel": "WEB",
        "subject": "热水器漏水",
        "description": "新装的热水器第二天就开始漏水，客服电话一直打不通。家里有老人，请尽快处理。",  # noqa: RUF001  # Chinese punctuation
        "complainant": {"name": "王芳", "email": "wang.fang@example.com", "language": "zh-CN"},
        "issues": [{"category": "PRD", "issue": "PRD.DEFECT"}, {"category": "COM", "issue": "COM.REACH"}],
        "needs": [{"flag": "older", "adjustment": "Call her daughter first.", "consent": True}],
        "price": Money(31_900, "EUR"),
        "impact": 4,
        "urgency": 3,
    },
)


def install(program: Program) -> bool:
    """Whether it was installed: not where there are complaints or teams already."""
    with program.database.unit_of_work(SYSTEM) as uow:
        people.lock_membership(uow.session)  # the second of two at once finds the first one's team
        if people.any_team(uow.session) or _has_complaints(uow):
            return False
        _install(uow)
        providers.create(uow, program.tools.signing_key, _PROVIDER, private=False)
    return True


def _has_complaints(uow: UnitOfWork) -> bool:
    return bool(lists.found(uow.session, SYSTEM, Wanted(), 1))


def _install(uow: UnitOfWork) -> None:
    team_id = team_service.create_team(uow, "Complaints")
    uow.session.flush()  # agents join it
    for email, name, role in _AGENTS:
        identity.create_agent(uow, SYSTEM, {"email": email, "name": name, "role": role, "team_ids": [team_id]})
    intake.receive_many(
        uow,
        [
            {**given, "team_id": team_id, "received_at": uow.now - timedelta(hours=age)}
            for age, given in zip((30, 3, 1), _COMPLAINTS, strict=True)
        ],
    )
    _open_budget(uow)


def _open_budget(uow: UnitOfWork) -> None:
    year = uow.now.year
    budget_id = budgets.open_budget(
        uow,
        {"name": "Goodwill", "currency": "EUR", "starts_on": date(year, 1, 1), "ends_on": date(year + 1, 12, 31)},
    )
    uow.session.flush()  # it is read back to be locked
    budget = uow.session.get_one(Budget, budget_id, with_for_update=True)
    budgets.allocate(uow, SYSTEM, budget, Money(500_000, "EUR"), "Demo data")
