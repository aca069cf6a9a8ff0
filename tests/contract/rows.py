"""Rows of complaints, of people, and of what an installation sets up, made over the API."""

import itertools
from typing import Any

from flask import Flask

from helpdesk.complaints.lifecycle import LIFECYCLE, RECORD_TYPES
from helpdesk.kernel import jobs
from helpdesk.wiring import Program
from tests.complaints import steps
from tests.complaints.submitting import SUBMITTED, solved
from tests.conftest import Caller, complaint_body, make_agent, make_team
from tests.contract.forms import form
from tests.recovery import helpers

_KEY = {"name": "web shop", "permissions": ["complaint:read"], "scope": "everything"}


class Rows:
    """Each in a state in which most can be done with it; each call makes another, unless it says otherwise."""

    def __init__(self, app: Flask, program: Program, caller: Caller) -> None:
        self._app = app
        self._program = program
        self.caller = caller
        self.numbers = itertools.count(1)
        self._form: dict[str, str] | None = None
        self._tracked: tuple[str, str] | None = None

    def customer(self) -> str:
        return str(self.created("/customers", {"name": "Li Wei"}))

    def agent(self) -> str:
        return str(make_agent(self._app, self._program.database, "agent", []).id)

    def view(self) -> str:
        """In the place of the oldest, where there are as many as one may have."""
        views = self.caller.get("/views?limit=200").json["items"]
        if len(views) >= 100:
            self.caller.delete(f"/views/{views[0]['id']}", if_match="*")
        return str(self.created("/views", {"name": "Open ones", "filters": {"open": True}}))

    def role(self) -> str:
        body = {"name": f"Role {next(self.numbers)}", "permissions": ["agent:read"], "scope": "teams"}
        return str(self.created("/roles", body))

    def team(self) -> str:
        return str(make_team(self._program.database, f"Team {next(self.numbers)}"))

    def job(self) -> str:
        with self._program.database.unit_of_work(self.caller.actor) as uow:
            job_id = jobs.begin(uow, self.caller.actor, kind="test", topic="test", given={}, total=2)
            uow.session.flush()
        return str(job_id)

    def custom_field(self) -> str:
        body = {"key": f"field_{next(self.numbers)}", "label": "A field", "type": "text"}
        return str(self.created("/custom-fields", body))

    def tag(self) -> str:
        return str(self.created("/tags", {"name": f"tag {next(self.numbers)}"}))

    def calendar(self) -> str:
        hours = {"mon": [["09:00", "17:00"]]}
        name = f"Office {next(self.numbers)}"
        return str(self.created("/sla/calendars", {"name": name, "timezone": "UTC", "weekly_hours": hours}))

    def policy(self) -> str:
        """For nothing that comes in here."""
        body = {"name": f"Policy {next(self.numbers)}", "calendar_id": self.calendar(), "targets": {}}
        condition = {"field": "jurisdiction", "operator": "is", "value": "AQ"}
        return str(self.created("/sla/policies", body | {"condition": condition}))

    def created(self, path: str, body: dict[str, Any]) -> str:
        answer = self.caller.post(path, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def complaint(self, action: str = "") -> str:
        """In the first state, in the order of its life, from which the action is possible."""
        sources = LIFECYCLE.by_action(action).sources if action else {LIFECYCLE.initial}
        state = next(name for name in LIFECYCLE.states if name in sources)
        found = str(steps.brought_to(self._program.database, state, action or None))
        if action.startswith("resolve"):  # a decision needs a remedy that is approved, or a reason why there is none
            offer = helpers.draft(self.caller, {"reference": found}, {"kind": "apology_letter"})
            helpers.act(self.caller, offer, "submit")  # within the caller's own authority: that approves it
        return found

    def merged(self) -> str:
        source, survivor = self.complaint(), self.complaint()
        body = {"into": survivor, "reason": "Written twice.", "other_complainant": True}
        answer = self.caller.post(f"/complaints/{source}/merge", body)
        assert answer.status_code == 201, answer.text
        return source

    def of_two_matters(self) -> str:
        return str(steps.receive(self._program.database, issues=[{"category": "DEL"}, {"category": "COM"}]))

    def link(self, ref: str) -> str:
        return str(self.created(f"/complaints/{ref}/links", {"kind": "related", "to": self.complaint()}))

    def person(self, ref: str) -> str:
        path = f"/complaints/{ref}"
        self.created(f"{path}/representatives", {"name": "Li Na", "authority": "Letter on file."})
        people = self.caller.get(path).json["people"]
        return str(next(person["id"] for person in people if person["role"] == "representative"))

    def issue(self, ref: str) -> str:
        """Not the only one."""
        answer = self.caller.post(f"/complaints/{ref}/issues", {"category": "DEL"})
        assert answer.status_code == 201, answer.text
        return str(answer.json["issues"][-1]["id"])

    def need(self, ref: str) -> str:
        path = f"/complaints/{ref}"
        self.created(f"{path}/needs", {"flag": "hearing", "consent": True})
        return str(self.caller.get(path).json["needs"][0]["id"])

    def regulators_clock(self, ref: str) -> str:
        """That a notice can move."""
        self.regulated("US", "mortgage servicing", ref)
        clocks = self.caller.get(f"/complaints/{ref}/clocks").json["items"]
        return str(next(clock["id"] for clock in clocks if clock["kind"] == "us.respa.respond"))

    def regulated(self, jurisdiction: str, sector: str, ref: str | None = None) -> str:
        ref = ref or self.complaint()
        answer = self.caller.patch(f"/complaints/{ref}", {"jurisdiction": jurisdiction, "sector": sector}, if_match="*")
        assert answer.status_code == 200, answer.text
        return ref

    def regulatory_fact(self, ref: str) -> str:
        return str(self.created(f"/complaints/{ref}/regulatory-facts", {"kind": "statement_sent"}))

    def message(self, ref: str) -> str:
        return str(self.created(f"/complaints/{ref}/messages", {"kind": "public_reply", "body": "We have it."}))

    def watcher(self, ref: str) -> str:
        agent_id = self.agent()
        answer = self.caller.put(f"/complaints/{ref}/watchers/{agent_id}", None)
        assert answer.status_code == 200, answer.text
        return agent_id

    def draft_message(self, ref: str) -> str:
        return str(self.created(f"/complaints/{ref}/drafts", {"kind": "internal_note", "body": "As far as it goes."}))

    def canned_reply(self) -> str:
        variants = [{"language": "en", "body": "We look into {{complaint.reference}}."}]
        return str(self.created("/canned-replies", {"title": "We look into it", "variants": variants}))

    def macro(self) -> str:
        steps = [{"step": "write_message", "given": {"kind": "internal_note", "body": "Seen."}}, {"step": "claim"}]
        return str(self.created("/macros", {"name": "Take it", "steps": steps}))

    def notification(self) -> str:
        """Of the caller, whom a colleague mentions."""
        colleague = make_agent(self._app, self._program.database, "agent", [])
        body = {"kind": "internal_note", "body": "Please look.", "mentions": [str(self.caller.id)]}
        answer = colleague.post(f"/complaints/{self.complaint()}/messages", body)
        assert answer.status_code == 201, answer.text
        return str(self.caller.get("/notifications?limit=1").json["items"][0]["id"])

    def rule(self) -> str:
        result = {"team_id": self.team(), "strategy": "queue_only"}
        condition = {"field": "sector", "operator": "is", "value": "nobody's"}  # it takes nothing from the other rows
        return str(self.created("/routing/rules", {"name": "A rule", "condition": condition, "result": result}))

    def term(self) -> str:
        body = {"kind": "issue", "code": f"DEL.OWN{next(self.numbers)}", "labels": {"en": "Something of our own"}}
        return str(self.created("/taxonomy/terms", body))

    def trigger(self) -> str:
        condition = {"field": "sector", "operator": "is", "value": "nobody's"}  # it does nothing to the other rows
        actions = [{"step": "add_tags", "given": {"tags": ["seen"]}}]
        body = {
            "name": "A trigger",
            "on": {"events": ["complaint.received"]},
            "condition": condition,
            "actions": actions,
        }
        return str(self.created("/triggers", body))

    def dry_run(self) -> str:
        """That has ended."""
        body = {"trigger_id": self.trigger(), "since": "2026-01-01T00:00:00Z"}
        answer = self.caller.post("/triggers/dry-runs", body)
        assert answer.status_code == 202, answer.text
        helpers.perform(self._program, "automation.dry_run")
        return str(answer.json["id"])

    def code_map(self) -> str:
        codes = [{"kind": "issue", "external": "It came late", "code": "DEL.LATE"}]
        body = {"system": f"system-{next(self.numbers)}", "title": "Another system", "codes": codes}
        return str(self.created("/code-maps", body))

    def absence(self, agent_id: str) -> str:
        time = {"starts_at": "2999-01-01T00:00:00Z", "ends_at": "2999-01-31T00:00:00Z"}
        return self.created(f"/agents/{agent_id}/absences", time)

    def attachment(self, ref: str) -> str:
        body, kind = form(b'{"file": "What the depot wrote."}')
        headers = {"Authorization": f"Bearer {self.caller.token}"}
        answer = self.caller.client.post(
            f"/api/v1/complaints/{ref}/attachments", data=body, content_type=kind, headers=headers
        )
        assert answer.status_code == 201, answer.text
        assert answer.json is not None
        return str(answer.json["id"])

    def evidence(self, ref: str) -> str:
        """Ready to be had."""
        answer = self.caller.post(f"/complaints/{ref}/evidence", {"reason": "Asked for by the ombudsman."})
        assert answer.status_code == 202, answer.text
        helpers.perform(self._program, "complaints.evidence")
        return str(self.caller.get(f"/jobs/{answer.json['id']}").json["result"]["evidence_id"])

    def file_link(self) -> str:
        ref = self.complaint()
        link = self.caller.post(f"/complaints/{ref}/attachments/{self.attachment(ref)}/link", {})
        return str(link.json["url"]).rpartition("/")[2]

    def import_job(self) -> str:
        return str(self.created("/imports", {"mapping": "cfpb", "file_name": "complaints.csv"}))

    def key(self) -> str:
        return self.created("/api-keys", _KEY)

    def form(self) -> dict[str, str]:
        """One that asks little of whoever fills it in."""
        if self._form is None:
            asked = dict.fromkeys(("name", "email", "category", "issue", "price", "record_type"), "optional")
            body = {"name": f"Form {next(self.numbers)}", "difficulty": 1, "fields": asked}
            answer = self.caller.post("/intake/forms", {**body, "record_types": list(RECORD_TYPES)})
            assert answer.status_code == 201, answer.text
            self._form = answer.json
        return self._form

    def forget_form(self) -> None:
        self._form = None

    def altcha(self) -> str:
        """A solution that nobody has used."""
        challenge = self.caller.post("/public/challenges", {"form": self.form()["key"]}).json
        return solved(challenge)

    def caught(self) -> str:
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
