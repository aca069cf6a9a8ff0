"""What conditions of playbooks and tariffs may ask of a case: of the complaint, of what was recorded of it, and (playbooks
only) of whose it is.

A tariff's condition sees nothing of the customer (their language, their needs), and nothing that we have judged or decided (how
severe it is, whose fault, the outcome): what the law lays down is owed whoever it is, so that no tier, no score and no field of the
operator's own can take it away.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.complaints import facts
from helpdesk.complaints.models import Complaint
from helpdesk.kernel.facts import FLAG, WHOLE, Field, Vocabulary
from helpdesk.recovery.case_facts import FACTS

_OF_THE_CASE: Final = (
    "severity",
    "impact",
    "urgency",
    "category",
    "issue",
    "categories",
    "issues",
    "root_cause",
    "channel",
    "stage",
    "language",
    "jurisdiction",
    "sector",
    "source",
    "vulnerable",
    "safety",
    "regulator",
    "double_deviation",
    "reopened_count",
    "issue_count",
    "outcome",
    "fault",
    "price",
    "loss",
)
_BESIDE: Final = ("track", "escalation_level", "tags", "team_id", "customer_id", "customer_tier", "customer_kind")
_OWN: Final[Vocabulary] = {
    **FACTS,
    "repeat": Field(FLAG, "the same issue failed before, within the days that the playbook says"),
    "weeks_overdue": Field(WHOLE, "whole weeks past the deadline; 0 when nobody said"),
    "statutory": replace(FACTS["statutory"], summary=f"{FACTS['statutory'].summary}; nothing when not said"),
    "refunded": replace(FACTS["refunded"], summary=f"{FACTS['refunded'].summary}; nothing when not said"),
}
_ASSUMED: Final[Vocabulary] = {
    "fault": replace(facts.VOCABULARY["fault"], summary="whose it was; the firm's when not said"),
    "loss": replace(facts.VOCABULARY["loss"], summary="proven loss beside the price; nothing when not said"),
}
"""What a rule of a playbook sees as the suggestion has it. A tariff's condition sees what is stated, and no more."""
_STATED: Final[Vocabulary] = {"lost": replace(FACTS["lost"], summary="what was lost, where somebody has stated it")}
KEPT_OF_TARIFFS: Final[Vocabulary] = {**{name: facts.VOCABULARY[name] for name in _OF_THE_CASE}, **FACTS, **_STATED}
"""What kept versions of tariffs may ask for: some were written when more was allowed."""
OF_CUSTOMER: Final = frozenset({"language", "vulnerable"})
JUDGED: Final = frozenset(
    {
        "severity",
        "impact",
        "urgency",
        "double_deviation",
        "reopened_count",
        "outcome",
        "fault",
        "root_cause",
        "stage",
        "repeat",
    }
)
"""What we have judged or done since, not what happened."""
OF_PLAYBOOKS: Final[Vocabulary] = {
    **{name: facts.VOCABULARY[name] for name in (*_OF_THE_CASE, *_BESIDE)},
    **_ASSUMED,
    **_OWN,
}


def vocabulary(session: Session, of: Vocabulary) -> Vocabulary:
    """All that can be asked for now: with the taxonomy's codes, and for playbooks with the operator's own fields."""
    known = facts.vocabulary(session)
    own = {name: field for name, field in known.items() if name.startswith(facts.CUSTOM) and of is OF_PLAYBOOKS}
    said = {*_OWN, *_ASSUMED} if of is OF_PLAYBOOKS else {*_OWN}
    return {name: known[name] if name in known and name not in said else field for name, field in of.items()} | own


def values_of(
    session: Session, complaint: Complaint, wanted: frozenset[str], now: datetime, case: Mapping[str, Any]
) -> dict[str, Any]:
    """Of the `wanted` facts at least; `case`: those of `FACTS` that are known. Nothing is looked up that is not wanted."""
    if not wanted:
        return dict(case)
    return {**facts.facts_of(session, complaint, wanted, now).values, **case}
