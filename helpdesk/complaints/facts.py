"""The facts of a complaint by name, with their kinds: what conditions of routing, triggers and SLA policies may ask for.

Custom fields are `custom.` and their key (`vocabulary`). Domains above add theirs: `{**vocabulary(session), **their_own}`,
and values to those of `facts_of`. Facts that do not stand on the
complaint's row cost a statement, and only where a condition asks for them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, fact_queries, queries, tag_names
from helpdesk.complaints.lifecycle import LIFECYCLE, RECORD_TYPES, STAGES, WAITING_ON
from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.complaints.taxonomy import (
    DISMISSALS,
    FAULTS,
    ISSUE_OUTCOMES,
    SEVERITIES,
    TRACKS,
)
from helpdesk.customers import models as customer_words
from helpdesk.customers import queries as customers
from helpdesk.kernel.facts import (
    CODE,
    CODES,
    DAY,
    DECIMAL,
    FLAG,
    ID,
    MONEY,
    TEXT,
    TIME,
    WHOLE,
    Facts,
    Field,
    Kind,
    Vocabulary,
)
from helpdesk.kernel.money import Money
from helpdesk.taxonomy.in_force import in_force

_ON_THE_ROW: Final[Vocabulary] = {
    "record_type": Field(CODE, "a complaint, or what is none", RECORD_TYPES),
    "status": Field(CODE, "where it is in its life", LIFECYCLE.states),
    "severity": Field(CODE, "S1 is the worst and the least: `le S2` is S2 or worse", SEVERITIES, ordered=True),
    "impact": Field(WHOLE, "1 negligible to 5 critical"),
    "urgency": Field(WHOLE, "1 can wait to 4 now"),
    "channel": Field(CODE, "the way it came in"),
    "track": Field(CODE, "on the spot, or investigated", TRACKS),
    "waiting_on": Field(CODE, "who has to act next", WAITING_ON),
    "stage": Field(CODE, "first decision, review, or an outside body", STAGES),
    "escalation_level": Field(WHOLE, "0 to 3"),
    "language": Field(CODE, "BCP 47, as it was given"),
    "jurisdiction": Field(CODE, "ISO 3166 country code"),
    "sector": Field(CODE, "as it was given"),
    "source": Field(CODE, "the system that sent it"),
    "subject": Field(TEXT, "its title"),
    "description": Field(TEXT, "what the complainant wrote"),
    "tags": Field(CODES, "its tags, by name: that of now or any earlier one"),
    "team_id": Field(ID, "the team that has it"),
    "assignee_id": Field(ID, "the agent who has it"),
    "customer_id": Field(ID, "the customer"),
    "vulnerable": Field(FLAG, "whether a need is recorded"),
    "safety": Field(FLAG, "whether an issue is about safety"),
    "regulator": Field(FLAG, "whether it came through a regulator or ombudsman"),
    "double_deviation": Field(FLAG, "whether it was reopened: the recovery failed too"),
    "reopened_count": Field(WHOLE, "how often it was reopened"),
    "issue_count": Field(WHOLE, "how many things went wrong"),
    "offers_live": Field(WHOLE, "recovery offers on it that may still come to something"),
    "remedies_undelivered": Field(WHOLE, "remedies promised and not delivered yet"),
    "outcome": Field(CODE, "of the case", ISSUE_OUTCOMES),
    "fault": Field(CODE, "whose it was", FAULTS),
    "root_cause": Field(CODE, "the primary one"),
    "dismissal": Field(CODE, "why it is no complaint to us", DISMISSALS),
    "price": Field(MONEY, "what was paid for what failed"),
    "loss": Field(MONEY, "proven loss beside it"),
    "received_at": Field(TIME, "when it reached the firm"),
    "acknowledged_at": Field(TIME, "when receipt was acknowledged"),
    "triaged_at": Field(TIME, "when it was judged"),
    "investigated_at": Field(TIME, "when the findings were recorded"),
    "resolved_at": Field(TIME, "when it was decided"),
    "followed_up_at": Field(TIME, "when it was followed up"),
    "updated_at": Field(TIME, "when it changed last"),
    "assigned_at": Field(TIME, "since when the assignee has it"),
    "next_due_at": Field(TIME, "the earliest open promise"),
    "minutes_to_due": Field(WHOLE, "whole minutes by the clock to the earliest open promise; below 0 it is broken"),
    "minutes_since_received": Field(WHOLE, "whole minutes by the clock since it reached the firm"),
    "minutes_since_updated": Field(WHOLE, "whole minutes by the clock since it changed last"),
}
_OF_ISSUES: Final[Vocabulary] = {
    "category": Field(CODE, "of its first issue, which triage judges"),
    "issue": Field(CODE, "the code of its first issue"),
    "categories": Field(CODES, "of all its issues"),
    "issues": Field(CODES, "the codes of all its issues"),
}
_OF_CUSTOMER: Final[Vocabulary] = {
    "customer_tier": Field(CODE, "the customer's tier", customer_words.TIERS),
    "customer_kind": Field(CODE, "a person or an organisation", customer_words.KINDS),
}
_OF_THREAD: Final[Vocabulary] = {
    "last_inbound_at": Field(TIME, "when the complainant wrote last"),
    "last_public_reply_at": Field(TIME, "when we wrote to them last"),
    "minutes_since_inbound": Field(WHOLE, "whole minutes by the clock since the complainant wrote last"),
    "minutes_since_public_reply": Field(WHOLE, "whole minutes by the clock since we wrote to them last"),
}
CUSTOM: Final = "custom."
_CUSTOM_KINDS: Final[Mapping[str, Kind]] = {
    "text": TEXT,
    "number": DECIMAL,
    "date": DAY,
    "choice": CODE,
    "multi_choice": CODES,
    "money": MONEY,
    "boolean": FLAG,
}

VOCABULARY: Final[Vocabulary] = {**_ON_THE_ROW, **_OF_ISSUES, **_OF_CUSTOMER, **_OF_THREAD}
OF_TAXONOMY: Final[Mapping[str, str]] = {
    "channel": "channel",
    "root_cause": "root_cause",
    "category": "category",
    "categories": "category",
    "issue": "issue",
    "issues": "issue",
}
"""Fields whose values are codes of a kind of the taxonomy: which ones there are, `vocabulary` says."""

NEW_CUSTOMER: Final = SimpleNamespace(tier="ordinary", kind="person")
"""What a customer is who has just become one."""


def vocabulary(session: Session) -> Vocabulary:
    """All that can be asked for now, with the operator's own fields; one statement."""
    own = {f"{CUSTOM}{row.key}": own_fact(row) for row in fact_queries.custom_fields(session)}
    taxonomy = in_force()
    coded = {name: replace(VOCABULARY[name], choices=taxonomy.codes(kind)) for name, kind in OF_TAXONOMY.items()}
    return {**VOCABULARY, **coded, **own}


