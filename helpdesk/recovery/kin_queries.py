"""Which complaints are of the same person, or about the same matter, and what was given on them.

What an order is called stands in the fields that the rules name (`reference_fields`). A complaint's `external_id` is its own
number in one source, and says nothing of an order: no two complaints of a source share one, and those of two sources only by chance.

For the program itself: no visibility. A guard that saw only what its caller sees would be got round by the next team; what is
shown of what it found is for `compensation` and `claims` to bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, String, bindparam, column, func, select, text
from sqlalchemy.orm import Session

from helpdesk.complaints.likeness import LONGEST
from helpdesk.customers.models import Customer
from helpdesk.kernel import advisory
from helpdesk.recovery import guard_queries
from helpdesk.recovery.guard_rules import GuardRules
from helpdesk.recovery.lifecycle import ENDED, GRANTED

PERSON: Final = frozenset({"customer", "email", "phone"})
"""Ties that make two complaints one person's."""
MATTER: Final = frozenset({"reference", "duplicate", "merged"})
"""Ties that make them one matter, whoever complains."""
PARTED: Final = frozenset({"split", "was_merged"})
"""Ties of complaints that were one once: what was offered before they were parted was for all of it."""
MOST: Final = 500
"""Kin that are looked at: the latest."""


@dataclass(frozen=True, slots=True)
class Kin:
    """`ties`: how it hangs together with the complaint: customer, email, phone, reference, duplicate, merged, link; `split`: one was
    split from the other, by however many steps; `was_merged`: this one, or what goes on in it, was merged into it, which was undone. `protected`: a need
    or a danger is recorded there.
    """

    id: UUID
    ties: frozenset[str]
    customer_id: UUID | None
    received_at: datetime
    protected: bool

    @property
    def same_person(self) -> bool:
        return bool(self.ties & PERSON)


_WHOLE: Final = """
    whole(id, parted_at) AS (
        SELECT l.to_id, l.created_at FROM complaint_link l WHERE l.from_id = :id AND l.kind = 'split_from'
        UNION
        SELECT l.to_id, l.created_at FROM whole w JOIN complaint_link l ON l.from_id = w.id AND l.kind = 'split_from'
    )"""
"""What the complaint was split from, and what that was: each with when the part that has become this one left it."""
_ONCE: Final = """
    here(id) AS (SELECT CAST(:id AS uuid) UNION SELECT c.id FROM complaint c WHERE c.merged_into_id = :id),
    once(id, since, until) AS (
        SELECT m.survivor_id, m.merged_at, coalesce(m.undone_at, 'infinity')
        FROM here JOIN complaint_merge m ON m.source_id = here.id
        UNION
        SELECT m.survivor_id, greatest(o.since, m.merged_at), least(o.until, coalesce(m.undone_at, 'infinity'))
        FROM once o JOIN complaint_merge m ON m.source_id = o.id
        WHERE greatest(o.since, m.merged_at) < least(o.until, coalesce(m.undone_at, 'infinity'))
    )"""
"""`here`: what goes on in the complaint; `once`: in which others each of it went on, and from when until when."""
_KIN: Final = text(rf"""
    WITH RECURSIVE {_WHOLE}, {_ONCE},
    me AS (SELECT customer_id FROM complaint WHERE id = :id),
    mine AS (
        SELECT lower(email) AS email, "right"(regexp_replace(phone, '\D', '', 'g'), 9) AS phone
        FROM complaint_person WHERE complaint_id = :id AND role = 'complainant'
    ),
    tied(id, tie) AS (
        SELECT c.id, 'customer' FROM me JOIN complaint c ON c.customer_id = me.customer_id
        UNION ALL
        SELECT p.complaint_id, 'email' FROM mine JOIN complaint_person p ON lower(p.email) = mine.email
        WHERE p.email IS NOT NULL AND p.role = 'complainant'
        UNION ALL
        SELECT p.complaint_id, 'phone' FROM mine
        JOIN complaint_person p ON "right"(regexp_replace(p.phone, '\D', '', 'g'), 9) = mine.phone
        WHERE p.phone IS NOT NULL AND p.role = 'complainant' AND length(mine.phone) >= 6
        UNION ALL
        SELECT theirs.complaint_id, 'reference' FROM complaint_custom_value ours
        JOIN custom_field f ON f.id = ours.field_id AND f.key = ANY(:fields)
        JOIN complaint_custom_value theirs ON theirs.field_id = ours.field_id AND theirs.text = ours.text
        WHERE ours.complaint_id = :id
        UNION ALL
        SELECT CASE WHEN l.from_id = :id THEN l.to_id ELSE l.from_id END,
               CASE l.kind WHEN 'duplicate_of' THEN 'duplicate' WHEN 'split_from' THEN 'split' ELSE 'link' END
        FROM complaint_link l WHERE l.from_id = :id OR l.to_id = :id
        UNION ALL
        SELECT whole.id, 'split' FROM whole
        UNION ALL
        SELECT once.id, 'was_merged' FROM once WHERE once.until < 'infinity'
        UNION ALL
        SELECT here.id, 'merged' FROM here
        UNION ALL
        SELECT CASE WHEN m.source_id = :id THEN m.survivor_id ELSE m.source_id END, 'merged'
        FROM complaint_merge m WHERE (m.source_id = :id OR m.survivor_id = :id) AND m.undone_at IS NULL
    )
    SELECT c.id, c.customer_id, c.received_at, c.vulnerable OR c.safety AS protected, array_agg(DISTINCT tied.tie) AS ties
    FROM tied JOIN complaint c ON c.id = tied.id WHERE c.id <> :id
    GROUP BY c.id ORDER BY c.received_at DESC, c.id LIMIT :most
""").bindparams(bindparam("fields", type_=ARRAY(String)))  # noqa: S608  # the part that both share is ours


