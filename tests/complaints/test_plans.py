"""At a hundred thousand complaints, what is asked of them is answered from indexes: the plans are read.

How it can fail: a filter, or two together, or an order, that no index serves, so that PostgreSQL reads the whole table or
sorts most of it; a count that reads every complaint that matches; a caller who sees little, for whom everything is looked
at; a tag that only old complaints carry, so that the newest are gone through in vain.

Who adds a filter, an order or a statement of another kind adds it to `FILTERS`, `PAIRS` or `ORDERED`, or a
statement by name to `STATEMENTS`.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from helpdesk.app import create_app
from helpdesk.complaints import (
    duplicates,
    filtering,
    handler_queries,
    list_queries,
    queries,
    queue_queries,
    routing_queries,
    saved_views,
    searching,
    severity_queries,
    tag_queries,
)
from helpdesk.complaints.choosing import Handler
from helpdesk.complaints.list_queries import SORTS
from helpdesk.complaints.models import NOTHING_DUE
from helpdesk.complaints.schemas import ComplaintQuery
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import Several
from helpdesk.sla import pause_audit, report_queries
from helpdesk.sla.report_schemas import AttainmentQuery
from tests.benchmarks.conftest import fresh_program
from tests.complaints.plans import COMPLAINTS, Ask, Scene, fill, look_at
from tests.conftest import make_agent

MOST_FOR_A_PAGE: Final = 20_000
MOST_FOR_A_COUNT: Final = 70_000
"""Rows looked at in tables and indexes that grow with the complaints. A count goes to a thousand, of which one in twenty may
match, or a caller may see one in five; with a wide span of numbers it is cheaper to read that span once than to ask for
each complaint.
"""
MOST_SORTED: Final = 10_000

FILTERS: Final[Mapping[str, str]] = {
    "nothing": "",
    "record_type": "record_type=complaint",
    "other_record_type": "record_type=inquiry",
    "status": "status=resolved",
    "severity": "severity=S1",
    "channel": "channel=EMAIL",
    "waiting_on": "waiting_on=us",
    "stage": "stage=external",
    "team": "team_id={team}",
    "assignee": "assignee_id={agent}",
    "customer": "customer_id={customer}",
    "mine": "mine=true",
    "not_mine": "mine=false",
    "unassigned": "unassigned=true",
    "assigned": "unassigned=false",
    "source": "source=shop",
    "external_id": "external_id=x-77,x-78,x-79",
    "ref": "ref=7K3M-9QX2-TAM",
    "category": "category=DEL",
    "issue": "issue=DEL.LATE",
    "received_from": "received_from={lately}",
    "received_before": "received_before={long_ago}",
    "received_between": "received_from={long_ago}&received_before={lately}",
    "updated_from": "updated_from={lately}",
    "updated_before": "updated_before={long_ago}",
    "open": "open=true",
    "closed": "open=false",
    "overdue": "overdue=true",
    "not_overdue": "overdue=false&open=true",
    "has_tag": "has_tag=true",
    "has_no_tag": "has_tag=false",
    "everywhere": "tag=everywhere",
    "common": "tag=common",
    "old": "tag=old",
    "rare": "tag=rare",
    "two_tags": "tag=everywhere,rare",
    "any_tag": "any_tag=common,rare",
    "any_rare_tag": "any_tag=rare",
    "no_such_tag": "tag=unheard-of",
    "choice": "custom=colour:red",
    "rare_choice": "custom=colour:black",
    "two_values": "custom=colour:red,weight:7",
    "tag_and_value": "tag=common&custom=colour:blue",
    "language": "language=en",
    "rare_language": "language=fr",
    "vulnerable": "vulnerable=true",
    "not_vulnerable": "vulnerable=false",
    "escalated": "escalation_level=2",
    "watched": "watched=true",
    "not_watched": "watched=false",
    "two_severities": "severity=S1&severity=S2",
    "open_states": "status=received&status=investigated",
    "all_states": "status=received&status=investigated&status=resolved&status=followed_up&status=withdrawn&status=dismissed",
    "rare_states": "status=dismissed&status=withdrawn",
    "two_channels": "channel=EMAIL&channel=PHONE",
    "two_teams": "team_id={team}&team_id={other_team}",
    "idle_and_other_team": "team_id={idle_team}&team_id={other_team}",
    "two_agents": "assignee_id={agent}&assignee_id={newcomer}",
    "two_sources": "source=shop&source=nowhere",
    "two_stages": "stage=2&stage=external",
    "waiting_on_others": "waiting_on=customer&waiting_on=third_party",
    "two_kinds": "record_type=inquiry&record_type=request",
    "two_categories": "category=DEL&category=BIL",
    "rare_categories": "category=COM&category=BIL",
    "number": "custom=weight:500",
    "wide_span": "custom=weight:100..",
    "narrow_span": "custom=weight:990..992",
    "days": "custom=due:2026-01-01..2026-01-07",
    "span_and_value": "custom=weight:..40,colour:red",
}
PAIRS: Final = (
    *itertools.combinations(
        ("status", "severity", "team", "open", "category", "everywhere", "common", "channel", "choice", "wide_span"), 2
    ),
    *itertools.product(
        ("two_severities", "open_states", "rare_states", "two_teams", "idle_and_other_team", "two_channels"),
        ("status", "severity", "team", "open", "category", "two_categories", "common", "wide_span", "two_agents"),
    ),
    *itertools.combinations(("two_severities", "open_states", "two_teams", "two_channels"), 2),
    *itertools.product(("vulnerable", "escalated", "watched", "rare_language"), ("status", "two_severities", "team")),
)
ORDERED: Final = (
    "nothing",
    "open",
    "team",
    "mine",
    "severity",
    "status",
    "everywhere",
    "common",
    "choice",
    "wide_span",
    "two_severities",
    "open_states",
    "two_teams",
)
"""What is usually asked for in another order."""


def query(scene: Scene, words: str) -> dict[str, Any]:
    """As the API would load it."""
    now = datetime.now(UTC)
    filled = words.format(
        team=scene.team_id,
        agent=scene.actors["agent"].id,
        other_team=scene.other_team_id,
        idle_team=scene.idle_team_id,
        newcomer=scene.actors["newcomer"].id,
        customer=scene.customer_id,
        lately=(now - timedelta(days=2)).isoformat(),
        long_ago=(now - timedelta(days=900)).isoformat(),
    )
    given: dict[str, Any] = {}
    for part in filter(None, filled.split("&")):
        name, value = part.split("=", 1)
        several = isinstance(ComplaintQuery().fields[name], Several)
        given[name] = list(dict.fromkeys([*given.get(name, ()), value])) if several else value
    return dict(ComplaintQuery().load(given))


def page_of(words: str, cursor: bool = False) -> Ask:
    """A page of the list; with `cursor` the one after it as well."""

    def ask(session: Any, scene: Scene, actor: Any) -> None:
        given = query(scene, words)
        wanted = filtering.wanted(session, given)
        page = Page.of(given, "key")
        _, following, _ = list_queries.listing(session, actor, page, wanted)
        if cursor and following is not None:
            list_queries.listing(session, actor, Page.of(given | {"cursor": following}, "key"), wanted)

    return ask


def counts_of(*many: str) -> Ask:
    def ask(session: Any, scene: Scene, actor: Any) -> None:
        list_queries.counts(session, actor, [filtering.wanted(session, query(scene, words)) for words in many])

    return ask


def tags(session: Any, _scene: Scene, actor: Any) -> None:
    tag_queries.list_tags(session, actor, Page.of({}, "key"), {})


USUAL: Final = ({"mine": True, "open": True}, {"unassigned": True}, {"tag": ["common"]}, {"custom": ["colour:black"]})


def likely(session: Any, _scene: Scene, actor: Any) -> None:
    """Of one whose customer has hundreds of others, and whose address and number are many others' too."""
    complaint_id = session.connection().exec_driver_sql("SELECT id FROM complaint ORDER BY id LIMIT 1").scalar_one()
    duplicates.possible(session, actor, complaint_id, days=90, most=duplicates.MOST)


