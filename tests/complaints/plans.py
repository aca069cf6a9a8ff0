"""A database of a hundred thousand complaints, filled in seconds, and how PostgreSQL goes about a statement there.

A few hundred complaints come in through the program's door; the rest are copies of them made in SQL, with times, states,
teams and whatever else lists ask for scattered over them as they are in a firm that has worked for three years: most are
closed, few are urgent, some tags are on every second one and some on ten.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

from helpdesk.complaints import custom_fields, intake
from helpdesk.complaints.custom_field_schemas import CustomFieldIn
from helpdesk.complaints.models import Complaint, Issue
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.sla.models import Clock
from helpdesk.taxonomy.terms import shipped
from helpdesk.wiring import Program
from tests.conftest import complaint_body, make_team

COMPLAINTS: Final = 100_000
_BASE: Final = 250
BIG: Final = {
    "complaint",
    "complaint_issue",
    "complaint_tag",
    "complaint_custom_value",
    "complaint_person",
    "complaint_message",
    "complaint_search",
    "sla_clock",
    "event",
}
"""Tables that grow with the complaints. Vocabularies are small, and read as it is cheapest."""

TAGS: Final[Mapping[str, str]] = {
    "common": "h / 3 % 20 = 0",
    "everywhere": "h % 2 = 0",
    "old": "n < 20000 AND h / 7 % 10 = 0",
    "rare": "h / 5 % 10000 = 0",
}
"""Which complaints carry it, in SQL; `old`: only of those that came in first."""


FIELDS: Final[tuple[dict[str, Any], ...]] = (
    {
        "key": "colour",
        "label": "Colour",
        "type": "choice",
        "options": [{"code": code, "label": code} for code in ("red", "blue", "black")],
        "filterable": True,
    },
    {"key": "weight", "label": "Weight", "type": "number", "filterable": True},
    {"key": "due", "label": "Due", "type": "date", "filterable": True},
)
VALUES: Final[Mapping[str, tuple[str, str, str]]] = {
    "colour": (
        "true",
        "CASE WHEN h / 47 % 5000 = 0 THEN 'black' WHEN h / 47 % 2 = 0 THEN 'red' ELSE 'blue' END",
        "NULL::numeric",
    ),
    "due": ("h / 67 % 3 = 0", "(date '2024-01-01' + h / 59 % 1000)::text", "(738886 + h / 59 % 1000)::numeric"),
    "weight": ("h / 61 % 2 = 1", "(h / 53 % 1000)::text", "(h / 53 % 1000)::numeric"),
}
"""Which complaints have a value in each field, and what it is, as text and as number, in SQL; a day counts from the year 1, as Python counts it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`manager` sees everything, `agent` two in five, `newcomer` (of a team that has nothing) one in five."""

    program: Program
    team_id: UUID
    other_team_id: UUID
    idle_team_id: UUID
    customer_id: UUID
    actors: Mapping[str, Actor]


Ask = Callable[[Session, Scene, Actor], object]
"""Something that is asked of the database; every statement that it sends is looked at."""


def fill(program: Program, actors: Callable[[list[UUID]], Mapping[str, Actor]]) -> Scene:
    """`actors`: makes them, given a team with complaints and one without."""
    team_ids = [make_team(program.database, f"Team {number}") for number in range(5)]
    for body in FIELDS:
        with program.database.unit_of_work(SYSTEM) as uow:
            custom_fields.create(uow, CustomFieldIn().load(body))
    people = actors([team_ids[0], team_ids[4]])
    with program.database.unit_of_work(SYSTEM) as uow:
        for number in range(_BASE):
            person = {"email": f"li.{number % 50}@example.com"}
            body = complaint_body(complainant=person, tags=list(TAGS) if number == 0 else [])
            intake.receive(uow, SYSTEM, ComplaintIn().load(body))
    with program.engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        _multiply(connection, {"teams": team_ids[:4], "assignee": people["agent"].id})
    with program.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        customer_id = connection.execute(text("SELECT customer_id FROM complaint ORDER BY id LIMIT 1")).scalar_one()
    return Scene(program, team_ids[0], team_ids[1], team_ids[4], customer_id, people)


_NEW: Final = f"n > {COMPLAINTS} - 4000"


def _each(value: str) -> str:
    """SQL of an array that holds the value of every tag that the complaint carries."""
    cases = [f"CASE WHEN {rule} THEN {value.format(name=name)} END" for name, rule in TAGS.items()]
    return f"array_remove(ARRAY[{', '.join(cases)}], NULL)"


_SCATTERED: Final[Mapping[str, str]] = {
    "id": "new_id",
    "reference": "'C-' || n",
    "received_at": "at",
    "updated_at": "at + h % 1000 * interval '1 hour'",
    "status": f"CASE WHEN {_NEW} OR h % 33 = 0 THEN (ARRAY['received', 'investigated'])[1 + h / 7 % 2] "
    "ELSE (ARRAY['resolved', 'followed_up', 'followed_up', 'followed_up', 'withdrawn'])[1 + h / 7 % 5] END",
    "next_due_at": f"CASE WHEN {_NEW} OR h % 33 = 0 THEN at + h % 2000 * interval '1 hour' ELSE '9999-12-31Z' END",
    "assigned_at": "CASE WHEN h / 29 % 400 = 0 THEN at END",
    "awaits_agent": f"h / 29 % 400 <> 0 AND h / 41 % 4 = 0 AND ({_NEW} OR h % 33 = 0)",
    "severity": "'S' || 1 + least(h / 11 % 6, 4)",
    "channel": f"({list(shipped().codes('channel')[:6])})[1 + h / 13 % 6]".replace("([", "(ARRAY["),
    "waiting_on": "(ARRAY['us', 'us', 'us', 'customer', 'third_party', 'nobody'])[1 + h / 17 % 6]",
    "stage": "(ARRAY['1', '1', '1', '1', '1', '1', '1', '1', '1', '1', '2', 'external'])[1 + h / 19 % 12]",
    "team_id": "(CAST(:teams AS uuid[]))[1 + h / 23 % 5]",
    "assignee_id": "CASE WHEN h / 29 % 400 = 0 THEN CAST(:assignee AS uuid) END",
    "language": "CASE WHEN h / 79 % 2000 = 0 THEN 'fr' WHEN h / 79 % 3 = 0 THEN 'zh' ELSE 'en' END",
    "vulnerable": "h / 83 % 50 = 0",
    "escalation_level": "CASE WHEN h / 89 % 100 = 0 THEN 2 WHEN h / 89 % 20 = 1 THEN 1 ELSE 0 END",
    "source": "CASE WHEN h / 31 % 3 = 0 THEN (ARRAY['shop', 'shop', 'branch'])[1 + h / 37 % 3] END",
    "external_id": "CASE WHEN h / 31 % 3 = 0 THEN 'x-' || n END",
    "tags": _each("'{name}'"),
    "terms": _each("'tag:' || (SELECT id FROM tag WHERE name = '{name}')")
    + " || array_remove(ARRAY["
    + ", ".join(f"CASE WHEN {rule} THEN '{key}=' || {value} END" for key, (rule, value, _) in VALUES.items())
    + "], NULL)",
}

_COPIES: Final = f"""
CREATE TEMPORARY TABLE copy ON COMMIT DROP AS
SELECT n, abs(hashint4(n)) AS h, gen_random_uuid() AS new_id, base.id AS old_id,
       now() - ({COMPLAINTS} - n) * interval '15 minutes' AS at
