"""Real rows to stand behind a path's parameters, so that bad input gets past "there is no such thing"."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Flask
from werkzeug.test import Client

from helpdesk.complaints import tracking_session
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.identity.actors import SYSTEM
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.contract.document import Operation
from tests.contract.forms import FORM, form
from tests.contract.recovery_rows import RecoveryRows, in_days
from tests.contract.rows import Rows
from tests.contract.signing import Signer
from tests.contract.visitors import Visitors
from tests.recovery import helpers


class World:
    """`real(operation)`: values for the path's parameters. With `fresh` a row of its own, in a state that the operation
    can be done from; otherwise the one given before.
    """

    def __init__(self, app: Flask, program: Program, caller: Caller) -> None:
        self._program = program
        self.caller = caller
        self.rows = Rows(app, program, caller)
        self.recovery = RecoveryRows(app, program, self.rows)
        self.application = Signer(app, self.recovery.secrets)
        """What requests are sent to."""
        self._client = Client(self.application)
        self.visitors = Visitors(app, program, caller)
        self._numbers = itertools.count(1)
        self._known: dict[str, dict[str, str]] = {}
        self._sessions: dict[str, str] = {}
        """Of complainants, by operation."""
        self._makers: dict[str, Callable[[str], str]] = {
            "ref": self.rows.complaint,
            "offer_id": self.recovery.offer,
            "token": lambda action: helpers.token(self.recovery.offered()),
            "/api/v1/offers/{offer_id}/counters/redact": lambda _: str(self.recovery.countered()["id"]),
            "/api/v1/public/offers/{token}/counter/withdraw": lambda _: helpers.token(self.recovery.countered()),
            "/api/v1/public/offers/{token}/arrived": lambda _: self.recovery.sent_link(),
            "/api/v1/public/offers/{token}/not-arrived": lambda _: self.recovery.sent_link(),
            "link": lambda _: self.rows.file_link(),
            "/api/v1/public/tracking/attachments/{attachment_id}/link": lambda _: self._tracked_attachment(),
            "code": lambda _: str(self.recovery.issued()["issued_reference"]),
            "budget_id": lambda _: self.recovery.another_budget(),
            "delegation_id": lambda _: self.recovery.delegation(),
            "conflict_id": lambda _: self.recovery.interest_conflict(),
            "customer_id": lambda _: self.rows.customer(),
            "/api/v1/customers/{customer_id}/points/burns": lambda _: self.recovery.with_points(),
            "agent_id": lambda _: self.rows.agent(),
            "team_id": lambda _: self.rows.team(),
            "key_id": lambda _: self.rows.key(),
            "role_id": lambda _: self.rows.role(),
            "/api/v1/agents/{agent_id}/second-factor/remove": lambda _: self.visitors.protected(),
            "/api/v1/agents/{agent_id}/invitation": lambda _: self.visitors.uninvited(),
            "reset_token": lambda _: self.visitors.reset_token(),
            "session_id": lambda _: self.visitors.session_id(),
            "provider_id": lambda _: self.visitors.provider_id(),
            "/api/v1/public/recovery/callbacks/{remedy_provider_id}": lambda _: self.recovery.asked_provider(),
            "remedy_provider_id": lambda _: self.recovery.remedy_provider(),
            "/api/v1/offers/{offer_id}/letter": lambda _: str(self.recovery.letter()["id"]),
            "/api/v1/offers/{offer_id}/copy": lambda _: str(self.recovery.declined()["id"]),
            "/api/v1/offers/{offer_id}/voucher/entries": lambda _: self.recovery.with_voucher_used(),
            "/api/v1/recovery/dead-letters/{offer_id}/settle": lambda _: str(self.recovery.contradicted()["id"]),
            "identity_id": lambda _: self.visitors.identity_id(),
            "token_id": lambda _: str(self.rows.created("/tokens", {"name": "to be revoked"})),
            "calendar_id": lambda _: self.rows.calendar(),
            "policy_id": lambda _: self.rows.policy(),
            "tariff_code": lambda _: "eu.261",
            "playbook_id": self.recovery.playbook,
            "rule_code": lambda _: "uk.fca.ack",
            "/api/v1/complaints/{ref}/regime/decisions": lambda _: self.rows.regulated("GB", "social housing"),
            "/api/v1/sla/regimes/{rule_code}/switch-on": lambda _: "iso.10002.ack",
            "canned_reply_id": lambda _: self.rows.canned_reply(),
            "macro_id": lambda _: self.rows.macro(),
            "notification_id": lambda _: self.rows.notification(),
            "job_id": lambda _: self.rows.import_job(),
            "form_id": lambda _: self.rows.form()["id"],
            "key": lambda _: self.rows.form()["key"],
            "entry_id": lambda _: self.rows.caught(),
            "/jobs job_id": lambda _: self.rows.job(),
            "tag_id": lambda _: self.rows.tag(),
            "field_id": lambda _: self.rows.custom_field(),
            "view_id": lambda _: self.rows.view(),
            "/api/v1/complaints/{ref}/unmerge": lambda _: self.rows.merged(),
            "/api/v1/complaints/{ref}/split": lambda _: self.rows.of_two_matters(),
            "rule_id": lambda _: self.rows.rule(),
            "review_id": lambda _: self.recovery.review(),
            "term_id": lambda _: self.rows.term(),
            "version": lambda _: "1",
            "trigger_id": lambda _: self.rows.trigger(),
            "dry_run_id": lambda _: self.rows.dry_run(),
            "map_id": lambda _: self.rows.code_map(),
        }
        self._parts: dict[str, Callable[[str], str]] = {
            "person_id": self.rows.person,
            "issue_id": self.rows.issue,
            "need_id": self.rows.need,
            "clock_id": self.rows.regulators_clock,
            "fact_id": self.rows.regulatory_fact,
            "message_id": self.rows.message,
            "attachment_id": self.rows.attachment,
            "evidence_id": self.rows.evidence,
            "/complaints agent_id": self.rows.watcher,
            "absence_id": self.rows.absence,
            "draft_id": self.rows.draft_message,
            "link_id": self.rows.link,
            "redemption_id": self.recovery.redemption,
            "burn_id": self.recovery.burn,
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
            self.rows.forget_form()  # its key may be another by now
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
            complaint_id = UUID(self.rows.complaint(action if action in LIFECYCLE.actions else ""))
            self._sessions[operation.id] = self._session_of(complaint_id)
        return f"Tracking {self._sessions[operation.id]}"

    def _session_of(self, complaint_id: UUID) -> str:
        with self._program.database.unit_of_work(SYSTEM) as uow:
            token, _ = tracking_session.sign(self._program.tools.signing_key, complaint_id, 0, uow.now)
        return token

    def may_sign(self, operation: Operation, values: Mapping[str, Any]) -> bool:
        """Whether the path names somebody who can sign the request; True where nobody has to."""
        return not operation.signed or values.get("remedy_provider_id") in self.recovery.secrets

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
        return self._client.open(
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

    def _tracked_attachment(self) -> str:
        """On the complaint of the session that the operation is called with."""
        ref = self.rows.complaint()
        found = self.rows.attachment(ref)
        helpers.execute(
            self._program.database, f"UPDATE complaint_attachment SET internal = false WHERE id = '{found}'"
        )
        self._sessions["link_tracked_attachment"] = self._session_of(UUID(ref))
        return found

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


_FIELDS: dict[str, Callable[[World], str]] = {
    "team_id": lambda world: world.rows.team(),
    "customer_id": lambda world: world.rows.customer(),
    "agent_id": lambda world: world.rows.agent(),
    "assignee_id": lambda world: world.rows.agent(),
    "colleague_id": lambda world: world.rows.agent(),
    "delegate_id": lambda world: world.recovery.senior(),
    "to_budget_id": lambda world: world.recovery.budget(),
    "lend_authority ends_at": lambda _: in_days(3),
    "call_back_remedy idempotency_key": lambda world: world.recovery.order_key,
    "settle_contradiction reference": lambda _: "re_1",
    "calendar_id": lambda world: world.rows.calendar(),
    "into_id": lambda world: world.rows.tag(),
    "canned_reply_id": lambda world: world.rows.canned_reply(),
    "trigger_id": lambda world: world.rows.trigger(),
    "form": lambda world: world.rows.form()["key"],
    "altcha": lambda world: world.rows.altcha(),
    "reference": lambda world: world.rows.tracked()[0],
    "secret": lambda world: world.rows.tracked()[1],
    "into": lambda world: world.rows.complaint(),
    "to": lambda world: world.rows.complaint(),
}