def views(session: Any, _scene: Scene, actor: Any) -> None:
    rows: list[dict[str, Any]] = [{"filters": filters, "sort": "-received_at", "columns": []} for filters in USUAL]
    assert all(view["broken"] == [] for view in saved_views.shown(session, actor, rows))


def lists() -> Iterator[tuple[str, Ask]]:
    for name, words in FILTERS.items():
        yield name, page_of(words, cursor=True)
        yield f"count of {name}", counts_of(words)
    for name, sort in itertools.product(ORDERED, SORTS):
        yield f"{name} by {sort}", page_of(f"{FILTERS[name]}&sort={sort}", cursor=True)


SEARCHES: Final = (
    "parcel",
    "parc*",
    "second",
    "twentieth",
    "hundredth",
    "thousandth",
    "second twentieth",
    "twentieth hundredth",
    "twentieth -second",
    '"came on friday"',
    "nowhere",
    "7K3M-9QX2-TAM",
)
NARROWER: Final = (
    "",
    "status=received",
    "severity=S1",
    "tag=common",
    "team_id={team}",
    "severity=S1&severity=S2",
    "team_id={team}&team_id={other_team}",
)


def search_for(q: str, words: str) -> Ask:
    """A page, its fragments, and the page after it."""

    def ask(session: Any, scene: Scene, actor: Any) -> None:
        given = query(scene, words)
        found = searching.search(session, actor, Page.of(given, "key"), q, given)
        if found["next_cursor"] is not None:
            searching.search(session, actor, Page.of(given | {"cursor": found["next_cursor"]}, "key"), q, given)

    return ask


