"""What each action does to a complaint, beside its state.

How it can fail: something is set that another action sets, or is not taken back by the action that undoes it; what the
complainant is to be told is told twice, or not; a refused action leaves something behind.
"""

from typing import Any
from uuid import UUID

import pytest
from marshmallow import ValidationError
from sqlalchemy import Engine, select, text

from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.lifecycle import CLOSED, LIFECYCLE, MAX_LEVEL
from helpdesk.complaints.models import Issue, Message, TransitionRow
from helpdesk.kernel.errors import ActionNotAllowed, ValidationFailed
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.grid import everything
from tests.complaints.steps import GOOD, brought_to, do, receive


def each(database: Database, model: Any, complaint_id: UUID, order: Any) -> list[Any]:
    """A complaint's rows of one kind."""
    with database.reader() as session:
        return list(session.scalars(select(model).where(model.complaint_id == complaint_id).order_by(order)))


def only(database: Database, model: Any, complaint_id: UUID) -> Any:
    [row] = each(database, model, complaint_id, model.id)
    return row


def issue_ids(database: Database, complaint_id: UUID) -> list[UUID]:
    return [issue.id for issue in each(database, Issue, complaint_id, Issue.position)]


def _set(engine: Engine, complaint_id: UUID, assignment: str) -> None:
    """What another domain would have written."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE complaint SET {assignment} WHERE id = :id").bindparams(id=complaint_id))


class TestEffects:
    """What each action does to the row, beside the state."""

    def test_acknowledge_writes_to_the_complainant_once(self, database: Database) -> None:
        complaint_id = receive(database)
        row = do(database, complaint_id, "acknowledge")
        assert row.acknowledged_at is not None
        message = only(database, Message, complaint_id)
        assert (message.kind, message.purpose, message.channel) == ("public_reply", "acknowledgement", "EMAIL")
        assert row.reference in message.body
        with pytest.raises(ActionNotAllowed):
            do(database, complaint_id, "acknowledge")

    def test_acknowledge_in_own_words(self, database: Database) -> None:
        complaint_id = receive(database)
        do(database, complaint_id, "acknowledge", text="谢谢! 我们正在处理。")
        assert only(database, Message, complaint_id).body == "谢谢! 我们正在处理。"

    def test_triage_judges(self, database: Database) -> None:
        complaint_id = receive(database)
        row = do(database, complaint_id, "triage", impact=5, urgency=4, category="PRD", issue="PRD.SAFETY")
        assert (row.severity, row.impact, row.urgency, row.track, row.safety) == ("S1", 5, 4, "investigate", True)
        issue = only(database, Issue, complaint_id)
        assert (issue.category, issue.issue) == ("PRD", "PRD.SAFETY")
        again = do(database, complaint_id, "triage", impact=1, urgency=1)
        assert (again.severity, again.safety) == ("S5", False)

    def test_triage_refuses_an_issue_of_another_category(self) -> None:
        with pytest.raises(ValidationError) as refused:
            BODIES["triage"]().load(GOOD["triage"] | {"category": "PRD"})
        assert "issue" in refused.value.messages_dict

    def test_waiting_and_resuming(self, database: Database) -> None:
        complaint_id = receive(database)
        assert do(database, complaint_id, "ask_customer").waiting_on == "customer"
        assert do(database, complaint_id, "ask_third_party").waiting_on == "third_party"
        assert do(database, complaint_id, "resume").waiting_on == "us"
        assert do(database, complaint_id, "ask_customer").waiting_on == "customer"
        assert do(database, complaint_id, "investigate").waiting_on == "us"
        said = each(database, Message, complaint_id, order=Message.id)
        assert [(message.kind, message.purpose) for message in said] == [
            ("public_reply", "question"),
            ("internal_note", "third_party"),
            ("public_reply", "question"),
        ]

    def test_investigate_writes_findings_to_their_issues(self, database: Database) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        first, second = issue_ids(database, complaint_id)
        row = do(
            database,
            complaint_id,
            "investigate",
            findings=[
                {"issue_id": str(second), "finding": "Broken", "evidence": "Photo", "cause": "RC.COMMS"},
                {"issue_id": str(first), "finding": "Late", "no_evidence_reason": "The log is gone."},
            ],
            contributing_causes=["RC.COMMS"],
        )
        assert (row.fault, row.root_cause, row.contributing_causes) == ("firm", "RC.HAND", ["RC.COMMS"])
        issues = each(database, Issue, complaint_id, order=Issue.position)
        found = [(issue.finding, issue.evidence, issue.no_evidence_reason, issue.cause) for issue in issues]
        assert found == [("Late", None, "The log is gone.", "RC.HAND"), ("Broken", "Photo", None, "RC.COMMS")]

    @pytest.mark.parametrize("places", [(0,), (0, 0), (0, 1, 1), ()])
    def test_every_issue_needs_exactly_one_finding(self, database: Database, places: tuple[int, ...]) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        ids = issue_ids(database, complaint_id)
        findings = [{"issue_id": str(ids[place]), "finding": "x", "evidence": "y"} for place in places]
        with pytest.raises(ValidationFailed if places else ValidationError):
            do(database, complaint_id, "investigate", findings=findings)

    def test_findings_of_another_complaints_issue_are_refused(self, database: Database) -> None:
        [foreign] = issue_ids(database, receive(database))
        item = {"issue_id": str(foreign), "finding": "x", "evidence": "y"}
        with pytest.raises(ValidationFailed):
            do(database, receive(database), "investigate", findings=[item])

    def test_findings_need_evidence_or_the_reason_for_none(self) -> None:
        with pytest.raises(ValidationError):
            BODIES["investigate"]().load(GOOD["investigate"] | {"findings": [{"finding": "x"}]})

    @pytest.mark.parametrize(
        ("outcomes", "whole"),
        [
            (("upheld", "upheld"), "upheld"),
            (("upheld", "not_upheld"), "partly_upheld"),
            (("not_upheld", "not_upheld"), "not_upheld"),
            (("not_upheld", "partly_upheld"), "partly_upheld"),
        ],
    )
    def test_outcome_of_the_case_follows_from_its_issues(
        self, database: Database, outcomes: tuple[str, str], whole: str
    ) -> None:
        complaint_id = receive(database, issues=[{"category": "DEL"}, {"category": "PRD"}])
        ids = issue_ids(database, complaint_id)
        findings = [{"issue_id": str(item), "finding": "x", "evidence": "y"} for item in ids]
        do(database, complaint_id, "investigate", findings=findings)
        decided = [{"issue_id": str(item), "outcome": word} for item, word in zip(ids, outcomes, strict=True)]
        row = do(database, complaint_id, "resolve", outcomes=decided)
        assert (row.outcome, row.waiting_on) == (whole, "nobody")
        assert row.resolved_at is not None

    def test_resolve_sends_the_whole_letter(self, database: Database) -> None:
        complaint_id = brought_to(database, "investigated")
        do(database, complaint_id, "resolve")
        message = only(database, Message, complaint_id)
        assert message.purpose == "decision_letter"
        assert message.body.split("\n\n") == [
            GOOD["resolve"]["letter"][part] for part in ("finding", "reasons", "remedy", "next_stage")
        ]

    def test_resolve_without_offer_needs_the_reason(self, database: Database, engine: Engine) -> None:
        complaint_id = brought_to(database, "investigated")
        before = everything(engine)
        with pytest.raises(ValidationFailed) as refused:
            do(database, complaint_id, "resolve", remedy={})
        assert refused.value.errors[0]["pointer"] == "/remedy/none_because"
        assert everything(engine) == before
        _set(engine, complaint_id, "offers_live = 1, offers_drafted = 1, remedies_undelivered = 1")
        for remedy, code in (({}, "offer_not_approved"), ({"none_because": "They want none."}, "offers_live")):
            with pytest.raises(ValidationFailed) as refused:
                do(database, complaint_id, "resolve", remedy=remedy)
            assert refused.value.errors[0]["code"] == code
        _set(engine, complaint_id, "offers_drafted = 0, offers_approved = 1")
        assert do(database, complaint_id, "resolve", remedy={}).status == "resolved"

    def test_a_reopened_complaint_needs_another_remedy_decision(self, database: Database, engine: Engine) -> None:
        complaint_id = brought_to(database, "investigated")
        _set(engine, complaint_id, "offers_live = 1, offers_approved = 1")
        do(database, complaint_id, "resolve", remedy={})
        do(database, complaint_id, "reopen")
        do(database, complaint_id, "investigate")
        with pytest.raises(ValidationFailed) as refused:
            do(database, complaint_id, "resolve", remedy={})
        assert refused.value.errors[0]["pointer"] == "/remedy/none_because"
        stands = do(database, complaint_id, "resolve", remedy={"none_because": "The first voucher stands."})
        assert stands.no_remedy_reason == "The first voucher stands."

    def test_on_the_spot_is_acknowledgement_and_answer(self, database: Database) -> None:
        row = do(database, receive(database), "resolve_on_the_spot")
        assert row.acknowledged_at == row.resolved_at is not None
        assert (row.fault, row.outcome, row.waiting_on) == ("firm", "upheld", "nobody")

    def test_on_the_spot_needs_the_complainants_acceptance(self) -> None:
        with pytest.raises(ValidationError):
            BODIES["resolve_on_the_spot"]().load(GOOD["resolve_on_the_spot"] | {"accepted_by_complainant": False})

    @pytest.mark.parametrize("state", sorted(CLOSED))
    def test_reopen_is_a_double_deviation(self, database: Database, state: str) -> None:
        complaint_id = brought_to(database, state)
        row = do(database, complaint_id, "reopen")
        assert (row.double_deviation, row.escalation_level, row.waiting_on) == (True, 1, "us")
        assert (row.outcome, row.dismissal, row.resolved_at, row.followed_up_at) == (None, None, None, None)
        assert only(database, Issue, complaint_id).outcome is None

    def test_reopen_at_the_highest_level_stays_there(self, database: Database) -> None:
        complaint_id = receive(database)
        for _ in range(MAX_LEVEL):
            do(database, complaint_id, "escalate")
        do(database, complaint_id, "withdraw")
        assert do(database, complaint_id, "reopen").escalation_level == MAX_LEVEL

    def test_levels_go_up_and_down_and_no_further(self, database: Database) -> None:
        complaint_id = receive(database)
        with pytest.raises(ActionNotAllowed):
            do(database, complaint_id, "de_escalate")
        for level in range(1, MAX_LEVEL + 1):
            assert do(database, complaint_id, "escalate").escalation_level == level
        with pytest.raises(ActionNotAllowed):
            do(database, complaint_id, "escalate")
        assert do(database, complaint_id, "de_escalate").escalation_level == MAX_LEVEL - 1

    def test_dismissal_keeps_its_reason(self, database: Database) -> None:
        row = do(database, receive(database), "dismiss", reason_code="spam")
        assert (row.dismissal, row.waiting_on) == ("spam", "nobody")

    def test_a_duplicate_ends_through_a_merge_only(self) -> None:
        with pytest.raises(ValidationError):
            BODIES["dismiss"]().load({"reason_code": "duplicate"})

    @pytest.mark.parametrize("state", LIFECYCLE.states)
    def test_refer_from_anywhere(self, database: Database, state: str) -> None:
        row = do(database, brought_to(database, state), "refer_externally")
        assert (row.stage, row.status) == ("external", state)

    def test_follow_up_waits_for_the_remedy(self, database: Database, engine: Engine) -> None:
        complaint_id = brought_to(database, "resolved")
        _set(engine, complaint_id, "offers_live = 1, offers_approved = 1, remedies_undelivered = 1")
        with pytest.raises(ActionNotAllowed) as refused:
            do(database, complaint_id, "follow_up")
        assert refused.value.extra["missing"][0]["code"] == "remedy_undelivered"
        _set(engine, complaint_id, "remedies_undelivered = 0")
        row = do(database, complaint_id, "follow_up", note="They are content.")
        assert row.followed_up_at is not None

    def test_what_was_given_is_kept(self, database: Database) -> None:
        complaint_id = receive(database)
        do(database, complaint_id, "withdraw", reason="Gefunden — 找到了")
        step = only(database, TransitionRow, complaint_id)
        with database.reader() as session:
            event = session.scalars(
                select(EventRow).where(EventRow.type == "complaint.withdrawn", EventRow.stream_id == complaint_id)
            ).one()
        assert step.given == {"reason": "Gefunden — 找到了"}
        payload = event.payload or {}
        assert payload["given"] == step.given
        assert payload["changes"]["status"] == ["received", "withdrawn"]
        assert (step.actor_kind, step.actor_id) == ("system", None)