def own_fact(field: Any) -> Field:
    """Of a custom field: anything with its `type`, `label` and `options`."""
    return Field(_CUSTOM_KINDS[field.type], field.label, tuple(option["code"] for option in field.options) or None)


def asks_for_own(rows: Iterable[Any]) -> bool:
    """Whether the condition of any of these rows (in its `spec`) asks for a field of the operator's own."""
    return any(CUSTOM in str(row.spec["condition"]) for row in rows)


@dataclass(frozen=True, slots=True)
class Words:
    """What tells one state of rows with conditions from another, and what their conditions are read with. `own`: versions of the
    operator's own fields, where any is asked for, since a field of another type is read otherwise. `tags`: what the names of
    tags in them mean (`tag_names`).
    """

    rows: tuple[tuple[UUID, int], ...]
    own: tuple[tuple[UUID, int], ...]
    tags: tuple[tuple[str, str], ...]

    def vocabulary(self, session: Session, shipped: Vocabulary, all_: Callable[[Session], Vocabulary]) -> Vocabulary:
        """`all_`: the shipped one with the operator's own fields."""
        return tag_names.knowing(all_(session) if self.own else shipped, self.tags)


def signature_of(session: Session, rows: Sequence[Any]) -> Words:
    """Of rows with `id`, `version`, and a condition in their `spec`. A statement each where own fields or tags are asked for."""
    return Words(
        tuple((row.id, row.version) for row in rows),
        tuple(custom_field_queries.versions(session)) if asks_for_own(rows) else (),
        tag_names.signature(session, tag_names.asked(row.spec["condition"] for row in rows)),
    )


