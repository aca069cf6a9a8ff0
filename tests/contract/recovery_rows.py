"""Rows of service recovery: offers in every state, who may approve them, what pays for them and who issues them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.duties import GiveUp, Outside, Performer
from helpdesk.recovery import issuance
from helpdesk.recovery.lifecycle import LIFECYCLE as OFFER_LIFE
from helpdesk.recovery.playbook_spec import shipped_spec
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body, make_agent
from tests.contract.rows import Rows
from tests.recovery import helpers

_SAID = """'[{"says": "It was issued as re_1.", "word": "issued", "reference": "re_1", "at": "2026-03-01T09:30:00Z", "settled": false}]'"""
_A_DAY = {"starts_on": "2001-01-01", "ends_on": "2001-01-01"}


class RecoveryRows:
    def __init__(self, app: Flask, program: Program, rows: Rows) -> None:
        self._app = app
        self._program = program
        self._rows = rows
        self.caller = rows.caller
        self._budgets: list[str] = []
        self.secrets: dict[str, str] = {}
        """Of the providers, by their ids."""
        self.order_key = ""
        """Of the newest order."""

    def delegation(self) -> str:
        given = {"delegate_id": self.senior(), "ends_at": in_days(3), "reason": "On leave."}
        return str(self._rows.created("/authority-delegations", given))

    def senior(self) -> str:
        return str(make_agent(self._app, self._program.database, "senior", []).id)

    def interest_conflict(self) -> str:
        given = {"agent_id": self._rows.agent(), "kind": "family", "customer_id": self._rows.customer()}
        return str(self._rows.created("/interest-conflicts", given))

    def budget(self) -> str:
        period = {"starts_on": "2000-01-01", "ends_on": "2999-12-31"} if not self._budgets else _A_DAY
        body = {"name": "Goodwill", "currency": "EUR", **period, "team_id": self._rows.team()}
        if not self._budgets:
            del body["team_id"]  # the firm's, which pays for everything here
        budget_id = str(self._rows.created("/budgets", body))
        money = {"amount": helpers.eur("1000000.00")}
        answer = self.caller.pay(f"/budgets/{budget_id}/allocations", money, if_match="*")
        assert answer.status_code == 201, answer.text
        self._budgets.append(budget_id)
        return budget_id

    def another_budget(self) -> str:
        """Not the one that pays: it may be closed."""
        if not self._budgets:
            self.budget()
        return self.budget()

    def playbook(self, action: str = "") -> str:
        """For nothing that comes in here, with a draft; one to retire is published."""
        condition = {"field": "jurisdiction", "operator": "is", "value": "AQ"}
        made = self._rows.created(
            "/playbooks", {"name": f"Playbook {next(self._rows.numbers)}", "condition": condition}
        )
        path = f"/playbooks/{made}/versions"
        assert self.caller.post(path, {"spec": shipped_spec()}).status_code == 201
        if action == "retire":
            assert self.caller.post(f"{path}/1/actions/publish", {}, if_match="*").status_code == 200
        return made

    def _draft(self, caller: Caller, amount: str, **more: Any) -> dict[str, Any]:
        if not self._budgets:
            self.budget()
        complaint = {"reference": self._rows.complaint()}
        return helpers.draft(caller, complaint, helpers.voucher(amount, **more))

    def offered(self) -> dict[str, Any]:
        offer = self._draft(self.caller, "1.00")
        helpers.act(self.caller, offer, "submit")
        return helpers.act(self.caller, offer, "offer")

    def declined(self) -> dict[str, Any]:
        return helpers.act(self.caller, self.offered(), "decline", said_by="phone")

    def issued(self) -> dict[str, Any]:
        offer = helpers.act(self.caller, self.offered(), "accept", said_by="phone")
        helpers.perform(self._program)
        return dict(self.caller.get(f"/offers/{offer['id']}").json)

    def with_voucher_used(self) -> str:
        """An offer whose voucher has an entry."""
        offer = self.issued()
        self.redemption(str(offer["issued_reference"]))
        return str(offer["id"])

    def redemption(self, code: str) -> str:
        answer = self.caller.pay(f"/vouchers/{code}/redeem", {})
        assert answer.status_code == 200, answer.text
        return str(answer.json["redemption"]["id"])

    def burn(self, customer_id: str) -> str:
        """Of points that an offer has given the customer."""
        self._give_points(customer_id, "1.00")
        taken = {"amount": helpers.eur("1.00"), "external_id": "receipt 1"}
        answer = self.caller.pay(f"/customers/{customer_id}/points/burns", taken)
        assert answer.status_code == 200, answer.text
        return str(answer.json["id"])

    def with_points(self) -> str:
        customer_id = self._rows.customer()
        self._give_points(customer_id, "40.00")
        return customer_id

    def _give_points(self, customer_id: str, amount: str) -> None:
        if not self._budgets:
            self.budget()
        # Of somebody else each time: what many claims of one person look like is for a reviewer.
        person = {"name": "Li Wei", "email": f"li.{next(self._rows.numbers)}@example.com"}
        made = self._rows.created("/complaints", complaint_body(customer_id=customer_id, complainant=person))
        terms = {
            "kind": "points",
            "amount": helpers.eur(amount),
            "reason": "It came late.",
            "override_reason": "Agreed.",
        }
        helpers.issued(self._program, self.caller, {"reference": str(made)}, terms)

    def _failed(self) -> dict[str, Any]:
        offer = helpers.act(self.caller, self.offered(), "accept", said_by="phone")
        handlers = {issuance.TOPIC: Outside(_refuse, issuance.give_up)}
        performer = Performer(self._program.database, handlers, SYSTEM, self._program.tools)
        performer.perform(helpers.duties(self._program.database))
        return offer

    def _waiting(self, kind: str = "refund") -> dict[str, Any]:
        """To be issued by hand."""
        offer = self._draft(self.caller, "1.00", kind=kind)
        helpers.act(self.caller, offer, "submit")
        helpers.act(self.caller, offer, "offer")
        return helpers.act(self.caller, offer, "accept", said_by="phone")

    def letter(self) -> dict[str, Any]:
        """Issued, and nobody has an address to send it to."""
        ref = self._rows.complaint()
        helpers.execute(
            self._program.database, "UPDATE complaint_person SET email = NULL WHERE complaint_id = :id", id=ref
        )
        offer = helpers.draft(self.caller, {"reference": ref}, {"kind": "apology_letter"})
        for action in ("submit", "offer"):
            helpers.act(self.caller, offer, action)
        helpers.act(self.caller, offer, "accept", said_by="phone")
        helpers.perform(self._program)
        return offer

    def countered(self) -> dict[str, Any]:
        return helpers.act(self.caller, self.offered(), "counter", said_by="phone", words="Money, please.")

    def sent_link(self) -> str:
        offer = self._draft(self.caller, "1.00", kind="replacement")
        helpers.act(self.caller, offer, "submit")
        link = helpers.token(helpers.act(self.caller, offer, "offer"))
        helpers.act(self.caller, offer, "accept", said_by="phone")
        helpers.act(self.caller, offer, "record_issued", reference="parcel 1")
        return link

    def _sent(self) -> dict[str, Any]:
        """Issued, and not arrived yet."""
        return helpers.act(self.caller, self._waiting("replacement"), "record_issued", reference="parcel 1")

    def remedy_provider(self) -> str:
        body = {"name": f"Payments {next(self._rows.numbers)}", "mode": "recording", "kinds": ["service_credit"]}
        answer = self.caller.post("/recovery/providers", body)
        assert answer.status_code == 201, answer.text
        self.secrets[answer.json["id"]] = answer.json["secret"]
        return str(answer.json["id"])

    def asked_provider(self) -> str:
        """Of which it is not known what became of `order_key`."""
        self._ordered("open")
        return list(self.secrets)[-1]

    def _ordered(self, state: str, **columns: str) -> dict[str, Any]:
        """To be issued by hand, as if a provider had been asked for it."""
        offer = self._waiting()
        closed = "now()" if state == "settled" else "NULL"
        more = "".join(f", {name}" for name in columns), "".join(f", {value}" for value in columns.values())
        self.order_key = f"{offer['id']}-1"
        helpers.execute(
            self._program.database,
            f"INSERT INTO remedy_order (id, offer_id, round, provider_id, key, body, state, closed_at{more[0]}) "
            f"VALUES (gen_random_uuid(), :id, 1, :provider, :key, '{{}}', '{state}', {closed}{more[1]})",
            id=offer["id"],
            key=self.order_key,
            provider=self.remedy_provider(),
        )
        return offer

    def _unknown(self) -> dict[str, Any]:
        offer = self._ordered("unknown", in_doubt="1")
        helpers.execute(self._program.database, "UPDATE offer SET issuance = 'unknown' WHERE id = :id", id=offer["id"])
        return offer

    def contradicted(self) -> dict[str, Any]:
        return self._ordered(
            "settled", contradiction="'It was issued as re_1.'", contradictions=_SAID, contradicted_at="now()"
        )

    def _pending(self) -> dict[str, Any]:
        """Drafted by somebody else, beyond their authority."""
        drafter = make_agent(self._app, self._program.database, "agent", [])
        offer = self._draft(drafter, "60.00")
        return helpers.act(drafter, offer, "submit")

    def review(self) -> str:
        """An open one, of somebody else's offer: the numbers are such that nearly every claim is looked at."""
        rules = self.caller.get("/recovery-guards").json
        names = ("lines", "threshold", "window_days", "duplicate_days", "reference_fields", "purchase_date_field")
        usual = {name: rules[name] for name in names} | {"reason": "As usual."}
        self._rows.created("/complaints", complaint_body())
        self._set_guards({**usual, "threshold": 1})
        drafter = make_agent(self._app, self._program.database, "agent", [])
        helpers.act(drafter, self._draft(drafter, "60.00"), "submit")
        self._set_guards(usual)
        return str(self.caller.get("/claim-reviews?state=open&limit=200").json["items"][-1]["id"])

    def _set_guards(self, rules: dict[str, Any]) -> None:
        answer = self.caller.put("/recovery-guards", rules, if_match="*")
        assert answer.status_code == 200, answer.text

    def _approved(self) -> dict[str, Any]:
        return helpers.act(self.caller, self._draft(self.caller, "1.00"), "submit")

    def _mailed(self, offer: dict[str, Any]) -> dict[str, Any]:
        """No letter of it waits to go out any more."""
        helpers.execute(
            self._program.database, "UPDATE outbound_mail SET sent_at = now() WHERE subject_id = :id", id=offer["id"]
        )
        return offer

    def offer(self, action: str) -> str:
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "drafted": lambda: self._draft(self.caller, "1.00"),
            "pending_approval": self._pending,
            "approved": self._approved,
            "offered": self.offered,
            "countered": self.countered,
            "issuing": self._waiting,
            "issued": self.issued,
            "failed": self._failed,
        }
        apart: dict[str, Callable[[], dict[str, Any]]] = {
            "confirm_delivery": self._sent,
            "report_undelivered": self._sent,
            "ask_again": self._unknown,
            "post_letter": self.letter,
            "send_again": lambda: self._mailed(self.offered()),
            "send_letter_again": lambda: self._mailed(self.issued()),
        }
        if action in apart:
            return str(apart[action]()["id"])
        sources = OFFER_LIFE.by_action(action).sources if action else {"offered"}
        return str(next(make for state, make in made.items() if state in sources)()["id"])


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def _refuse(_tools: Any, _duty_id: UUID, _offer_id: UUID) -> None:
    raise GiveUp("no such account")