FROM generate_series(1, {COMPLAINTS - _BASE}) AS n
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM complaint) AS base ON base.place = 1 + n % {_BASE}
"""


def _multiply(connection: Connection, values: dict[str, Any]) -> None:
    """Foreign keys and indexes are made anew afterwards: to keep them up row by row would be most of the time."""
    made_again = [*_without(connection, _FOREIGN_KEYS), *_without(connection, _INDEXES)]
    connection.execute(text(_COPIES))
    names = [column.name for column in Complaint.__table__.columns]
    chosen = ", ".join(_SCATTERED.get(name, f"complaint.{name}") for name in names)
    connection.execute(
        text(
            f"INSERT INTO complaint ({', '.join(names)}) "
            f"SELECT {chosen} FROM copy JOIN complaint ON complaint.id = copy.old_id ORDER BY n"
        ),
        values,
    )
    names = [column.name for column in Issue.__table__.columns if column.name not in {"id", "complaint_id", "issue"}]
    connection.execute(
        text(
            f"INSERT INTO complaint_issue (id, complaint_id, issue, {', '.join(names)}) "
            "SELECT gen_random_uuid(), new_id, (ARRAY['DEL.LATE', 'DEL.LOST', 'DEL.DAMAGED'])[1 + h / 43 % 3], "
            f"{', '.join(names)} FROM copy JOIN complaint_issue ON complaint_issue.complaint_id = copy.old_id"
        )
    )
    connection.execute(text(_PEOPLE))
    connection.execute(text(_WORDED))
    connection.execute(text(_THREADS))
    connection.execute(text(_WATCHED), values)
    connection.execute(text(_clocks().replace(":", "\\:")))
    for name, rule in TAGS.items():
        link = "INSERT INTO complaint_tag (complaint_id, tag_id, received_at) SELECT new_id, tag.id, at FROM copy, tag"
        connection.execute(text(f"{link} WHERE tag.name = '{name}' AND {rule}"))
    for key, (rule, value, number) in VALUES.items():
        connection.execute(
            text(
                "INSERT INTO complaint_custom_value (complaint_id, field_id, place, received_at, text, number) "
                f"SELECT new_id, custom_field.id, 0, at, {value}, {number} FROM copy, custom_field WHERE key = '{key}' AND {rule}"
            )
        )
    for statement in reversed(made_again):
        connection.execute(text(statement))


WORDS: Final[Mapping[str, int]] = {"second": 2, "twentieth": 20, "hundredth": 100, "thousandth": 1000}
"""Words of the text, and of how many complaints one has each."""
_WORDED: Final = f"""
INSERT INTO complaint_search (complaint_id, segment, received_at, several, places, vector)
SELECT new_id, segment, at, several, places, vector || array_to_tsvector(array_remove(ARRAY[{
    ", ".join(f"CASE WHEN h / 47 % {number} = 0 THEN '{word}' END" for word, number in WORDS.items())
}], NULL))
FROM copy JOIN complaint_search ON complaint_search.complaint_id = copy.old_id
"""
_PEOPLE: Final = """
INSERT INTO complaint_person (id, complaint_id, role, email, phone)
SELECT gen_random_uuid(), new_id, 'complainant', 'li.' || h % 20000 || '@example.com', '+86 10 ' || 10000000 + h % 30000
FROM copy
"""
_THREADS: Final = """
INSERT INTO complaint_message (id, complaint_id, kind, purpose, author_kind, body, mentions, created_at)
SELECT gen_random_uuid(), new_id, CASE WHEN h / 71 % 2 = 0 THEN 'inbound' ELSE 'internal_note' END, 'message', 'agent',
       'The parcel is late.', '[]', at + interval '3 hours'
