"""One complaint, and lists of them.

How it can fail: a caller sees what is not theirs; a list skips or repeats a row, or counts others than it shows.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import SEES_ALL, as_read, at, database_rows, done, everything, new
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, make_team

SPELLINGS: Final[list[Callable[[dict[str, Any]], str]]] = [
    lambda shown: shown["id"],
    lambda shown: shown["id"].upper(),
    lambda shown: shown["reference"],
    lambda shown: shown["reference"].lower(),
    lambda shown: shown["reference"].replace("-", ""),
    lambda shown: shown["reference"].replace("-", "%20"),
    lambda shown: f"%20{shown['reference']}%20",
    lambda shown: shown["reference"].replace("0", "O").replace("1", "l"),
    lambda shown: "-".join(shown["reference"].replace("-", "")),
]
NONSENSE: Final = [
    "x",
    "%00",
    "%FF%FE",
    "..",
    "7K3M-9QX2-TA6",
    "%F0%9F%93%A6",
    "a" * 3000,
    str(UUID(int=0)),
    "' OR 1=1 --",
    "-",
]


class TestGet:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.get(at(complaint)).status_code == 401

    def test_other_team(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        stranger = join(team_ids=[make_team(database, "Other")])
        answer = stranger.get(at(complaint))
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
        assert complaint["subject"] not in answer.text

    def test_sloppily_typed(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for number, spelled in enumerate(SPELLINGS):
            answer = agent.get(f"/complaints/{spelled(complaint)}")
            assert (answer.status_code, answer.json) == (200, as_read(complaint)), number

    def test_nonsense_is_not_found(self, agent: Caller) -> None:
        for nonsense in NONSENSE:
            answer = agent.get(f"/complaints/{nonsense}")
            assert (answer.status_code, answer.content_type) == (404, "application/problem+json"), nonsense

    def test_a_slip_finds_nothing(self, agent: Caller, complaint: dict[str, Any]) -> None:
        reference = complaint["reference"]
        wrong = ("8" if reference[0] != "8" else "9") + reference[1:]
        assert agent.get(f"/complaints/{wrong}").status_code == 404

    def test_allowed_actions_are_the_callers(self, join: Join, agent: Caller, complaint: dict[str, Any]) -> None:
        mine = {item["action"] for item in agent.get(at(complaint)).json["allowed_actions"]}
        theirs = {item["action"] for item in join("senior").get(at(complaint)).json["allowed_actions"]}
        assert theirs - mine == {"dismiss", "convert", "merge", "refer_externally"}
        assert join("auditor").get(at(complaint)).json["allowed_actions"] == []

    def test_missing_is_told(self, agent: Caller, complaint: dict[str, Any]) -> None:
        listed = {item["action"]: item for item in complaint["allowed_actions"]}
        assert [need["code"] for need in listed["resume"]["missing"]] == ["not_waiting"]
        assert listed["triage"] == {
            "action": "triage",
            "supplies": ["impact", "urgency", "category", "issue", "track"],
            "missing": [],
        }


BAD_QUERIES: Final = [
    "limit=0",
    "limit=201",
    "limit=-1",
    "limit=many",
    "limit=1.5",
    "limit=",
    "status=lost",
    "severity=1",
    "team_id=blue",
    "mine=perhaps",
    "received_from=2026-03-02",
    "received_from=2026-03-02T00:00:00",
    "sort=subject",
    "sort=-received_at,id",
    "ref=7K3M-9QX2-TA6",
    "ref=,",
    "external_id=%00",
    "source=%00",
    "issue=DEL.NONE",
    "cursor=",
    "colour=red",
    "status=received&status=received",
    f"external_id={','.join('1' * 201)}",
]


class TestList:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/complaints").status_code == 401

    def test_empty(self, agent: Caller) -> None:
        answer = agent.get("/complaints?count=true")
        assert answer.json == {"items": [], "next_cursor": None, "total": 0}

    def test_filters(self, admin: Caller, agent: Caller, team: UUID, database: Database) -> None:
        other = str(make_team(database, "Other"))
        made = [
            new(admin),
            new(admin, team_id=str(team), channel="PHONE", source="shop", external_id="1"),
            new(admin, team_id=other, impact=5, urgency=4, source="shop", external_id="2"),
            new(admin, channel="PHONE", issues=[{"category": "PRD", "issue": "PRD.SAFETY"}, {"category": "DEL"}]),
            new(admin, received_at="2020-05-05T00:00:00Z", complainant={"name": "No Address"}),
            new(admin, received_at="2021-05-05T00:00:00Z", source="till", external_id="2"),
        ]
        done(admin, made[0], "ask_customer")
        done(admin, made[1], "withdraw")
        done(admin, made[2], "refer_externally")
        admin.put(at(made[3], "assignment"), {"assignee_id": str(agent.id)}, if_match="*")
        admin.post(at(made[4], "claim"))
        now = [admin.get(at(shown)).json for shown in made]
        some = f"{now[5]['reference'].lower()},{now[0]['reference'].replace('-', '')}"
        filters: dict[str, Callable[[dict[str, Any]], bool]] = {
            "": lambda row: True,
            "status=withdrawn": lambda row: row["status"] == "withdrawn",
            "severity=S1": lambda row: row["severity"] == "S1",
            "channel=PHONE": lambda row: row["channel"] == "PHONE",
            "waiting_on=customer": lambda row: row["waiting_on"] == "customer",
            "stage=external": lambda row: row["stage"] == "external",
            f"team_id={team}": lambda row: row["team_id"] == str(team),
            f"assignee_id={agent.id}": lambda row: row["assignee_id"] == str(agent.id),
            f"customer_id={now[0]['customer_id']}": lambda row: row["customer_id"] == now[0]["customer_id"],
            "mine=true": lambda row: row["assignee_id"] == str(admin.id),
            "unassigned=true": lambda row: row["assignee_id"] is None,
            "source=shop": lambda row: row["source"] == "shop",
            "external_id=2,nothing": lambda row: row["external_id"] == "2",
            "source=till&external_id=2": lambda row: row is now[5],
            f"ref={some}": lambda row: row in (now[5], now[0]),
            "category=DEL": lambda row: any(issue["category"] == "DEL" for issue in row["issues"]),
            "issue=PRD.SAFETY": lambda row: row is now[3],
            "category=DEL&issue=PRD.SAFETY": lambda row: False,
            "received_before=2021-05-05T00:00:00Z": lambda row: row is now[4],
            "received_from=2021-05-05T00:00:00%2B00:00": lambda row: row is not now[4],
            "status=withdrawn&severity=S1": lambda row: False,
        }
        for query, holds in filters.items():
            wanted = {row["id"] for row in now if holds(row)}
            answer = admin.get(f"/complaints?{query}&count=true".replace("?&", "?"))
            assert answer.status_code == 200, (query, answer.text)
            assert {row["id"] for row in answer.json["items"]} == wanted, query
            assert answer.json["total"] == len(wanted), query

    def test_order_and_pages(self, agent: Caller) -> None:
        moments = [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000001Z",
            "2026-01-01T00:00:00Z",
            "2025-01-01T00:00:00Z",
        ]
        made = [new(agent, received_at=moment) for moment in moments * 2]
        up = sorted(made, key=lambda row: (datetime.fromisoformat(row["received_at"]), row["id"]))
        for limit in (1, 2, 3, 7, 8, 9, 200):
            ids = [row["id"] for row in everything(agent, "/complaints", limit=limit, sort="received_at")]
            assert ids == [row["id"] for row in up], limit
            ids = [row["id"] for row in everything(agent, "/complaints", limit=limit)]
            assert ids == [row["id"] for row in reversed(up)], limit

    def test_next_link_goes_on(self, agent: Caller) -> None:
        for _ in range(3):
            new(agent)
        answer = agent.get("/complaints?limit=2&channel=EMAIL&count=true")
        address, _, rest = answer.headers["Link"].partition(">")
        assert rest == '; rel="next"'
        assert address.startswith("<http://helpdesk.test/api/v1/complaints?")
        following = agent.get(address.removeprefix("<http://helpdesk.test"))
        assert (len(following.json["items"]), following.json["total"], following.json["next_cursor"]) == (1, 3, None)

    def test_cursor_of_other_filters(self, agent: Caller) -> None:
        for _ in range(2):
            new(agent)
        cursor = agent.get("/complaints?limit=1").json["next_cursor"]
        for query in ("sort=received_at", "status=received", "mine=true"):
            answer = agent.get(f"/complaints?limit=1&{query}&cursor={cursor}")
            assert (answer.status_code, answer.json["code"]) == (400, "cursor_mismatch"), query
        assert agent.get(f"/complaints?limit=2&count=true&cursor={cursor}").status_code == 200

    def test_bad_query(self, agent: Caller) -> None:
        for query in BAD_QUERIES:
            answer = agent.get(f"/complaints?{query}")
            assert answer.status_code == 422, (query, answer.text)
            assert [item["parameter"] for item in answer.json["errors"]] == [query.split("=", maxsplit=1)[0]]

    def test_two_hundred_references(self, agent: Caller) -> None:
        shown = new(agent)
        answer = agent.get(f"/complaints?ref={','.join([shown['reference']] * 200)}")
        assert [row["id"] for row in answer.json["items"]] == [shown["id"]]


class TestVisibility:
    """What a list shows, what a count counts and what can be opened are one and the same set, for everybody."""

    def test_every_role_and_team(self, join: Join, database: Database, admin: Caller) -> None:
        teams = [make_team(database, name) for name in ("North", "South")]
        callers = [
            join(role, team_ids=list(member_of))
            for role in ("agent", "senior", "manager", "director", "admin", "auditor")
            for member_of in ((), (teams[0],), tuple(teams))
            if role == "agent" or len(member_of) == 1
        ]
        made = []
        for team_id in (None, *teams):
            made += [new(admin, **({"team_id": str(team_id)} if team_id else {})) for _ in range(2)]
        loner = callers[0]
        admin.put(at(made[4], "assignment"), {"assignee_id": str(loner.id)}, if_match="*")
        now = [admin.get(at(shown)).json for shown in made]
        for caller in callers:
            actor = caller.actor
            visible = {
                row["id"]
                for row in now
                if actor.role in SEES_ALL
                or row["team_id"] is None
                or UUID(row["team_id"]) in actor.team_ids
                or row["assignee_id"] == str(actor.id)
            }
            assert {row["id"] for row in everything(caller, "/complaints", limit=2)} == visible, actor
            assert caller.get("/complaints?count=true&limit=1").json["total"] == len(visible)
            for row in now:
                expected = 200 if row["id"] in visible else 404
                for path in ("", "/messages", "/timeline", "/timeline/verification"):
                    assert caller.get(f"/complaints/{row['reference']}{path}").status_code == expected, (actor, path)
                found = caller.get(f"/complaints?ref={row['reference']}&count=true").json
                assert (len(found["items"]), found["total"]) == ((1, 1) if expected == 200 else (0, 0))
        assert {row["id"] for row in everything(loner, "/complaints")} == {now[0]["id"], now[1]["id"], now[4]["id"]}

    def test_what_is_not_seen_is_not_changed(self, join: Join, database: Database, complaint: dict[str, Any]) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Other")])
        before = database_rows(database)
        for action in LIFECYCLE.actions:
            assert stranger.post(at(complaint, "actions", action), GOOD[action]).status_code == 404
        assert stranger.post(at(complaint, "messages"), {"kind": "inbound", "body": "x"}).status_code == 404
        assert stranger.patch(at(complaint), {"subject": "x"}, if_match='"v1"').status_code == 404
        assert database_rows(database) == before

    def test_leaving_the_team_takes_effect_at_once(
        self, admin: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        assert agent.get(at(complaint)).status_code == 200
        assert admin.patch(f"/agents/{agent.id}", {"team_ids": []}, if_match="*").status_code == 200
        assert agent.get(at(complaint)).status_code == 404


def test_received_at_of_an_hour_ago(agent: Caller) -> None:
    """The clock that decides is the database's; a moment before it is not the future."""
    moment = datetime.now(UTC) - timedelta(hours=1)
    assert datetime.fromisoformat(new(agent, received_at=moment.isoformat())["received_at"]) == moment
