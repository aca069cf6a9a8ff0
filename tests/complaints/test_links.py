"""Links between complaints: one row per pair and kind, told from both sides, and never to somebody who sees one side only.

How it can fail: the far side is called by the wrong name; a pair is linked twice, from two sides or at once; a ring of
parents is closed, by one, or by two who each add half of it and share no complaint; a link tells of a complaint that its
reader may not see (in the list, in the total, by another status than for one that is not there, by the open children of
a parent); a parent is decided over open children without a word; a count of children goes astray; opposite callers wait
for each other for ever.
"""

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from helpdesk.complaints import linking, pair_queries, queries
from helpdesk.complaints.link_models import BY_HAND, LABELS, THERE
from helpdesk.complaints.link_queries import MAX_DEPTH
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import Conflict
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merging import new, path_of, read, verified
from tests.complaints.steps import GOOD, do, receive
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once

Complaint = dict[str, Any]


def link(caller: Caller, one: Complaint, kind: str, other: Complaint, *, expect: int = 201, **more: Any) -> Any:
    answer = caller.post(f"{path_of(one)}/links", {"kind": kind, "to": other["reference"], **more})
    assert answer.status_code == expect, answer.text
    return answer.json


def links(caller: Caller, complaint: Complaint, query: str = "") -> list[tuple[str, str]]:
    answer = caller.get(f"{path_of(complaint)}/links{query}")
    assert answer.status_code == 200, answer.text
    return [(item["kind"], item["complaint"]["reference"]) for item in answer.json["items"]]


@pytest.fixture
def two(agent: Caller, team: UUID) -> tuple[Complaint, Complaint]:
    return new(agent, team), new(agent, team)


class TestLink:
    def test_anonymous(self, anonymous: Caller, two: tuple[Complaint, Complaint]) -> None:
        assert anonymous.get(f"{path_of(two[0])}/links").status_code == 401
        link(anonymous, two[0], "related", two[1], expect=401)

    def test_auditor_reads_and_does_not_write(
        self, join: Join, agent: Caller, two: tuple[Complaint, Complaint]
    ) -> None:
        made = link(agent, two[0], "related", two[1])
        auditor = join("auditor")
        assert links(auditor, two[0]) == [("related", two[1]["reference"])]
        link(auditor, two[0], "caused_by", two[1], expect=403)
        answer = auditor.delete(f"{path_of(two[0])}/links/{made['id']}", if_match="*")
        assert answer.status_code == 403

    @pytest.mark.parametrize("kind", BY_HAND)
    def test_is_called_by_its_name_from_both_sides(
        self, agent: Caller, two: tuple[Complaint, Complaint], database: Database, kind: str
    ) -> None:
        one, other = two
        made = link(agent, one, kind, other, note="The same outage.")
        there = {**THERE, **{far: near for near, far in THERE.items()}}[kind]
        assert (made["kind"], made["note"], made["created_by"]) == (kind, "The same outage.", str(agent.id))
        assert made["complaint"]["reference"] == other["reference"]
        assert links(agent, one) == [(kind, other["reference"])]
        assert links(agent, other) == [(there, one["reference"])]
        assert links(agent, one, f"?kind={kind}") == [(kind, other["reference"])]
        assert links(agent, other, f"?kind={there}&count=true") == [(there, one["reference"])]
        if kind != there:
            assert links(agent, one, f"?kind={there}") == []
        stories = [agent.get(f"{path_of(each)}/timeline").json["items"][-1] for each in two]
        assert [(event["type"], event["payload"]["kind"]) for event in stories] == [
            ("complaint.linked", kind),
            ("complaint.linked", there),
        ]
        assert [read(agent, each)["version"] for each in two] == [2, 2]
        verified(database)

    @pytest.mark.parametrize("kind", BY_HAND)
    def test_once_from_whichever_side(self, agent: Caller, two: tuple[Complaint, Complaint], kind: str) -> None:
        one, other = two
        there = {**THERE, **{far: near for near, far in THERE.items()}}[kind]
        link(agent, one, kind, other)
        assert link(agent, one, kind, other, expect=409)["code"] == "already_linked"
        assert link(agent, other, there, one, expect=409)["code"] == "already_linked"
        assert len(links(agent, one)) == 1

    def test_with_itself(self, agent: Caller, complaint: Complaint) -> None:
        refused = link(agent, complaint, "related", complaint, expect=422)
        assert refused["errors"][0]["pointer"] == "/to"
        assert refused["errors"][0]["code"] == "itself"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            "x",
            None,
            {"kind": "related"},
            {"kind": "split_from", "to": "7K3M-9QX2-TAM"},
            {"kind": "related", "to": 1},
            {"kind": "related", "to": None},
            {"kind": "related", "to": ["7K3M-9QX2-TAM"]},
            {"kind": "related", "to": {"$ne": 1}},
            {"kind": "related", "to": ""},
            {"kind": "related", "to": "x" * 101},
            {"kind": "related", "to": "\u0000"},
            {"kind": "related", "to": "../../complaints"},
            {"kind": "related", "to": str(uuid4()), "more": 1},
        ],
    )
    def test_a_body_that_is_none(self, agent: Caller, complaint: Complaint, body: Any) -> None:
        """The rows are looked for before anything is known of the body."""
        answer = agent.post(f"{path_of(complaint)}/links", body)
        assert answer.status_code in {400, 415, 422}, answer.text
        assert read(agent, complaint)["version"] == 1

    def test_if_match_is_honoured(self, agent: Caller, two: tuple[Complaint, Complaint]) -> None:
        one, other = two
        body = {"kind": "related", "to": other["reference"]}
        assert agent.patch(path_of(one), {"subject": "x"}, if_match="*").status_code == 200
        answer = agent.post(f"{path_of(one)}/links", body, if_match='"v1"')
        assert answer.status_code == 412
        assert [item["type"] for item in answer.json["changes"]] == ["complaint.edited"]
        assert agent.post(f"{path_of(one)}/links", body, if_match='"v2"').status_code == 201

    def test_by_id_and_sloppy_reference(self, agent: Caller, two: tuple[Complaint, Complaint]) -> None:
        one, other = two
        path = f"{path_of(one)}/links"
        typed = other["reference"].lower().replace("-", " ")
        assert agent.post(path, {"kind": "related", "to": typed}).status_code == 201
        assert agent.post(path, {"kind": "caused_by", "to": other["id"]}).status_code == 201

    def test_pages(self, agent: Caller, team: UUID, complaint: Complaint) -> None:
        others = [new(agent, team) for _ in range(5)]
        for other in others:
            link(agent, complaint, "related", other)
        path, seen = f"{path_of(complaint)}/links?limit=2&count=true", []
        while path:
            page = agent.get(path).json
            assert page["total"] == 5
            seen += [item["complaint"]["reference"] for item in page["items"]]
            path = (
                f"{path_of(complaint)}/links?limit=2&count=true&cursor={page['next_cursor']}"
                if page["next_cursor"]
                else ""
            )
        assert seen == [other["reference"] for other in others]