def kin_of(session: Session, complaint_id: UUID, rules: GuardRules) -> list[Kin]:
    given = {"id": complaint_id, "fields": list(rules.reference_fields), "most": MOST}
    return [
        Kin(row.id, frozenset(row.ties), row.customer_id, row.received_at, row.protected)
        for row in session.execute(_KIN, given)
    ]


def under_review(session: Session, complaint_id: UUID) -> list[UUID]:
    """Of this complaint and others of the same person those that have an open review, in the order in which they are locked."""
    rules = guard_queries.rules_in_force(session)
    theirs = [one.id for one in kin_of(session, complaint_id, rules) if one.same_person]
    return guard_queries.open_among(session, [complaint_id, *theirs])


_KEYS: Final = text(r"""
    SELECT 'customer:' || customer_id FROM complaint WHERE id = :id AND customer_id IS NOT NULL
    UNION SELECT 'email:' || lower(email) FROM complaint_person
    WHERE complaint_id = :id AND role = 'complainant' AND email IS NOT NULL
    UNION SELECT 'phone:' || "right"(regexp_replace(phone, '\D', '', 'g'), 9) FROM complaint_person
    WHERE complaint_id = :id AND role = 'complainant' AND phone IS NOT NULL
    UNION SELECT 'field:' || v.field_id || ':' || v.text FROM complaint_custom_value v
    JOIN custom_field f ON f.id = v.field_id AND f.key = ANY(:fields) WHERE v.complaint_id = :id AND v.text IS NOT NULL
    UNION SELECT 'complaint:' || unnest(ARRAY[from_id, to_id]) FROM complaint_link WHERE from_id = :id OR to_id = :id
    UNION SELECT 'complaint:' || CAST(:id AS uuid)
""").bindparams(bindparam("fields", type_=ARRAY(String)))
_WANTED: Final = bindparam("wanted", type_=ARRAY(String))
_IN_ORDER: Final = (
    select(column("name")).select_from(func.unnest(_WANTED).alias("name")).order_by(column("name")).subquery()
)
_ALONE: Final = select(func.pg_advisory_xact_lock(advisory.key_of(advisory.Each.COMPENSATION, _IN_ORDER.c.name)))


def one_at_a_time(session: Session, complaint_id: UUID, rules: GuardRules) -> None:
    """Nobody else drafts for the same person or matter until the transaction ends: of two drafts at once on two complaints each
    would see the other missing. Taken after the complaint's lock and before the budget's; all names in one order.
    """
    names = session.scalars(_KEYS, {"id": complaint_id, "fields": list(rules.reference_fields)}).all()
    session.execute(_ALONE, {"wanted": list(names)})  # which the database puts in order: its order is not Python's


@dataclass(frozen=True, slots=True)
class Given:
    """An offer that compensates, or would, and what its complaint has in common with this one. `codes`: issues, of now or of when
    it was drafted. `for_both`: it was drafted while its complaint was one with this one, or with what this one is a part of.
    """

    offer_id: UUID
    complaint_id: UUID
    kind: str
    amount_minor: int
    currency: str
    status: str
    drafted_at: datetime
    codes: tuple[str, ...]
    other_order: bool
    for_both: bool


