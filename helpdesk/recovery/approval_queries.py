"""Every select that judges an approval: what was granted before, and what belongs together. Each for many offers at once, so
that a list of what waits is judged as one offer is, by the same statements.

Locks are taken in one order: complaint, offer, the rules among others (`allowance_queries.among_others`), the turns below,
the budget.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Person
from helpdesk.kernel import advisory
from helpdesk.kernel.money import Money
from helpdesk.recovery.authority import CUSTOMER_DAYS, Sums
from helpdesk.recovery.decision_models import GRANTS
from helpdesk.recovery.lifecycle import GRANTED
from helpdesk.recovery.structuring import Earlier, Flagged, Near


def take_turns(session: Session, customer_id: UUID | None, person_ids: Iterable[UUID | None]) -> None:
    """Let nobody else grant to this customer, or in these people's names, until the transaction ends.

    Sums over several complaints cannot be guarded by one complaint's lock: ten offers approved at once would each see
    the others missing. The customer first, then people in the order of their ids.
    """
    people = sorted({person_id for person_id in person_ids if person_id is not None})
    for kind, subject in (("customer", customer_id), *(("approver", person_id) for person_id in people)):
        if subject is not None:
            advisory.lock_each(session, advisory.Each.AUTHORITY, f"helpdesk.authority:{kind}:{subject}")


# What an offer is to replace is not given beside it: of the two the customer gets one. A complaint without a customer has no other
# of theirs: nobody's are not added up.
_SUMS: Final = text("""
    SELECT o.id AS offer_id, 'case' AS scope, x.currency, sum(x.amount_minor) AS minor
    FROM offer o JOIN offer x ON x.complaint_id = o.complaint_id
    WHERE o.id = ANY(:offers) AND x.id <> o.id AND x.id IS DISTINCT FROM o.successor_of
        AND x.amount_minor IS NOT NULL AND x.status = ANY(:granted)
    GROUP BY o.id, x.currency
    UNION ALL
    SELECT o.id, 'customer', x.currency, sum(x.amount_minor)
    FROM offer o JOIN complaint c ON c.id = o.complaint_id JOIN complaint y ON y.customer_id = c.customer_id
    JOIN offer x ON x.complaint_id = y.id
    WHERE o.id = ANY(:offers) AND x.id <> o.id AND x.id IS DISTINCT FROM o.successor_of
        AND x.amount_minor IS NOT NULL AND x.status = ANY(:granted) AND x.granted_at >= :since
    GROUP BY o.id, x.currency
""")
_DAYS: Final = text("""
    SELECT o.id AS offer_id, day.person_id, x.currency, sum(x.amount_minor) AS minor
    FROM offer o CROSS JOIN (
        SELECT DISTINCT d.offer_id, who.person_id
        FROM offer_decision d CROSS JOIN LATERAL (VALUES (d.actor_id), (d.in_name_of)) AS who (person_id)
        WHERE d.action = ANY(:grants) AND d.at >= :midnight AND who.person_id = ANY(:people)
            AND (d.actor_id = ANY(:people) OR d.in_name_of = ANY(:people))
    ) day JOIN offer x ON x.id = day.offer_id
    WHERE o.id = ANY(:offers) AND x.id <> o.id AND x.id IS DISTINCT FROM o.successor_of AND x.amount_minor IS NOT NULL
        AND (x.status = ANY(:granted) OR x.status = 'pending_approval')
    GROUP BY o.id, day.person_id, x.currency
""")


def granted_before(
    session: Session, offer_ids: Collection[UUID], person_ids: Collection[UUID], now: datetime
) -> Mapping[tuple[UUID, UUID | None], Sums]:
    """By offer and person: what was granted beside it: on the case, to the customer in a year, by the person or in their name
    since midnight UTC. By offer and None: the same for whoever has granted nothing.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    given = {"offers": list(offer_ids), "granted": sorted(GRANTED), "people": list(person_ids), "grants": list(GRANTS)}
    sums: dict[tuple[UUID, str], dict[str, int]] = defaultdict(dict)
    for row in session.execute(_SUMS, {**given, "since": now - timedelta(days=CUSTOMER_DAYS)}):
        sums[row.offer_id, row.scope][row.currency] = int(row.minor)
    days: dict[tuple[UUID, UUID | None], dict[str, int]] = defaultdict(dict)
    for row in session.execute(_DAYS, {**given, "midnight": midnight}) if person_ids else ():
        days[row.offer_id, row.person_id][row.currency] = int(row.minor)
    return {
        (offer_id, person_id): Sums(
            sums[offer_id, "case"], sums[offer_id, "customer"], days.get((offer_id, person_id), {})
        )
        for offer_id in offer_ids
        for person_id in (None, *person_ids)
    }


