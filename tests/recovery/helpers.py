"""Steps that the tests of this domain share: a budget with money in it, an offer at a given place of its life."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import budget_verification, queries, verification
from helpdesk.recovery.issuers import ISSUERS
from helpdesk.recovery.kinds import ISSUING_TOPICS
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body

EUR = "EUR"


def new(caller: Caller, team: UUID | None, **more: Any) -> dict[str, Any]:
    """A complaint, of this team or of none."""
    place = {} if team is None else {"team_id": str(team)}
    answer = caller.post("/complaints", complaint_body(**place, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def eur(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": EUR}


def voucher(amount: str = "30.00", **more: Any) -> dict[str, Any]:
    body = {"kind": "voucher", "amount": eur(amount), "reason": "Your order came four days late."}
    return body | {"override_reason": "Agreed with the team."} | more


def open_budget(manager: Caller, amount: str = "1000.00", **more: Any) -> str:
    """A budget for the firm, for as long as these tests will run; its id."""
    body = {"name": "Goodwill", "currency": EUR, "starts_on": "2000-01-01", "ends_on": "2999-12-31"} | more
    answer = manager.post("/budgets", body)
    assert answer.status_code == 201, answer.text
    budget_id = str(answer.json["id"])
    money = {"amount": {"amount": amount, "currency": body["currency"]}}
    assert manager.pay(f"/budgets/{budget_id}/allocations", money).status_code == 201
    return budget_id


def draft(caller: Caller, complaint: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Whatever was given before: each may be another parcel's."""
    why = {"allow_duplicate": True, "duplicate_reason": "Another parcel.", "override_reason": "Another parcel."}
    body = why | (body or voucher())
    answer = caller.post(f"/complaints/{complaint['reference']}/offers", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


WHY: Final = {"reason": "It was four days late."}


def act(caller: Caller, offer: dict[str, Any], action: str, **given: Any) -> dict[str, Any]:
    if action == "approve":
        given = WHY | given
    answer = caller.pay(f"/offers/{offer['id']}/actions/{action}", given)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def left_behind(program: Program, offer: dict[str, Any]) -> str:
    """What is made of an offer, without its issuance being recorded, as a release that made it beforehand left it behind when
    its worker died; its reference.
    """
    with program.database.unit_of_work(SYSTEM) as uow:
        held = queries.hold_any(uow.session, UUID(offer["id"]))
        return ISSUERS[held.offer.kind].issue(uow, [held])[0].reference


def offered(caller: Caller, complaint: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    """An offer within the caller's own authority, put before the customer."""
    offer = draft(caller, complaint, body)
    act(caller, offer, "submit")
    return act(caller, offer, "offer")


def accepted(caller: Caller, complaint: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    return act(caller, offered(caller, complaint, body), "accept", said_by="phone")


def token(offer: dict[str, Any]) -> str:
    return str(offer["link"]).rsplit("/", 1)[1]


def duties(database: Database, *topics: str) -> list[UUID]:
    """Those still owed, oldest first; without any topic those to issue, by us or by a provider."""
    with database.reader() as session:
        rows = session.execute(
            text(
                "SELECT id FROM duty WHERE topic = ANY(:topics) AND done_at IS NULL AND dead_at IS NULL ORDER BY number"
            ),
            {"topics": [*(topics or ISSUING_TOPICS)]},
        )
        return list(rows.scalars())


def perform(program: Program, *topics: str) -> dict[str, int]:
    return program.performer.perform(duties(program.database, *topics))


def issued(program: Program, caller: Caller, complaint: dict[str, Any], body: dict[str, Any] | None = None) -> Any:
    """An issued offer, as the caller sees it."""
    offer = accepted(caller, complaint, body)
    assert perform(program)["done"] == 1
    return caller.get(f"/offers/{offer['id']}").json


def delivered(program: Program, caller: Caller, complaint: dict[str, Any], body: dict[str, Any] | None = None) -> Any:
    """An issued voucher or letter that the customer has."""
    return act(caller, issued(program, caller, complaint, body), "post_letter")


def scalar(database: Database, statement: str, **values: Any) -> Any:
    with database.reader() as session:
        return session.execute(text(statement), values).scalar()


def execute(database: Database, statement: str, **values: Any) -> None:
    """A hand on the console: past every door, and with our triggers asleep."""
    guarded = (
        "budget_entry",
        "duplicate_override",
        "guard_rules",
        "offer_decision",
        "offer_flag",
        "offer_option",
        "offer_transition",
        "playbook_version",
        "points_entry",
        "points_part",
        "remedy_callback",
        "tariff_version",
        "voucher_entry",
    )
    with database.unit_of_work(SYSTEM) as uow:
        for table in guarded:
            uow.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        uow.session.execute(text(statement), values)
        for table in guarded:
            uow.session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def ledger(database: Database) -> list[str]:
    """What was done to budgets for offers, in its order."""
    with database.reader() as session:
        return list(session.scalars(text("SELECT kind FROM budget_entry WHERE offer_id IS NOT NULL ORDER BY id")))


def money(database: Database) -> tuple[int, int]:
    """Reserved and committed, in minor units."""
    with database.reader() as session:
        row = session.execute(text("SELECT reserved_minor, committed_minor FROM budget")).one()
    return row[0], row[1]


def told(database: Database, word: str) -> int:
    """How many events of this type there are."""
    return int(scalar(database, "SELECT count(*) FROM event WHERE type = :word", word=word))


_CHECKS = (*budget_verification.CHECKS, *verification.CHECKS)


def found_by(session: Session) -> list[str]:
    """`check: subject: detail` of everything that the domain's audit finds."""
    return [f"{item.check}: {item.subject}: {item.detail}" for check in _CHECKS for item in check(session)]


def violations(database: Database) -> list[str]:
    with database.reader() as session:
        return found_by(session)


def another(caller: Caller) -> Caller:
    """The same agent at a second window: a client of its own, for another thread."""
    return Caller(caller.client.application.test_client(), caller.actor, caller.token)