class TestUnlink:
    def test_from_either_side(self, agent: Caller, two: tuple[Complaint, Complaint], database: Database) -> None:
        for side in two:
            made = link(agent, two[0], "child_of", two[1])
            path = f"{path_of(side)}/links/{made['id']}"
            assert agent.delete(path).status_code == 428
            assert agent.delete(path, if_match='"v1"').status_code == 412
            answer = agent.delete(path, if_match="*")
            assert (answer.status_code, answer.json["reference"]) == (200, side["reference"])
            assert links(agent, two[0]) == links(agent, two[1]) == []
            assert agent.delete(path, if_match="*").status_code == 404
        verified(database)

    def test_of_another_complaint(self, agent: Caller, team: UUID, two: tuple[Complaint, Complaint]) -> None:
        made = link(agent, *_related(two))
        third = new(agent, team)
        assert agent.delete(f"{path_of(third)}/links/{made['id']}", if_match="*").status_code == 404
        assert agent.delete(f"{path_of(third)}/links/{uuid4()}", if_match="*").status_code == 404


def _related(two: tuple[Complaint, Complaint]) -> tuple[Complaint, str, Complaint]:
    return two[0], "related", two[1]


class TestSight:
    """What belongs to another team is not there: not in the list, not in the total, not by another answer."""

    @pytest.fixture
    def elsewhere(self, join: Join, database: Database) -> tuple[Caller, Complaint]:
        team = make_team(database, "Elsewhere")
        stranger = join("agent", team_ids=[team])
        return stranger, new(stranger, team)

    def test_is_not_shown_and_not_counted(
        self, agent: Caller, manager: Caller, complaint: Complaint, elsewhere: tuple[Caller, Complaint]
    ) -> None:
        stranger, theirs = elsewhere
        made = link(manager, complaint, "parent_of", theirs)
        assert links(manager, complaint) == [("parent_of", theirs["reference"])]
        page = agent.get(f"{path_of(complaint)}/links?count=true").json
        assert (page["items"], page["total"]) == ([], 0)
        assert links(stranger, theirs) == []
        for caller, side in ((agent, complaint), (stranger, theirs)):
            answer = caller.delete(f"{path_of(side)}/links/{made['id']}", if_match="*")
            assert answer.status_code == 404
        assert agent.get(f"{path_of(theirs)}/links").status_code == 404

    def test_one_that_may_not_be_seen_is_like_one_that_is_not_there(
        self, agent: Caller, complaint: Complaint, elsewhere: tuple[Caller, Complaint]
    ) -> None:
        answers = [
            link(agent, complaint, "related", other, expect=422)
            for other in (elsewhere[1], {"reference": "7K3M-9QX2-TAM"}, {"reference": str(uuid4())}, {"reference": "x"})
        ]
        for answer in answers:
            del answer["request_id"]
        assert all(answer == answers[0] for answer in answers)

    def test_an_open_child_that_may_not_be_seen_does_not_hold_its_parent(
        self, agent: Caller, manager: Caller, complaint: Complaint, elsewhere: tuple[Caller, Complaint]
    ) -> None:
        link(manager, complaint, "parent_of", elsewhere[1])
        path = f"{path_of(complaint)}/actions"
        assert agent.post(f"{path}/investigate", GOOD["investigate"]).status_code == 200
        assert _missing(agent, complaint, "resolve") == []
        assert _missing(manager, complaint, "resolve") == ["children_open"]
        assert manager.post(f"{path}/resolve", GOOD["resolve"]).status_code == 409
        assert agent.post(f"{path}/resolve", GOOD["resolve"]).status_code == 200


