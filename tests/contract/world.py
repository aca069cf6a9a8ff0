"""Real rows to stand behind a path's parameters, so that bad input gets past "there is no such thing"."""

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from helpdesk.complaints import tracking_session
from helpdesk.complaints.lifecycle import LIFECYCLE, RECORD_TYPES
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import jobs
from helpdesk.kernel.duties import GiveUp, Outside, Performer
from helpdesk.recovery import issuance
from helpdesk.recovery.lifecycle import LIFECYCLE as OFFER_LIFE
from helpdesk.recovery.playbook_spec import shipped_spec
from helpdesk.wiring import Program
from tests.complaints import steps
from tests.complaints.submitting import SUBMITTED, solved
from tests.conftest import Caller, complaint_body, make_agent, make_team
from tests.contract.document import Operation
from tests.contract.visitors import Visitors
from tests.recovery import helpers


class World:
    """`real(operation)`: values for the path's parameters. With `fresh` a row of its own, in a state that the operation
    can be done from; otherwise the one given before.
    """

    def __init__(self, app: Flask, program: Program, caller: Caller) -> None:
        self._app = app
        self._program = program
        self.caller = caller
        self.visitors = Visitors(app, program, caller)
        self._numbers = itertools.count(1)
        self._known: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] | None = None
        self._tracked: tuple[str, str] | None = None
        self._sessions: dict[str, str] = {}
        """Of complainants, by operation."""
        self._budgets: list[str] = []
        self._makers: dict[str, Callable[[str], str]] = {
            "ref": self._complaint,
            "offer_id": self._offer,
            "token": lambda action: helpers.token(self._offered()),
            "/api/v1/public/offers/{token}/counter/withdraw": lambda _: helpers.token(self._countered()),
            "/api/v1/public/offers/{token}/arrived": lambda _: self._sent_link(),
            "/api/v1/public/offers/{token}/not-arrived": lambda _: self._sent_link(),
            "link": lambda _: self._file(),
            "/api/v1/public/tracking/attachments/{attachment_id}/link": lambda _: self._tracked_attachment(),
            "code": lambda _: str(self._issued()["issued_reference"]),
            "budget_id": lambda _: self._another_budget(),
            "delegation_id": lambda _: self.delegation(),
            "conflict_id": lambda _: self.interest_conflict(),
            "customer_id": lambda _: self.customer(),
            "/api/v1/customers/{customer_id}/points/burns": lambda _: self._with_points(),
            "agent_id": lambda _: self.agent(),
            "team_id": lambda _: self.team(),
            "key_id": lambda _: str(self._created("/api-keys", _KEY)),
            "role_id": lambda _: self.role(),
            "/api/v1/agents/{agent_id}/second-factor/remove": lambda _: self.visitors.protected(),
            "/api/v1/agents/{agent_id}/invitation": lambda _: self.visitors.uninvited(),
            "reset_token": lambda _: self.visitors.reset_token(),
            "session_id": lambda _: self.visitors.session_id(),
            "provider_id": lambda _: self.visitors.provider_id(),
            "remedy_provider_id": lambda _: self._remedy_provider(),
            "/api/v1/offers/{offer_id}/letter": lambda _: str(self._letter()["id"]),
            "/api/v1/offers/{offer_id}/copy": lambda _: str(self._declined()["id"]),
            "/api/v1/offers/{offer_id}/voucher/entries": lambda _: self._used(),
            "/api/v1/recovery/dead-letters/{offer_id}/settle": lambda _: str(self._contradicted()["id"]),
            "identity_id": lambda _: self.visitors.identity_id(),
            "token_id": lambda _: str(self._created("/tokens", {"name": "to be revoked"})),
            "calendar_id": lambda _: self.calendar(),
            "policy_id": lambda _: self.policy(),
            "tariff_code": lambda _: "eu.261",
            "playbook_id": self.playbook,
            "rule_code": lambda _: "uk.fca.ack",
            "/api/v1/complaints/{ref}/regime/decisions": lambda _: self._regulated("GB", "social housing"),
            "/api/v1/sla/regimes/{rule_code}/switch-on": lambda _: "iso.10002.ack",
            "canned_reply_id": lambda _: self.canned_reply(),
            "macro_id": lambda _: self.macro(),
            "notification_id": lambda _: self.notification(),
            "job_id": lambda _: self._import(),
            "form_id": lambda _: self.form()["id"],
            "key": lambda _: self.form()["key"],
            "entry_id": lambda _: self._caught(),
            "/jobs job_id": lambda _: self.job(),
            "tag_id": lambda _: self.tag(),
            "field_id": lambda _: self.custom_field(),
            "view_id": lambda _: self.view(),
            "/api/v1/complaints/{ref}/unmerge": lambda _: self._merged(),
            "/api/v1/complaints/{ref}/split": lambda _: self._of_two_matters(),
            "rule_id": lambda _: self.rule(),
            "review_id": lambda _: self.review(),
            "term_id": lambda _: self.term(),
            "version": lambda _: "1",
            "trigger_id": lambda _: self.trigger(),
            "dry_run_id": lambda _: self._dry_run(),
            "map_id": lambda _: self.code_map(),
        }
        self._parts: dict[str, Callable[[str], str]] = {
            "person_id": self._person,
            "issue_id": self._issue,
            "need_id": self._need,
            "clock_id": self._regulators_clock,
            "fact_id": self._regulatory_fact,
            "message_id": self._message,
            "attachment_id": self.attachment,
            "evidence_id": self._evidence,
            "/complaints agent_id": self._watcher,
            "absence_id": self._absence,
            "draft_id": self._draft_message,
            "link_id": self._link,
            "redemption_id": self._redemption,
            "burn_id": self._burn,
        }
        """Of the complaint, the agent, the customer or the voucher that stands before them in the path."""

    def real(self, operation: Operation, *, fresh: bool = False) -> dict[str, str]:
        if fresh or operation.id not in self._known:
            action = operation.path.rpartition("/actions/")[2] if "/actions/" in operation.path else ""
            names = operation.path_names()
            part_of = {name: made for name in names if (made := self._part_maker(operation.path, name)) is not None}
            whole = {name: self._maker(operation.path, name)(action) for name in names if name not in part_of}
            parts = {name: made(next(iter(whole.values()))) for name, made in part_of.items()}
            self._known[operation.id] = whole | parts
        return self._known[operation.id]

    def _maker(self, path: str, name: str) -> Callable[[str], str]:
        """By the path, by the name alone, or by the collection and the name where two collections call theirs alike."""
        return self._makers.get(path) or self._makers.get(_in_collection(path, name)) or self._makers[name]

    def _part_maker(self, path: str, name: str) -> Callable[[str], str] | None:
        if path in self._makers:
            return None
        return self._parts.get(_in_collection(path, name)) or self._parts.get(name)

    def forget(self, operation: Operation) -> None:
        """What was given for it has moved on, or is gone: the next gets anew."""
        if "form_id" in self._known.pop(operation.id, {}):
            self._form = None  # its key may be another by now
        self.visitors.forget(operation.id)
        self._sessions.pop(operation.id, None)

    def authorization(self, operation: Operation) -> str:
        """Of the caller, or, where the operation asks for one, of a complainant whose complaint it can be done with."""
        if operation.definition.get("security") != [{"tracking": []}]:
            return f"Bearer {self.token(operation)}"
        if operation.path in self._makers:
            self.real(operation)  # which opens the session that fits it
        if operation.id not in self._sessions:
            last = operation.path.rpartition("/")[2]
            action = "reopen" if last == "complaints" else last  # which is for those that are closed too
            complaint_id = UUID(self._complaint(action if action in LIFECYCLE.actions else ""))
            self._sessions[operation.id] = self._session_of(complaint_id)
        return f"Tracking {self._sessions[operation.id]}"

    def _session_of(self, complaint_id: UUID) -> str:
        with self._program.database.unit_of_work(SYSTEM) as uow:
            token, _ = tracking_session.sign(self._program.tools.signing_key, complaint_id, 0, uow.now)
        return token

    def key(self) -> str:
        """A fresh Idempotency-Key."""
        return f"world-{next(self._numbers)}"

    def open(
        self,
        operation: Operation,
        *,
        fresh: bool = False,
        path: str | None = None,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Any:
        """The answer to a request with all that the document requires, but for what is given. `path`: instead of the
        last parameter there.
        """
        values = self.real(operation, fresh=fresh)
        if path is not None:
            values = values | {operation.path_names()[-1]: path}
        address = operation.path
        for name, value in values.items():
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        kind = {"Content-Type": next(iter(operation.body))} if operation.body else {}
        if kind.get("Content-Type") == FORM and body is not None:
            body, kind["Content-Type"] = form(body)
        return self.caller.client.open(
            address,
            method=operation.method.upper(),
            query_string=query,
            data=body,
            headers=self.headers(operation) | kind,
        )

    def token(self, operation: Operation) -> str:
        """What the caller shows: a token, or, for what is about one's own session, that of one who is as far as that."""
        return self.visitors.token(operation.id) or str(self.caller.token)

    def headers(self, operation: Operation) -> dict[str, str]:
        """The caller's token, and what guards a change: a fresh key, whatever version."""
        found = {"Authorization": self.authorization(operation)}
        if operation.parameter("header", "Idempotency-Key"):
            found["Idempotency-Key"] = self.key()
        if operation.parameter("header", "If-Match"):
            found["If-Match"] = "*"
        return found

    def customer(self) -> str:
        return str(self._created("/customers", {"name": "Li Wei"}))

    def agent(self) -> str:
        return str(make_agent(self._app, self._program.database, "agent", []).id)

    def view(self) -> str:
        """In the place of the oldest, where there are as many as one may have."""
        views = self.caller.get("/views?limit=200").json["items"]
        if len(views) >= 100:
            self.caller.delete(f"/views/{views[0]['id']}", if_match="*")
        return str(self._created("/views", {"name": "Open ones", "filters": {"open": True}}))

    def role(self) -> str:
        body = {"name": f"Role {next(self._numbers)}", "permissions": ["agent:read"], "scope": "teams"}
        return str(self._created("/roles", body))

    def team(self) -> str:
        return str(make_team(self._program.database, f"Team {next(self._numbers)}"))

    def delegation(self) -> str:
        given = {"delegate_id": self.senior(), "ends_at": _in_days(3), "reason": "On leave."}
        return str(self._created("/authority-delegations", given))

    def senior(self) -> str:
        return str(make_agent(self._app, self._program.database, "senior", []).id)

    def interest_conflict(self) -> str:
        given = {"agent_id": self.agent(), "kind": "family", "customer_id": self.customer()}
        return str(self._created("/interest-conflicts", given))

    def budget(self) -> str:
        period = {"starts_on": "2000-01-01", "ends_on": "2999-12-31"} if not self._budgets else _A_DAY
        body = {"name": "Goodwill", "currency": "EUR", **period, "team_id": self.team()}
        if not self._budgets:
            del body["team_id"]  # the firm's, which pays for everything here
        budget_id = str(self._created("/budgets", body))
        money = {"amount": helpers.eur("1000000.00")}
        answer = self.caller.pay(f"/budgets/{budget_id}/allocations", money, if_match="*")
        assert answer.status_code == 201, answer.text
        self._budgets.append(budget_id)
        return budget_id

    def _another_budget(self) -> str:
        """Not the one that pays: it may be closed."""
        if not self._budgets:
            self.budget()
        return self.budget()

    def job(self) -> str:
        with self._program.database.unit_of_work(self.caller.actor) as uow:
            job_id = jobs.begin(uow, self.caller.actor, kind="test", topic="test", given={}, total=2)
            uow.session.flush()
        return str(job_id)

    def custom_field(self) -> str:
        body = {"key": f"field_{next(self._numbers)}", "label": "A field", "type": "text"}
        return str(self._created("/custom-fields", body))

    def tag(self) -> str:
        return str(self._created("/tags", {"name": f"tag {next(self._numbers)}"}))

    def calendar(self) -> str:
        hours = {"mon": [["09:00", "17:00"]]}
        name = f"Office {next(self._numbers)}"
        return str(self._created("/sla/calendars", {"name": name, "timezone": "UTC", "weekly_hours": hours}))

    def policy(self) -> str:
        """For nothing that comes in here."""
        body = {"name": f"Policy {next(self._numbers)}", "calendar_id": self.calendar(), "targets": {}}
        condition = {"field": "jurisdiction", "operator": "is", "value": "AQ"}
        return str(self._created("/sla/policies", body | {"condition": condition}))

    def playbook(self, action: str = "") -> str:
        """For nothing that comes in here, with a draft; one to retire is published."""
        condition = {"field": "jurisdiction", "operator": "is", "value": "AQ"}
        made = self._created("/playbooks", {"name": f"Playbook {next(self._numbers)}", "condition": condition})
        path = f"/playbooks/{made}/versions"
        assert self.caller.post(path, {"spec": shipped_spec()}).status_code == 201
        if action == "retire":
            assert self.caller.post(f"{path}/1/actions/publish", {}, if_match="*").status_code == 200
        return made

    def _created(self, path: str, body: dict[str, Any]) -> str:
        answer = self.caller.post(path, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def _complaint(self, action: str) -> str:
        """In the first state, in the order of its life, from which the action is possible."""
        sources = LIFECYCLE.by_action(action).sources if action else {LIFECYCLE.initial}
        state = next(name for name in LIFECYCLE.states if name in sources)
        found = str(steps.brought_to(self._program.database, state, action or None))
        if action.startswith("resolve"):  # a decision needs a remedy that is approved, or a reason why there is none
            offer = helpers.draft(self.caller, {"reference": found}, {"kind": "apology_letter"})
            helpers.act(self.caller, offer, "submit")  # within the caller's own authority: that approves it
        return found

    def complaint(self) -> str:
        return self._complaint("")

    def _merged(self) -> str:
        source, survivor = self._complaint(""), self._complaint("")
        body = {"into": survivor, "reason": "Written twice.", "other_complainant": True}
        answer = self.caller.post(f"/complaints/{source}/merge", body)
        assert answer.status_code == 201, answer.text
        return source

    def _of_two_matters(self) -> str:
        return str(steps.receive(self._program.database, issues=[{"category": "DEL"}, {"category": "COM"}]))

    def _link(self, ref: str) -> str:
        return str(self._created(f"/complaints/{ref}/links", {"kind": "related", "to": self._complaint("")}))

    def _person(self, ref: str) -> str:
        path = f"/complaints/{ref}"
        self._created(f"{path}/representatives", {"name": "Li Na", "authority": "Letter on file."})
        people = self.caller.get(path).json["people"]
        return str(next(person["id"] for person in people if person["role"] == "representative"))

    def _issue(self, ref: str) -> str:
        """Not the only one."""
        answer = self.caller.post(f"/complaints/{ref}/issues", {"category": "DEL"})
        assert answer.status_code == 201, answer.text
        return str(answer.json["issues"][-1]["id"])

    def _need(self, ref: str) -> str:
        path = f"/complaints/{ref}"
        self._created(f"{path}/needs", {"flag": "hearing", "consent": True})
        return str(self.caller.get(path).json["needs"][0]["id"])

    def _regulators_clock(self, ref: str) -> str:
        """That a notice can move."""
        self._regulated("US", "mortgage servicing", ref)
        clocks = self.caller.get(f"/complaints/{ref}/clocks").json["items"]
        return str(next(clock["id"] for clock in clocks if clock["kind"] == "us.respa.respond"))

    def _regulated(self, jurisdiction: str, sector: str, ref: str | None = None) -> str:
        ref = ref or self._complaint("")
        answer = self.caller.patch(f"/complaints/{ref}", {"jurisdiction": jurisdiction, "sector": sector}, if_match="*")
        assert answer.status_code == 200, answer.text
        return ref

    def _regulatory_fact(self, ref: str) -> str:
        return str(self._created(f"/complaints/{ref}/regulatory-facts", {"kind": "statement_sent"}))

    def _message(self, ref: str) -> str:
        return str(self._created(f"/complaints/{ref}/messages", {"kind": "public_reply", "body": "We have it."}))

    def _watcher(self, ref: str) -> str:
        agent_id = self.agent()
        answer = self.caller.put(f"/complaints/{ref}/watchers/{agent_id}", None)
        assert answer.status_code == 200, answer.text
        return agent_id

    def _draft_message(self, ref: str) -> str:
        return str(self._created(f"/complaints/{ref}/drafts", {"kind": "internal_note", "body": "As far as it goes."}))

    def canned_reply(self) -> str:
        variants = [{"language": "en", "body": "We look into {{complaint.reference}}."}]
        return str(self._created("/canned-replies", {"title": "We look into it", "variants": variants}))

    def macro(self) -> str:
        steps = [{"step": "write_message", "given": {"kind": "internal_note", "body": "Seen."}}, {"step": "claim"}]
        return str(self._created("/macros", {"name": "Take it", "steps": steps}))

    def notification(self) -> str:
        """Of the caller, whom a colleague mentions."""
        colleague = make_agent(self._app, self._program.database, "agent", [])
        body = {"kind": "internal_note", "body": "Please look.", "mentions": [str(self.caller.id)]}
        answer = colleague.post(f"/complaints/{self._complaint('')}/messages", body)
        assert answer.status_code == 201, answer.text
        return str(self.caller.get("/notifications?limit=1").json["items"][0]["id"])

    def rule(self) -> str:
        result = {"team_id": self.team(), "strategy": "queue_only"}
        condition = {"field": "sector", "operator": "is", "value": "nobody's"}  # it takes nothing from the other rows
        return str(self._created("/routing/rules", {"name": "A rule", "condition": condition, "result": result}))

    def term(self) -> str:
        body = {"kind": "issue", "code": f"DEL.OWN{next(self._numbers)}", "labels": {"en": "Something of our own"}}
        return str(self._created("/taxonomy/terms", body))

    def trigger(self) -> str:
        condition = {"field": "sector", "operator": "is", "value": "nobody's"}  # it does nothing to the other rows
        actions = [{"step": "add_tags", "given": {"tags": ["seen"]}}]
        body = {
            "name": "A trigger",
            "on": {"events": ["complaint.received"]},
            "condition": condition,
            "actions": actions,
        }
        return str(self._created("/triggers", body))

    def _dry_run(self) -> str:
        """That has ended."""
        body = {"trigger_id": self.trigger(), "since": "2026-01-01T00:00:00Z"}
        answer = self.caller.post("/triggers/dry-runs", body)
        assert answer.status_code == 202, answer.text
        helpers.perform(self._program, "automation.dry_run")
        return str(answer.json["id"])

    def code_map(self) -> str:
        codes = [{"kind": "issue", "external": "It came late", "code": "DEL.LATE"}]
        body = {"system": f"system-{next(self._numbers)}", "title": "Another system", "codes": codes}
        return str(self._created("/code-maps", body))

    def _absence(self, agent_id: str) -> str:
        time = {"starts_at": "2999-01-01T00:00:00Z", "ends_at": "2999-01-31T00:00:00Z"}
        return self._created(f"/agents/{agent_id}/absences", time)

    def attachment(self, ref: str) -> str:
        body, kind = form(b'{"file": "What the depot wrote."}')
        headers = {"Authorization": f"Bearer {self.caller.token}"}
        answer = self.caller.client.post(
            f"/api/v1/complaints/{ref}/attachments", data=body, content_type=kind, headers=headers
        )
        assert answer.status_code == 201, answer.text
        assert answer.json is not None
        return str(answer.json["id"])

    def _evidence(self, ref: str) -> str:
        """Ready to be had."""
        answer = self.caller.post(f"/complaints/{ref}/evidence", {"reason": "Asked for by the ombudsman."})
        assert answer.status_code == 202, answer.text
        helpers.perform(self._program, "complaints.evidence")
        return str(self.caller.get(f"/jobs/{answer.json['id']}").json["result"]["evidence_id"])

    def _tracked_attachment(self) -> str:
        """On the complaint of the session that the operation is called with."""
        ref = self._complaint("")
        found = self.attachment(ref)
        helpers.execute(
            self._program.database, f"UPDATE complaint_attachment SET internal = false WHERE id = '{found}'"
        )
        self._sessions["link_tracked_attachment"] = self._session_of(UUID(ref))
        return found

    def _file(self) -> str:
        ref = self._complaint("")
        link = self.caller.post(f"/complaints/{ref}/attachments/{self.attachment(ref)}/link", {})
        return str(link.json["url"]).rpartition("/")[2]

    def _import(self) -> str:
        return str(self._created("/imports", {"mapping": "cfpb", "file_name": "complaints.csv"}))

    def _draft(self, caller: Caller, amount: str, **more: Any) -> dict[str, Any]:
        if not self._budgets:
            self.budget()
        complaint = {"reference": self._complaint("")}
        return helpers.draft(caller, complaint, helpers.voucher(amount, **more))

    def _offered(self) -> dict[str, Any]:
        offer = self._draft(self.caller, "1.00")
        helpers.act(self.caller, offer, "submit")
        return helpers.act(self.caller, offer, "offer")

    def _declined(self) -> dict[str, Any]:
        return helpers.act(self.caller, self._offered(), "decline", said_by="phone")

    def _issued(self) -> dict[str, Any]:
        offer = helpers.act(self.caller, self._offered(), "accept", said_by="phone")
        helpers.perform(self._program)
        return dict(self.caller.get(f"/offers/{offer['id']}").json)

    def _used(self) -> str:
        """An offer whose voucher has an entry."""
        offer = self._issued()
        self._redemption(str(offer["issued_reference"]))
        return str(offer["id"])

    def _redemption(self, code: str) -> str:
        answer = self.caller.pay(f"/vouchers/{code}/redeem", {})
        assert answer.status_code == 200, answer.text
        return str(answer.json["redemption"]["id"])

    def _burn(self, customer_id: str) -> str:
        """Of points that an offer has given the customer."""
        self._give_points(customer_id, "1.00")
        taken = {"amount": helpers.eur("1.00"), "external_id": "receipt 1"}
        answer = self.caller.pay(f"/customers/{customer_id}/points/burns", taken)
        assert answer.status_code == 200, answer.text
        return str(answer.json["id"])

    def _with_points(self) -> str:
        customer_id = self.customer()
        self._give_points(customer_id, "40.00")
        return customer_id

    def _give_points(self, customer_id: str, amount: str) -> None:
        if not self._budgets:
            self.budget()
        # Of somebody else each time: what many claims of one person look like is for a reviewer.
        person = {"name": "Li Wei", "email": f"li.{next(self._numbers)}@example.com"}
        made = self._created("/complaints", complaint_body(customer_id=customer_id, complainant=person))
        terms = {
            "kind": "points",
            "amount": helpers.eur(amount),
            "reason": "It came late.",
            "override_reason": "Agreed.",
        }
        helpers.issued(self._program, self.caller, {"reference": str(made)}, terms)

    def _failed(self) -> dict[str, Any]:
        offer = helpers.act(self.caller, self._offered(), "accept", said_by="phone")
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

    def _letter(self) -> dict[str, Any]:
        """Issued, and nobody has an address to send it to."""
        ref = self._complaint("")
        helpers.execute(
            self._program.database, "UPDATE complaint_person SET email = NULL WHERE complaint_id = :id", id=ref
        )
        offer = helpers.draft(self.caller, {"reference": ref}, {"kind": "apology_letter"})
        for action in ("submit", "offer"):
            helpers.act(self.caller, offer, action)
        helpers.act(self.caller, offer, "accept", said_by="phone")
        helpers.perform(self._program)
        return offer

    def _countered(self) -> dict[str, Any]:
        return helpers.act(self.caller, self._offered(), "counter", said_by="phone", words="Money, please.")

    def _sent_link(self) -> str:
        offer = self._draft(self.caller, "1.00", kind="replacement")
        helpers.act(self.caller, offer, "submit")
        link = helpers.token(helpers.act(self.caller, offer, "offer"))
        helpers.act(self.caller, offer, "accept", said_by="phone")
        helpers.act(self.caller, offer, "record_issued", reference="parcel 1")
        return link

    def _sent(self) -> dict[str, Any]:
        """Issued, and not arrived yet."""
        return helpers.act(self.caller, self._waiting("replacement"), "record_issued", reference="parcel 1")

    def _remedy_provider(self) -> str:
        body = {"name": f"Payments {next(self._numbers)}", "mode": "recording", "kinds": ["service_credit"]}
        return str(self._created("/recovery/providers", body))

    def _ordered(self, state: str, **columns: str) -> dict[str, Any]:
        """To be issued by hand, as if a provider had been asked for it."""
        offer = self._waiting()
        closed = "NULL" if state == "unknown" else "now()"
        more = "".join(f", {name}" for name in columns), "".join(f", {value}" for value in columns.values())
        helpers.execute(
            self._program.database,
            f"INSERT INTO remedy_order (id, offer_id, round, provider_id, key, body, state, closed_at{more[0]}) "
            f"VALUES (gen_random_uuid(), :id, 1, :provider, :key, '{{}}', '{state}', {closed}{more[1]})",
            id=offer["id"],
            key=f"{offer['id']}-1",
            provider=self._remedy_provider(),
        )
        return offer

    def _unknown(self) -> dict[str, Any]:
        offer = self._ordered("unknown", in_doubt="1")
        helpers.execute(self._program.database, "UPDATE offer SET issuance = 'unknown' WHERE id = :id", id=offer["id"])
        return offer

    def _contradicted(self) -> dict[str, Any]:
        return self._ordered("settled", contradiction="'It was issued as re_1.'", contradicted_at="now()")

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
        self._created("/complaints", complaint_body())
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

    def _offer(self, action: str) -> str:
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "drafted": lambda: self._draft(self.caller, "1.00"),
            "pending_approval": self._pending,
            "approved": self._approved,
            "offered": self._offered,
            "countered": self._countered,
            "issuing": self._waiting,
            "issued": self._issued,
            "failed": self._failed,
        }
        apart = {
            "confirm_delivery": self._sent,
            "report_undelivered": self._sent,
            "ask_again": self._unknown,
            "post_letter": self._letter,
        }
        if action in apart:
            return str(apart[action]()["id"])
        sources = OFFER_LIFE.by_action(action).sources if action else {"offered"}
        return str(next(make for state, make in made.items() if state in sources)()["id"])

    def form(self) -> dict[str, str]:
        """One that asks little of whoever fills it in."""
        if self._form is None:
            asked = dict.fromkeys(("name", "email", "category", "issue", "price", "record_type"), "optional")
            body = {"name": f"Form {next(self._numbers)}", "difficulty": 1, "fields": asked}
            answer = self.caller.post("/intake/forms", {**body, "record_types": list(RECORD_TYPES)})
            assert answer.status_code == 201, answer.text
            self._form = answer.json
        return self._form

    def altcha(self) -> str:
        """A solution that nobody has used."""
        challenge = self.caller.post("/public/challenges", {"form": self.form()["key"]}).json
        return solved(challenge)

    def _caught(self) -> str:
        """By the form's trap."""
        body = {"form": self.form()["key"], "altcha": self.altcha(), "website": "spam", "complaint": SUBMITTED}
        reference = self.caller.post("/public/complaints", body).json["reference"]
        waiting = self.caller.get("/intake/quarantine?limit=200").json["items"]
        return next(str(entry["id"]) for entry in waiting if entry["reference"] == reference)

    def tracked(self) -> tuple[str, str]:
        """A reference and its secret."""
        if self._tracked is None:
            answer = self.caller.post("/complaints", complaint_body())
            self._tracked = (str(answer.json["reference"]), str(answer.json["tracking_secret"]))
        return self._tracked

    def named(self, operation: Operation, name: str) -> str | None:
        """A real value for a body's or query's field of this name; None where it names nothing that we know."""
        maker = _FIELDS.get(f"{operation.id} {name}") or _FIELDS.get(name)
        return self.visitors.field(operation.id, name) or (None if maker is None else maker(self))

    def parts_named(self, name: str, values: Mapping[str, str]) -> list[str] | None:
        """Real ids for a list in a body, of the row that the path names; None where it names no parts that we know."""
        if name == "policy_ids":
            listed = self.caller.get("/sla/policies?limit=200").json["items"]
            return [item["id"] for item in listed if not item["is_default"]]
        if name == "issues" and "ref" in values:
            return [item["id"] for item in self.caller.get(f"/complaints/{values['ref']}").json["issues"][1:]]
        return [] if name in {"move_messages", "copy_messages"} else None


def _in_collection(path: str, name: str) -> str:
    return f"/{path.removeprefix('/api/v1/').partition('/')[0]} {name}"


def _in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


_KEY = {"name": "web shop", "permissions": ["complaint:read"], "scope": "everything"}
_A_DAY = {"starts_on": "2001-01-01", "ends_on": "2001-01-01"}
_FIELDS: dict[str, Callable[[World], str]] = {
    "team_id": World.team,
    "customer_id": World.customer,
    "agent_id": World.agent,
    "assignee_id": World.agent,
    "colleague_id": World.agent,
    "delegate_id": lambda world: world.senior(),
    "to_budget_id": lambda world: world.budget(),
    "lend_authority ends_at": lambda _: _in_days(3),
    "calendar_id": World.calendar,
    "into_id": World.tag,
    "canned_reply_id": World.canned_reply,
    "trigger_id": World.trigger,
    "form": lambda world: world.form()["key"],
    "altcha": World.altcha,
    "reference": lambda world: world.tracked()[0],
    "secret": lambda world: world.tracked()[1],
    "into": World.complaint,
    "to": World.complaint,
}


FORM = "multipart/form-data"


def form(body: bytes) -> tuple[bytes, str]:
    """A JSON object as a form, `file` in it as the file; anything else as it is. With its content type."""
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return body, FORM
    parts = {name: str(value) for name, value in values.items() if name != "file"}
    file = {"file": FileStorage(BytesIO(str(values["file"]).encode()), "note.txt")} if "file" in values else {}
    stream, length, boundary = stream_encode_multipart({**parts, **file})
    return stream.read(length), f"{FORM}; boundary={boundary}"


def _refuse(_tools: Any, _duty_id: UUID, _offer_id: UUID) -> None:
    raise GiveUp("no such account")