def searches() -> Iterator[tuple[str, Ask]]:
    for q, words in itertools.product(SEARCHES, NARROWER):
        yield f"search for {q} {words}".rstrip(), search_for(q, words)


def pairs() -> Iterator[tuple[str, Ask]]:
    for one, other in PAIRS:
        words = f"{FILTERS[one]}&{FILTERS[other]}"
        yield f"{one} and {other}", page_of(words, cursor=True)
        yield f"count of {one} and {other}", counts_of(words)


def of_queue(ask: Callable[..., object], **given: Any) -> Ask:
    """`ask(session, actor, page, given, team_id)` of a team that the actor sees."""

    def run(session: Any, scene: Scene, actor: Any) -> None:
        ask(session, actor, Page.of(given, "key"), given, next(iter(actor.team_ids), scene.team_id))

    return run


def next_of_queue(session: Any, scene: Scene, actor: Any) -> None:
    handler = Handler(id=scene.actors["agent"].id or scene.team_id, abilities=frozenset({"DEL", "lang:en:good"}))
    team_id = next(iter(actor.team_ids), scene.team_id)
    queue_queries.next_for_update(session, actor, team_id, handler, SEVERITIES)


def what_waits(session: Any, scene: Scene, _actor: Any) -> None:
    routing_queries.teams_waiting(session)
    after = ("S3", NOTHING_DUE, scene.team_id)
    routing_queries.waiting(session, scene.team_id, after, 100)


def loads(session: Any, scene: Scene, _actor: Any) -> None:
    handler_queries.handlers_of_team(session, scene.team_id, None)


WORK: Final[Mapping[str, Ask]] = {
    "queues, counted": lambda session, _, actor: queue_queries.list_queues(session, actor, Page.of({}, "key"), {}),
    "queue of no team, counted": lambda session, _, actor: queue_queries.queue(session, actor, None),
    "queue": of_queue(queue_queries.list_queued),
    "unassigned of a queue": of_queue(queue_queries.list_queued, unassigned=True),
    "next of a queue": next_of_queue,
    "what waits for somebody": what_waits,
    "what each of a team has": loads,
}


def rules_of_severity(session: Any, scene: Scene, actor: Any) -> None:
    """For the newest complaint, of an issue that every third one is of and a customer who has them all."""
    given = query(scene, "customer_id={customer}&limit=1")
    newest, _, _ = list_queries.listing(session, actor, Page.of(given, "key"), filtering.wanted(session, given))
    for row in newest:
        complaint = queries.get_visible(session, actor, row["reference"])
        received = complaint.received_at
        severity_queries.repeats(session, complaint, ("DEL.LATE",), timedelta(days=90))
        severity_queries.alike(session, complaint, ("DEL.LATE", "DEL.LOST"), (received - timedelta(days=1), received))
        severity_queries.last_assessment(session, complaint.id)


def set_by_people(session: Any, _scene: Scene, actor: Any) -> None:
    severity_queries.overrides(session, actor, Page.of({}, "key"), {})