_GIVEN: Final = text(f"""
    WITH RECURSIVE {_WHOLE}, {_ONCE}
    SELECT o.id, o.complaint_id, o.kind, o.amount_minor, o.currency, o.status, o.created_at,
           ARRAY(
               SELECT DISTINCT coalesce(theirs.issue, theirs.category) FROM complaint_issue ours
               JOIN (
                   SELECT had.category, had.issue FROM complaint_issue had WHERE had.complaint_id = o.complaint_id
                   UNION
                   SELECT told.category, told.issue
                   FROM jsonb_to_recordset(o.suggestion -> 'issues') AS told(category text, issue text)
               ) AS theirs ON theirs.issue = ours.issue
                   OR (theirs.category = ours.category AND (theirs.issue IS NULL OR ours.issue IS NULL))
               WHERE ours.complaint_id = :id ORDER BY 1
           ) AS codes,
           EXISTS (
               SELECT FROM complaint_custom_value ours
               JOIN custom_field f ON f.id = ours.field_id AND f.key = ANY(:fields)
               JOIN complaint_custom_value theirs ON theirs.field_id = ours.field_id AND theirs.text <> ours.text
               WHERE ours.complaint_id = :id AND theirs.complaint_id = o.complaint_id
           ) AS other_order,
           EXISTS (SELECT FROM whole WHERE whole.id = o.complaint_id AND o.created_at <= whole.parted_at) OR EXISTS (
               SELECT FROM once WHERE once.id = o.complaint_id AND o.created_at >= once.since
               AND o.created_at < once.until AND once.until < 'infinity'
           ) AS for_both
    FROM offer o
    WHERE o.amount_minor IS NOT NULL AND o.status <> ALL(:ended) AND o.created_at >= :since
      AND (o.complaint_id = ANY(:kin) OR (o.complaint_id = :id AND EXISTS (
          SELECT FROM complaint_merged_row r JOIN complaint_merge m ON m.id = r.merge_id AND m.undone_at IS NULL
          WHERE r.row_id = o.id AND r.kind = 'offer')))
    ORDER BY o.id
""").bindparams(bindparam("fields", type_=ARRAY(String)))  # noqa: S608  # the part that both share is ours


def given_on(session: Session, complaint_id: UUID, kin: Sequence[Kin], rules: GuardRules, now: datetime) -> list[Given]:
    """What was offered for money on these complaints, or came to this one by a merge, and has not come to nothing."""
    rows = session.execute(
        _GIVEN,
        {
            "id": complaint_id,
            "kin": [one.id for one in kin],
            "fields": list(rules.reference_fields),
            "ended": sorted(ENDED),
            "since": now - timedelta(days=rules.duplicate_days),
        },
    )
    return [
        Given(
            offer_id=row.id,
            complaint_id=row.complaint_id,
            kind=row.kind,
            amount_minor=row.amount_minor,
            currency=row.currency,
            status=row.status,
            drafted_at=row.created_at,
            codes=tuple(row.codes),
            other_order=row.other_order,
            for_both=row.for_both,
        )
        for row in rows
    ]


_CLAIMS: Final = text("""
    SELECT c.id, c.status, c.outcome, c.currency, c.price_minor, c.subject || ' ' || left(c.description, :longest) AS words,
           c.custom_fields ->> CAST(:bought AS text) AS bought, c.loss_minor, c.fault, c.channel, c.stage, c.received_at,
           EXISTS (SELECT FROM offer o WHERE o.complaint_id = c.id AND o.amount_minor IS NOT NULL
                   AND o.status = ANY(:granted)) AS paid,
           (SELECT max(o.delivered_at) FROM offer o WHERE o.complaint_id = c.id AND o.amount_minor IS NOT NULL
                   AND o.status = ANY(:granted)) AS delivered_at,
           EXISTS (SELECT FROM complaint_issue i WHERE i.complaint_id = c.id AND i.evidence IS NOT NULL AND
                   CASE WHEN i.outcome IS NULL THEN c.outcome IS NULL AND c.fault IN ('firm', 'shared')
                        ELSE i.outcome IN ('upheld', 'partly_upheld') END) AS evidence,
           EXISTS (SELECT FROM complaint_attachment a LEFT JOIN complaint_message m ON m.id = a.message_id
                   WHERE a.complaint_id = c.id AND NOT a.internal AND (a.author_kind = 'complainant' OR m.kind = 'inbound'
                   OR (a.message_id IS NULL AND a.author_kind <> 'agent'))) AS files
    FROM complaint c WHERE c.id = ANY(:ids)
""")


def claims(session: Session, ids: Sequence[UUID], rules: GuardRules) -> dict[UUID, Any]:
    """What the score goes by, of each of these complaints. `evidence`: that was found for what they say; what refutes it is none.
    `files`: that came from the complainant's side.
    """
    given = {
        "ids": list(ids),
        "bought": rules.purchase_date_field or "",
        "granted": sorted(GRANTED),
        "longest": LONGEST,
    }
    return {row.id: row for row in session.execute(_CLAIMS, given)}


def customer_since(session: Session, customer_id: UUID | None) -> datetime | None:
    if customer_id is None:
        return None
    return session.execute(select(Customer.created_at).where(Customer.id == customer_id)).scalar_one_or_none()