FROM copy WHERE h / 53 % 4 = 0
"""
_WATCHED: Final = """
INSERT INTO complaint_watcher (complaint_id, agent_id, created_at)
SELECT new_id, CAST(:assignee AS uuid), at FROM copy WHERE h / 97 % 300 = 0
"""
_STANDS: Final[Mapping[str, str]] = {
    "id": "gen_random_uuid()",
    "complaint_id": "new_id",
    "started_at": "at",
    "due_at": "at + h % 2000 * interval '1 hour'",
    "state": f"CASE WHEN {_NEW} OR h % 33 = 0 THEN 'running' ELSE 'met' END",
    "stopped_at": f"CASE WHEN NOT ({_NEW} OR h % 33 = 0) THEN at + h % 1900 * interval '1 hour' END",
    "elapsed_seconds": f"CASE WHEN NOT ({_NEW} OR h % 33 = 0) THEN h % 1900 * 1200 END",
    "next_threshold": f"CASE WHEN {_NEW} OR h % 33 = 0 THEN 100 END",
    "next_alarm_at": f"CASE WHEN {_NEW} OR h % 33 = 0 THEN at + h % 2000 * interval '1 hour' END",
    "pauses": "CASE WHEN h / 73 % 4 = 0 THEN jsonb_build_array(jsonb_build_array("
    "to_char((at + interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
    "to_char((at + interval '9 hours') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))) ELSE '[]' END",
}
"""Of the promise to resolve, which every complaint has; the columns that differ from the one that is copied."""


def _clocks() -> str:
    names = [column.name for column in Clock.__table__.columns]
    chosen = ", ".join(_STANDS.get(name, f"sla_clock.{name}") for name in names)
    return (
        f"INSERT INTO sla_clock ({', '.join(names)}) SELECT {chosen} FROM copy "
        "JOIN sla_clock ON sla_clock.complaint_id = copy.old_id AND sla_clock.kind = 'resolve'"
    )


_TABLES: Final = (
    "complaint",
    "complaint_issue",
    "complaint_person",
    "complaint_tag",
    "complaint_custom_value",
    "complaint_search",
    "complaint_message",
    "sla_clock",
)
_FILLED: Final = f"ANY (CAST(ARRAY[{', '.join(map(repr, _TABLES))}] AS regclass[]))"
_FOREIGN_KEYS: Final = f"""
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS gone,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS made
FROM pg_constraint WHERE contype = 'f' AND (conrelid = {_FILLED} OR confrelid = {_FILLED})
"""
_INDEXES: Final = f"""
SELECT format('DROP INDEX %s', indexrelid::regclass) AS gone, pg_get_indexdef(indexrelid) AS made
FROM pg_index WHERE indrelid = {_FILLED} AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def _without(connection: Connection, what: str) -> Iterator[str]:
    """Takes them away; how each is made again."""
    for gone, made in connection.execute(text(what)).all():
        connection.execute(text(gone))
        yield made


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the program sent it, and what PostgreSQL did for it."""

    sql: str
    plan: Mapping[str, Any]

    def nodes(self) -> Iterator[Mapping[str, Any]]:
        waiting = [self.plan]
        while waiting:
            node = waiting.pop()
            waiting += node.get("Plans", ())
            yield node

    def scanned_whole(self) -> list[str]:
        """Big tables that were read from end to end."""
        return [
            node["Relation Name"]
            for node in self.nodes()
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG
        ]

    def most_sorted(self) -> int:
        """Rows that had to be there before the first one could be given out."""
        sorts = [node for node in self.nodes() if node["Node Type"] == "Sort"]
        return max((rows_of(node["Plans"][0]) for node in sorts), default=0)

    def touched(self) -> int:
        """Rows that were looked at in big tables."""
        return sum(rows_of(node) + _dropped(node) for node in self.nodes() if node.get("Relation Name") in BIG)

    def readable(self) -> str:
        return f"{self.sql}\n{json.dumps(self.plan, indent=1)}"


def rows_of(node: Mapping[str, Any]) -> int:
    return int(node["Actual Rows"] * node["Actual Loops"])


def _dropped(node: Mapping[str, Any]) -> int:
    dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(dropped * node["Actual Loops"])


def look_at(scene: Scene, actor: Actor, ask: Ask) -> list[Statement]:
    """Ask, and explain every statement that was sent for it, with the values that it was sent with."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    engine = scene.program.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        with scene.program.database.reader() as session:
            ask(session, scene, actor)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        return [Statement(sql, _explained(connection, sql, parameters)) for sql, parameters in sent]


def _explained(connection: Connection, sql: str, parameters: Any) -> Mapping[str, Any]:
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}"
    found: Any = connection.exec_driver_sql(explain, parameters).scalar_one()
    return dict(found[0]["Plan"])