_NEAR: Final = text("""
    WITH asked AS (
        SELECT o.id, o.complaint_id, o.successor_of, c.customer_id, flag.person_id, flag.currency, flag.limit_minor
        FROM offer o JOIN complaint c ON c.id = o.complaint_id
        LEFT JOIN LATERAL (
            SELECT f.person_id, f.currency, f.limit_minor FROM offer_flag f
            JOIN offer_decision d ON d.offer_id = f.offer_id AND d.number = f.number AND d.action = 'submit'
            WHERE f.offer_id = o.id AND NOT f.refused
            ORDER BY f.number DESC LIMIT 1
        ) flag ON true
        WHERE o.id = ANY(:offers)
    ), near AS (
        SELECT id, complaint_id, 1 AS rank, 'same_complaint' AS relation FROM asked
        UNION ALL
        SELECT a.id, m.source_id, 2, 'merged' FROM asked a
            JOIN complaint_merge m ON m.survivor_id = a.complaint_id AND m.undone_at IS NULL
        UNION ALL
        SELECT a.id, l.to_id, 3, 'linked' FROM asked a JOIN complaint_link l ON l.from_id = a.complaint_id
        UNION ALL
        SELECT a.id, l.from_id, 3, 'linked' FROM asked a JOIN complaint_link l ON l.to_id = a.complaint_id
        UNION ALL
        SELECT a.id, y.id, 4, 'same_customer' FROM asked a
            JOIN complaint y ON y.customer_id = a.customer_id AND y.id <> a.complaint_id
    )
    SELECT DISTINCT ON (a.id, x.id) a.id AS asked_id, x.id, x.complaint_id, n.relation, x.amount_minor, x.currency,
           x.drafted_by, x.approvals, x.granted_at, a.person_id, a.limit_minor, a.currency AS limit_currency
    FROM near n JOIN asked a ON a.id = n.id
    JOIN offer x ON x.complaint_id = n.complaint_id AND x.id <> a.id AND x.amount_minor IS NOT NULL
        AND x.id IS DISTINCT FROM a.successor_of
    WHERE x.status = ANY(:granted) AND x.granted_at >= :since
    ORDER BY a.id, x.id, n.rank
""")


def granted_near(session: Session, offer_ids: Collection[UUID], since: datetime) -> Mapping[UUID, Near]:
    """By offer: what was granted since on its complaint, on others of its customer, and on those linked with or merged into
    its complaint; and how it was flagged when it was submitted last.
    """
    found: dict[UUID, list[Earlier]] = {}
    flagged: dict[UUID, Flagged] = {}
    rows = session.execute(_NEAR, {"offers": list(offer_ids), "granted": sorted(GRANTED), "since": since})
    for row in rows:
        earlier = Earlier(
            row.id,
            row.complaint_id,
            row.relation,
            Money(row.amount_minor, row.currency),
            row.drafted_by,
            signers(row.approvals),
            row.granted_at,
        )
        found.setdefault(row.asked_id, []).append(earlier)
        if row.limit_minor is not None:
            flagged[row.asked_id] = Flagged(row.person_id, Money(row.limit_minor, row.limit_currency))
    return {offer_id: Near(offers, flagged.get(offer_id)) for offer_id, offers in found.items()}


def signers(approvals: Sequence[Mapping[str, Any]]) -> frozenset[UUID]:
    """Of an offer's approvals: who gave them, and in whose names."""
    names = (item.get(name) for item in approvals for name in ("agent_id", "in_name_of"))
    return frozenset(UUID(name) for name in names if name is not None)


def subjects(
    session: Session, complaint_ids: Collection[UUID], person_ids: Collection[UUID]
) -> frozenset[tuple[UUID, UUID]]:
    """Complaint and person, of those complaints that are about one of these people."""
    rows = session.execute(
        select(Person.complaint_id, Person.agent_id).where(
            Person.complaint_id.in_(complaint_ids), Person.role == "subject", Person.agent_id.in_(person_ids)
        )
    )
    return frozenset((row.complaint_id, row.agent_id) for row in rows)