def _missing(caller: Caller, complaint: Complaint, action: str) -> list[str]:
    (found,) = (item for item in read(caller, complaint)["allowed_actions"] if item["action"] == action)
    return [need["code"] for need in found["missing"]]


class TestParents:
    def test_one_parent(self, agent: Caller, team: UUID, two: tuple[Complaint, Complaint]) -> None:
        child, parent = two
        link(agent, child, "child_of", parent)
        other = new(agent, team)
        assert link(agent, child, "child_of", other, expect=409)["code"] == "parent_taken"
        assert link(agent, other, "parent_of", child, expect=409)["code"] == "parent_taken"

    def test_no_ring(self, agent: Caller, team: UUID) -> None:
        chain = [new(agent, team) for _ in range(4)]
        for child, parent in itertools.pairwise(chain):
            link(agent, child, "child_of", parent)
        assert link(agent, chain[-1], "child_of", chain[0], expect=409)["code"] == "parent_ring"
        assert link(agent, chain[0], "parent_of", chain[-1], expect=409)["code"] == "parent_ring"
        link(agent, chain[-1], "caused_by", chain[0])  # other kinds may go round

    def test_a_tower_has_an_end(self, database: Database) -> None:
        tower = [receive(database) for _ in range(MAX_DEPTH + 2)]
        found = [_link(database, child, "child_of", parent) for child, parent in zip(tower[1:], tower, strict=False)]
        assert found == ["made"] * MAX_DEPTH + ["parent_ring"]

    @pytest.mark.parametrize("action", ["resolve", "resolve_on_the_spot"])
    def test_an_open_child_holds_its_parent(self, agent: Caller, two: tuple[Complaint, Complaint], action: str) -> None:
        parent, child = two
        link(agent, parent, "parent_of", child)
        path = f"{path_of(parent)}/actions"
        if action == "resolve":
            assert agent.post(f"{path}/investigate", GOOD["investigate"]).status_code == 200
        assert _missing(agent, parent, action) == ["children_open"]
        answer = agent.post(f"{path}/{action}", GOOD[action])
        assert (answer.status_code, answer.json["code"]) == (409, "action_not_allowed")
        assert [(need["code"], need["unless"]) for need in answer.json["missing"]] == [
            ("children_open", "children_open_because")
        ]
        because = {"children_open_because": "The child waits for a court."}
        assert agent.post(f"{path}/{action}", GOOD[action] | because).status_code == 200

    def test_a_decided_child_does_not(self, agent: Caller, two: tuple[Complaint, Complaint]) -> None:
        parent, child = two
        link(agent, parent, "parent_of", child)
        answer = agent.post(f"{path_of(child)}/actions/withdraw", GOOD["withdraw"])
        assert answer.status_code == 200
        answer = agent.post(f"{path_of(parent)}/actions/resolve_on_the_spot", GOOD["resolve_on_the_spot"])
        assert answer.status_code == 200


def _link(database: Database, one: UUID, kind: str, other: UUID) -> str:
    """As the route does it, for the system; the code of a refusal."""
    try:
        with database.unit_of_work(SYSTEM) as uow:
            pair = pair_queries.pair_for_update(uow.session, SYSTEM, str(one), str(other))
            linking.link(uow, SYSTEM, pair, {"kind": kind})
    except Conflict as refused:
        if refused.code == "conflict":
            raise
        return refused.code
    return "made"


