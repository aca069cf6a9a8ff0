"""A database with a thousand complaints through the program's own door, and one with a hundred times as many.

The larger one is the smaller one multiplied in SQL: each row copied with another id, with all that belongs to it
(customer, issue, person, clocks, events, transitions), and another reference. That takes half a minute where the door
would take several. A copy is consistent but for one thing nobody here looks at: the chain of its events still carries
the original's hashes.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, Identity, text

from helpdesk.complaints import acts, intake, queries
from helpdesk.complaints.action_schemas import BODIES
from helpdesk.complaints.models import Complaint, Issue, Person, TransitionRow
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.complaints.search_models import SearchSegment
from helpdesk.customers.models import Customer
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.authentication import new_token, token_hash
from helpdesk.identity.models import Agent, TeamMember, Token
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.ids import new_id, new_reference
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla.models import Clock
from tests.complaints.steps import GOOD
from tests.conftest import complaint_body, make_team

TEAMS: Final = 4
_BATCH: Final = 250
_SPREAD: Final = timedelta(minutes=5)
"""Complaints came in evenly over this long: lately, so that a clock that is paused has not run out."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What requests are made of. The agent sees its own team's complaints and those of no team: two in five."""

    token: str
    team_id: UUID
    visible: list[str]
    """References of complaints that the agent sees."""
    askable: list[str]
    """Of those, the ones that can wait for an answer and whose promises are not for within the hour."""


Texts = Callable[[int], dict[str, str]]
"""Subject and description of the complaint of this number."""


def _the_same(_number: int) -> dict[str, str]:
    return {}


def fill(database: Database, count: int, texts: Texts = _the_same) -> Filled:
    """`count` complaints into an empty system; those over a thousand are copies, of the text too."""
    team_ids = [make_team(database, f"Team {number}") for number in range(1, TEAMS + 1)]
    token = _agent(database, team_ids[0])
    base = min(count, 1000)
    ids: list[UUID] = []
    while len(ids) < base:
        with database.unit_of_work(SYSTEM) as uow:
            ids += _receive(uow, len(ids), min(_BATCH, base - len(ids)), base, team_ids=team_ids, texts=texts)
    with database.unit_of_work(SYSTEM) as uow:
        _lead_some_on(uow, ids)
    if count > base:
        with database.engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            _multiply(connection, count // base)
    _tidy(database.engine)
    return _filled(database.engine, token, team_ids[0])


def _agent(database: Database, team_id: UUID) -> str:
    agent_id, token = new_id(), new_token()
    with database.unit_of_work(SYSTEM) as uow:
        uow.session.add(
            Agent(id=agent_id, email="bench@example.com", name="Bench", role="agent", active=True, version=1)
        )
        uow.session.flush()  # what follows refers to it
        uow.session.add(TeamMember(team_id=team_id, agent_id=agent_id))
        uow.session.add(Token(id=new_id(), agent_id=agent_id, name="bench", hash=token_hash(token)))
    return token


def _receive(uow: UnitOfWork, first: int, count: int, of: int, *, team_ids: list[UUID], texts: Texts) -> list[UUID]:
    chance = random.Random(first)
    many = []
    for number in range(first, first + count):
        given = ComplaintIn().load(
            complaint_body(
                complainant={"name": "Li Wei", "email": f"li.{number}@example.com", "language": "en"},
                impact=chance.randint(1, 5),
                urgency=chance.randint(1, 4),
                **texts(number),
            )
        )
        given["received_at"] = uow.now - _SPREAD * (1 - number / of)
        given["team_id"] = chance.choice([*team_ids, None])
        many.append(given)
    return intake.receive_many(uow, many)


def _lead_some_on(uow: UnitOfWork, ids: list[UUID]) -> None:
    """Every fifth investigated, every tenth withdrawn, through the one door."""
    for action, chosen in (("investigate", ids[::5]), ("withdraw", ids[1::10])):
        given = BODIES[action]().load(GOOD[action])
        for complaint_id in chosen:
            acts.act(uow, SYSTEM, queries.complaint_by_id_for_update(uow.session, complaint_id), action, given)


def _copied(column: str) -> str:
    """The id of copy `k`: another first sixteen bits (which say the year, so that no id has these by itself), so that
    what refers to the original refers, changed in the same way, to the copy.
    """
    return f"overlay({column}::text placing lpad(to_hex(k), 4, '0') from 1)::uuid"


def _multiply(connection: Connection, times: int) -> None:
    """Every complaint `times` times altogether."""
    _references(connection, times)
    numbered = f"FROM {{table}} CROSS JOIN generate_series(1, {times - 1}) AS k"
    _copy(connection, Customer, numbered, {"email": "'c' || k || '.' || email"})
    by_reference = "FROM complaint JOIN bench_copy ON bench_copy.source = complaint.id"
    # Each copy somewhere among the copies of others, written in that order, as complaints come: else what one word finds lies
    # all in one place, and what came in one minute all over the table.
    _copy(connection, Complaint, by_reference, {"reference": "bench_copy.reference", "received_at": _some_time("id")})
    _copy(connection, SearchSegment, numbered, {"received_at": _some_time("complaint_id")})
    for model in (Issue, Person, Clock, TransitionRow, EventRow):
        _copy(connection, model, numbered, {})


def _some_time(complaint_id: str) -> str:
    """When a copy was received, the same wherever it stands."""
    spread = int(_SPREAD.total_seconds() * 1000)
    return f"now() - abs(hashtextextended({complaint_id}::text, k)) % {spread} * interval '1 millisecond'"


def _references(connection: Connection, times: int) -> None:
    connection.execute(text("CREATE TEMPORARY TABLE bench_copy (source uuid, k int, reference text) ON COMMIT DROP"))
    ids = connection.execute(text("SELECT id FROM complaint ORDER BY received_at")).scalars().all()
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy("COPY bench_copy FROM STDIN") as copy:
        for number in range(1, times):
            for complaint_id in ids:
                copy.write_row((complaint_id, number, new_reference()))


_OF_COPIES: Final = {"id", "complaint_id", "customer_id", "stream_id", "subject_id"}
"""Columns that name a row that is copied as well."""


def _copy(connection: Connection, model: Any, source: str, changes: Mapping[str, str]) -> None:
    table = model.__table__
    columns = {
        column.name: changes.get(column.name) or (_copied(column.name) if column.name in _OF_COPIES else column.name)
        for column in table.columns
        if not isinstance(column.server_default, Identity) and column.name != "xid"
    }
    columns = {
        name: value if "." in value or "(" in value else f"{table.name}.{value}" for name, value in columns.items()
    }
    connection.execute(
        text(
            f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
            f"{source.format(table=table.name)} ORDER BY {columns.get('received_at', 'k')}"
        )
    )


def _tidy(engine: Engine) -> None:
    """What autovacuum would do in its own time, so that it does not do it in ours."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("RESET statement_timeout"))


def _filled(engine: Engine, token: str, team_id: UUID) -> Filled:
    seen = "(team_id IS NULL OR team_id = :team_id) ORDER BY id LIMIT 2000"
    mild = "status = 'received' AND severity IN ('S3', 'S4', 'S5')"
    with engine.connect() as connection:
        visible = connection.execute(text(f"SELECT reference FROM complaint WHERE {seen}"), {"team_id": team_id})
        askable = connection.execute(
            text(f"SELECT reference FROM complaint WHERE {mild} AND {seen}"), {"team_id": team_id}
        )
        found = Filled(token, team_id, list(visible.scalars()), list(askable.scalars()))
    for references in (found.visible, found.askable):
        random.Random(7).shuffle(references)
    return found
