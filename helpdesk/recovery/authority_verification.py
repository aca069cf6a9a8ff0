"""Checks for `helpdesk verify`: whatever was granted was granted by who might, by what held then.

A decision keeps what it was judged by; here it is judged again, against the versions of the limits, the delegations and the
conflicts as they stand in their own tables. What was decided before there were versions names none, and is left out.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.identity.allowance_queries import every_version
from helpdesk.identity.allowances import SCOPES, Allowances
from helpdesk.kernel.verification import Check, Violation
from helpdesk.recovery.lifecycle import GRANTED

_BATCH: Final = 1_000

_OFFERS: Final = text("""
    SELECT id FROM offer WHERE id > :after AND amount_minor IS NOT NULL
        AND (status = ANY(:granted) OR status = 'pending_approval')
    ORDER BY id LIMIT :batch
""")
_DECISIONS: Final = text("""
    SELECT d.*, o.currency, o.drafted_by, o.status, l.lender_id, l.delegate_id, l.starts_at, l.ends_at,
           l.revoked_at, l.up_to,
           (SELECT string_agg(c.kind, ', ') FROM interest_conflict c WHERE c.starts_at <= d.judged_at
                AND (c.ends_at IS NULL OR c.ends_at > d.judged_at) AND c.colleague_id IS NOT NULL
                AND ((c.agent_id IN (d.actor_id, d.in_name_of) AND c.colleague_id = o.drafted_by)
                    OR (c.kind <> 'reports_to' AND c.agent_id = o.drafted_by
                        AND c.colleague_id IN (d.actor_id, d.in_name_of)))) AS conflicts
    FROM offer_decision d JOIN offer o ON o.id = d.offer_id
    LEFT JOIN authority_delegation l ON l.id = d.delegation_id
    WHERE d.offer_id = ANY(:offers) ORDER BY d.offer_id, d.number