class TestAtOnce:
    def test_opposite_parents(
        self, agent: Caller, senior: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        one, other = two
        for _ in range(3):
            answers = at_once(
                lambda: agent.post(f"{path_of(one)}/links", {"kind": "child_of", "to": other["reference"]}),
                lambda: senior.post(f"{path_of(other)}/links", {"kind": "child_of", "to": one["reference"]}),
            )
            assert sorted(answer.status_code for answer in answers) == [201, 409]
            (refused,) = (answer for answer in answers if answer.status_code == 409)
            assert refused.json["code"] == "parent_ring"
            assert refused.json["changes"][-1]["type"] == "complaint.linked"
            (made,) = (answer for answer in answers if answer.status_code == 201)
            assert agent.delete(f"{path_of(one)}/links/{made.json['id']}", if_match="*").status_code == 200
        verified(database)

    def test_two_halves_of_a_ring_that_share_nothing(self, database: Database) -> None:
        """A < b and c < d are there; b < c and d < a come at once: each alone is fine, together they close the ring."""
        for _ in range(3):
            a, b, c, d = (receive(database) for _ in range(4))
            assert _link(database, a, "child_of", b) == _link(database, c, "child_of", d) == "made"
            found = at_once(lambda: _link(database, b, "child_of", c), lambda: _link(database, d, "child_of", a))  # noqa: B023
            assert sorted(found) == ["made", "parent_ring"]
        verified(database)

    def test_the_same_link_from_both_sides(self, two: tuple[Complaint, Complaint], database: Database) -> None:
        one, other = (UUID(each["id"]) for each in two)
        found = at_once(lambda: _link(database, one, "related", other), lambda: _link(database, other, "related", one))
        assert sorted(found) == ["already_linked", "made"]
        verified(database)


class TestRandom:
    @given(
        st.lists(st.tuples(st.integers(0, 4), st.sampled_from(BY_HAND), st.integers(0, 4), st.booleans()), max_size=12)
    )
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_like_a_model(self, database: Database, tries: list[tuple[int, str, int, bool]]) -> None:
        """Whatever is linked in whatever order: what is refused, what is counted and what is shown is what a set of pairs
        and a walk upwards say.
        """
        ids = [receive(database) for _ in range(5)]
        model: set[tuple[int, str, int]] = set()
        for one, kind, other, gone in tries:
            stored, from_, to = _stored(one, kind, other)
            if gone:
                made = _unlink(database, ids[one], kind, ids[other]) if one != other else False
                assert made == ((from_, stored, to) in model)
                model.discard((from_, stored, to))
                continue
            if one == other:
                continue
            told = _link(database, ids[one], kind, ids[other])
            assert told == _expected(model, stored, from_, to)
            if told == "made":
                model.add((from_, stored, to))
        with database.reader() as session:
            counts = [queries.get_visible(session, SYSTEM, str(each)).child_count for each in ids]
        assert counts == [sum(kind == "child_of" and to == place for _, kind, to in model) for place in range(5)]


def _stored(one: int, kind: str, other: int) -> tuple[str, int, int]:
    turned = {far: near for near, far in THERE.items() if far != near}
    if kind == "related":
        return kind, min(one, other), max(one, other)
    return (turned[kind], other, one) if kind in turned else (kind, one, other)


def _expected(model: set[tuple[int, str, int]], kind: str, from_: int, to: int) -> str:
    if (from_, kind, to) in model:
        return "already_linked"
    if kind != "child_of":
        return "made"
    parents = {child: parent for child, label, parent in model if label == "child_of"}
    above = to
    while above in parents and above != from_:
        above = parents[above]
    if above == from_:
        return "parent_ring"
    return "parent_taken" if from_ in parents else "made"


def _unlink(database: Database, one: UUID, kind: str, other: UUID) -> bool:
    from helpdesk.complaints import link_queries
    from helpdesk.kernel.pagination import Page

    with database.reader() as session:
        items, _, _ = link_queries.links_of(session, SYSTEM, Page.of({}, "k" * 32), {"kind": kind}, str(one))
    found = [item["id"] for item in items if item["complaint"]["id"] == other]
    for link_id in found:
        with database.unit_of_work(SYSTEM) as uow:
            linking.unlink(uow, link_queries.link_for_update(uow.session, SYSTEM, str(one), link_id))
    return bool(found)


def test_every_label_has_its_other_side() -> None:
    assert set(LABELS) == {*THERE, *THERE.values()}


def test_the_table_keeps_a_pair_once(database: Database, engine: Engine) -> None:
    """Also against a hand on the console."""
    one, other = sorted((receive(database), receive(database)))
    _link(database, one, "related", other)
    wrong: Callable[[str], str] = lambda ends: (  # noqa: E731
        f"INSERT INTO complaint_link (id, kind, from_id, to_id, created_at) VALUES (gen_random_uuid(), 'related', {ends}, now())"
    )
    for ends in (f"'{one}', '{other}'", f"'{other}', '{one}'", f"'{one}', '{one}'"):
        with pytest.raises(Exception, match="complaint_link"), engine.begin() as connection:
            connection.execute(text(wrong(ends)))
    assert do(database, one, "withdraw").status == "withdrawn"