def described(known: Vocabulary, *, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """As it is shown (`fact_schemas`). `without`: operators that make no sense where there is no change to ask about."""
    return [
        {
            "name": name,
            "kind": field.kind.name,
            "summary": field.summary,
            "operators": [item for item in field.operators if item not in without],
            "choices": None if field.choices is None else list(field.choices),
        }
        for name, field in known.items()
    ]


def facts_of(
    session: Session,
    complaint: Complaint,
    wanted: AbstractSet[str],
    now: datetime,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
) -> Facts:
    """Of the `wanted` facts at least; one statement for each kind of row beside the complaint's own that is asked for.

    Rows that were added in the same unit of work are not seen before it ends.
    """
    values = on_the_row(complaint, now)
    if wanted & _OF_ISSUES.keys():
        values |= of_issues([(row.category, row.issue) for row in queries.issues_of(session, complaint.id)])
    if wanted & _OF_CUSTOMER.keys() and complaint.customer_id is not None:
        values |= of_customer(customers.get(session, complaint.customer_id))
    if wanted & _OF_THREAD.keys():
        values |= of_thread(fact_queries.last_messages(session, complaint.id), now)
    return Facts(values, changes or {})


def on_the_row(row: Any, now: datetime) -> dict[str, Any]:
    """`row`: anything with the attributes of a complaint; a column that it does not have yet is not known."""
    values = {name: getattr(row, name, None) for name in _ON_THE_ROW if name not in _COMPUTED}
    values |= {f"{CUSTOM}{key}": value for key, value in (getattr(row, "custom_fields", None) or {}).items()}
    return values | {name: compute(row, now) for name, compute in _COMPUTED.items()}


def of_issues(pairs: Sequence[tuple[str | None, str | None]]) -> dict[str, Any]:
    """`pairs`: category and code of each issue, the first one first."""
    category, issue = pairs[0] if pairs else (None, None)
    return {
        "category": category,
        "issue": issue,
        "categories": [item for item, _ in pairs if item is not None],
        "issues": [item for _, item in pairs if item is not None],
    }


def of_customer(customer: Any) -> dict[str, Any]:
    return {"customer_tier": customer.tier, "customer_kind": customer.kind}


def of_thread(last: Mapping[str, datetime], now: datetime) -> dict[str, Any]:
    """`last`: when the last message of each kind was written."""
    inbound, reply = last.get("inbound"), last.get("public_reply")
    return {
        "last_inbound_at": inbound,
        "last_public_reply_at": reply,
        "minutes_since_inbound": _minutes(inbound, now),
        "minutes_since_public_reply": _minutes(reply, now),
    }


def _minutes(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else int((now - since).total_seconds() // 60)


def _due(row: Any) -> Any:
    at = getattr(row, "next_due_at", NOTHING_DUE)
    return None if at == NOTHING_DUE else at


def _money(row: Any, name: str) -> Money | None:
    minor = getattr(row, name, None)
    return None if minor is None else Money(minor, row.currency)


_COMPUTED: Final[Mapping[str, Callable[[Any, datetime], Any]]] = {
    "regulator": lambda row, _: row.channel in in_force().regulator_channels,
    "price": lambda row, _: _money(row, "price_minor"),
    "loss": lambda row, _: _money(row, "loss_minor"),
    "next_due_at": lambda row, _: _due(row),
    "minutes_to_due": lambda row, now: None if _due(row) is None else _minutes(now, _due(row)),
    "minutes_since_received": lambda row, now: _minutes(row.received_at, now),
    "minutes_since_updated": lambda row, now: _minutes(row.updated_at, now),
}