""")


def approvals_within_authority(session: Session) -> Iterator[Violation]:
    """Each approval of an offer that stands was within the limits that held then, or was one of two that may pass them."""
    versions = every_version(session)
    last = UUID(int=0)
    while True:
        given = {"after": last, "granted": sorted(GRANTED), "batch": _BATCH}
        offers = session.scalars(_OFFERS, given).all()
        if not offers:
            return
        last = offers[-1]
        rows = session.execute(_DECISIONS, {"offers": offers}).mappings()
        for offer_id, group in groupby(rows, key=lambda row: row["offer_id"]):
            for detail in _faults([dict(row) for row in group], versions):
                yield Violation("recovery.approvals_within_authority", f"offer {offer_id}", detail)


Versions = Sequence[tuple[datetime, Allowances]]


def _faults(decisions: Sequence[Mapping[str, Any]], versions: Versions) -> Iterator[str]:
    """Of the present approval alone: what was given back was judged anew."""
    begun = max((place for place, row in enumerate(decisions) if row["action"] == "submit"), default=0)
    present = decisions[begun:]
    signed = [row for row in present if row["action"] in {"approve", "endorse"}]
    for place, row in enumerate(signed):
        if row["limit_version"] is None:
            continue
        told = f"step {row['number']}"
        allowances = _in_force(versions, row["judged_at"])
        if allowances.number != row["limit_version"]:
            yield f"{told} was judged by version {row['limit_version']}; {allowances.number} held then"
        yield from (f"{told} {fault}" for fault in _faults_of_limits(row, allowances))
        yield from (f"{told} {fault}" for fault in _faults_of_person(row, present[0]))
        yield from (f"{told} {fault}" for fault in _faults_of_sums(row, signed[:place], allowances))


def _in_force(versions: Versions, at: datetime) -> Allowances:
    return versions[bisect_right(versions, at, key=lambda version: version[0]) - 1][1]


def _faults_of_limits(row: Mapping[str, Any], allowances: Allowances) -> Iterator[str]:
    limits = allowances.limits(row["authority"], row["currency"], row["team_id"])
    for scope in SCOPES:
        allowed = limits.minor(scope, row["currency"])
        if allowed != row[f"{scope}_limit"]:
            yield f"reckons with {row[f'{scope}_limit']} for one {scope}; {allowed} was allowed"


def _faults_of_person(row: Mapping[str, Any], submitted: Mapping[str, Any]) -> Iterator[str]:
    people = {row["actor_id"], row["in_name_of"]} - {None}
    itself = row["number"] == submitted["number"] + 1 and row["actor_id"] == submitted["actor_id"]
    if row["drafted_by"] in people and not (itself and row["in_name_of"] is None):
        yield "is by whoever drafted it, or in their name"
    if row["conflicts"] is not None:
        yield f"is by somebody in conflict with whoever drafted it ({row['conflicts']})"
    if row["delegation_id"] is not None:
        yield from _faults_of_delegation(row)


def _faults_of_delegation(row: Mapping[str, Any]) -> Iterator[str]:
    if (row["lender_id"], row["delegate_id"]) != (row["in_name_of"], row["actor_id"]):
        yield "names a delegation of others"
    ended = row["ends_at"] if row["revoked_at"] is None else min(row["ends_at"], row["revoked_at"])
    if not row["starts_at"] <= row["judged_at"] < ended:
        yield "is by a delegation that did not hold then"


def _faults_of_sums(
    row: Mapping[str, Any], before: Sequence[Mapping[str, Any]], allowances: Allowances
) -> Iterator[str]:
    over = [scope for scope in SCOPES if row[f"{scope}_minor"] + row["amount_minor"] > row[f"{scope}_limit"]]
    if row["together_minor"] is not None and row["together_minor"] > row["case_limit"]:
        over.append("together")
    if not over:
        return
    if not allowances.signs_above(row["authority"]):
        yield f"passes what was allowed ({', '.join(over)})"
    elif row["action"] == "approve":
        people = {row["actor_id"], row["in_name_of"]} - {None}
        others = [item for item in before if not people & {item["actor_id"], item["in_name_of"]}]
        if not others:
            yield f"passes what was allowed ({', '.join(over)}), and nobody else signed it before"


_UNDECIDED: Final = text("""
    SELECT t.offer_id, t.number, t.action FROM offer_transition t
    WHERE t.actor_kind <> 'system' AND t.action IN ('approve', 'endorse')
        AND NOT EXISTS (SELECT FROM offer_decision d WHERE d.offer_id = t.offer_id AND d.number = t.number
                        AND d.action = t.action AND d.actor_id IS NOT DISTINCT FROM t.actor_id)
    ORDER BY t.offer_id, t.number
""")


def approvals_kept(session: Session) -> Iterator[Violation]:
    """Every approval stands in the ledger of decisions, by whoever took the step."""
    for row in session.execute(_UNDECIDED):
        detail = f"step {row.number} ({row.action}) has no decision, or one of somebody else"
        yield Violation("recovery.approvals_kept", f"offer {row.offer_id}", detail)


_WAITING: Final = text("""
    SELECT o.id, o.status, r.id IS NOT NULL AS waits FROM offer o
    LEFT JOIN approval_request r ON r.offer_id = o.id AND r.closed_at IS NULL
    WHERE (o.status = 'pending_approval') <> (r.id IS NOT NULL)
    ORDER BY o.id
""")


def pending_offers_wait(session: Session) -> Iterator[Violation]:
    """What waits for approval is in the queue, and nothing else is."""
    for row in session.execute(_WAITING):
        detail = f"{row.status}, and {'waits' if row.waits else 'waits nowhere'}"
        yield Violation("recovery.pending_offers_wait", f"offer {row.id}", detail)


CHECKS: Final[tuple[Check, ...]] = (approvals_within_authority, approvals_kept, pending_offers_wait)