def attainment(words: str) -> Ask:
    """Of three days of this and of last year."""

    def ask(session: Any, scene: Scene, actor: Any) -> None:
        given = AttainmentQuery().load({"by": words})
        for days in (3, 400):
            now = datetime.now(UTC) - timedelta(days=days)
            span = {"due_from": now, "due_before": now + timedelta(days=3)}
            report_queries.attainment(session, actor, given | span)
            report_queries.attainment(
                session, actor, given | {name.replace("due", "stopped"): at for name, at in span.items()}
            )

    return ask


def forecast(hours: int, **more: Any) -> Ask:
    def ask(session: Any, scene: Scene, actor: Any) -> None:
        report_queries.forecast(session, actor, {"hours": hours, **more})
        report_queries.forecast(session, actor, {"hours": hours, "team_id": scene.team_id, **more})

    return ask


def paused(session: Any, scene: Scene, actor: Any) -> None:
    """A page and the one after it, of three days and of a year."""
    for days in (3, 365):
        given = {"replied_from": datetime.now(UTC) - timedelta(days=days)}
        given["replied_before"] = given["replied_from"] + timedelta(days=days)
        page = Page.of(given, "key")
        _, following, _ = pause_audit.page_of(session, actor, page, given)
        if following is not None:
            pause_audit.page_of(session, actor, Page.of(given | {"cursor": following}, "key"), given)


REPORTS: Final[Mapping[str, Ask]] = {
    "replies in pauses": paused,
    "promises kept, by kind": attainment("kind"),
    "promises kept, by everything": attainment("kind,team,severity,period"),
    "promises that come due in a day": forecast(24),
    "promises that come due in a week": forecast(168, kind="resolve"),
}


STATEMENTS: Final[Mapping[str, Ask]] = {
    "rules of severity": rules_of_severity,
    "severities that people set": set_by_people,
    **dict(searches()),
    **dict(lists()),
    "tags with counts": tags,
    "possible duplicates": likely,
    "views with counts": views,
    **WORK,
    **REPORTS,
}
"""Asked by everybody in the scene."""
MORE: Final[Mapping[str, Mapping[str, Ask]]] = {
    "agent": dict(pairs()),
    "newcomer": {
        f"own and other team by {sort}": page_of(f"{FILTERS['idle_and_other_team']}&sort={sort}", cursor=True)
        for sort in SORTS
    },
}
"""Asked by somebody besides."""


@pytest.fixture(scope="module")
def scene(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("plans")
    with fresh_program(server_url, "helpdesk_plans", folder) as program:
        app = create_app(program=program)
        yield fill(
            program,
            lambda team_ids: {
                "manager": make_agent(app, program.database, "manager", []).actor,
                "agent": make_agent(app, program.database, "agent", team_ids[:1]).actor,
                "newcomer": make_agent(app, program.database, "agent", team_ids[1:]).actor,
            },
        )


@pytest.mark.parametrize("who", ["manager", "agent", "newcomer"])
def test_every_statement_is_served_by_indexes(scene: Scene, who: str) -> None:
    wrong = {}
    for name, ask in {**STATEMENTS, **MORE.get(who, {})}.items():
        statements = look_at(scene, scene.actors[who], ask)
        assert statements, name
        for statement in statements:
            if statement.scanned_whole():
                wrong[name] = f"reads {statement.scanned_whole()} from end to end"
            elif statement.most_sorted() > MOST_SORTED:
                wrong[name] = f"sorts {statement.most_sorted()} rows"
            elif statement.touched() > (MOST_FOR_A_COUNT if "count" in name else MOST_FOR_A_PAGE):
                wrong[name] = f"looks at {statement.touched()} rows"
    assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())


def test_the_scene_is_as_large_as_it_says(scene: Scene) -> None:
    with scene.program.database.reader() as session:
        wanted = filtering.wanted(session, {"tag": ["everywhere"]})
        assert not list_queries.counts(session, scene.actors["manager"], [wanted])[0].exact
        assert session.connection().exec_driver_sql("SELECT count(*) FROM complaint").scalar_one() == COMPLAINTS


def test_a_scan_would_be_noticed(scene: Scene) -> None:
    """No index has the fault."""

    def ask(session: Any, _scene: Scene, _actor: Any) -> None:
        session.connection().exec_driver_sql("SELECT id FROM complaint WHERE fault = 'firm' ORDER BY received_at")

    (statement,) = look_at(scene, scene.actors["manager"], ask)
    assert statement.scanned_whole() == ["complaint"]
