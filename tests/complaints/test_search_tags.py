"""Complaints are found by their tags.

How it can fail: a tag is not found, or one that was taken off, renamed or merged away still is; it came with a merge, a
split or an import and nobody told the index; a name is taken for a tag (`from:`), or a tag for a text; two tags make one
phrase; a tag ranks where it does not belong; it is rolled back and found; two put tags on at once and one is lost; a
complaint with several segments has it in one of them; complaints from before tags were looked for are never indexed.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.complaints import intake, queries, tagging
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.complaints.search_jobs import index_unsearched
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merging import merge, new, unmerge
from tests.complaints.test_search import hits, received, search, sound
from tests.complaints.test_splitting import BOTH, split
from tests.complaints.test_tags import tag
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once
from tests.recovery.helpers import perform


def put(caller: Caller, ref: str, *names: str) -> None:
    answer = caller.post(f"/complaints/{ref}/tags", {"tags": list(names)})
    assert answer.status_code == 200, answer.text


def take_off(caller: Caller, ref: str, *names: str) -> None:
    answer = caller.post(f"/complaints/{ref}/tags/remove", {"tags": list(names)})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("born", [True, False], ids=["born with", "put on"])
def test_finds(agent: Caller, born: bool, database: Database) -> None:
    """In every script, one word of several, next to each other, only begun."""
    tags = ["Späte Lieferung", "配送延迟", "C++ (beta)", "наводнение"]
    ref = received(agent, **({"tags": tags} if born else {}))
    received(agent)
    if not born:
        put(agent, ref, *tags)
    for q in (
        "spate", "LIEFERUNG", '"späte lieferung"', "lief*", '"spate lief"*', "tag:lieferung", "TAG:lief*", "parcel lieferung",
        'tag:"späte lieferung"', "配送延迟", "送延", "延迟", "迟", "tag:配送", "beta", '"c beta"', "навод*", "beta -tag:parcel",
    ):  # fmt: skip
        assert hits(agent, q) == [ref], q
    for q in (
        '"lieferung spate"', '"lieferung 配送"', "lief", "tag:parcel", "from:lieferung", "subject:lieferung", "from:配送",
        "迟配", "lieferung -延迟", "tag:lieferung -beta", '"lieferung c"',
    ):  # fmt: skip
        assert hits(agent, q) == [], q
    assert sound(database)


def test_it_ranks_between_subject_and_description(agent: Caller) -> None:
    thread = received(agent, subject="x", description="y")
    agent.post(f"/complaints/{thread}/messages", {"kind": "internal_note", "body": "zebra"})
    description = received(agent, subject="x", description="a zebra")
    tagged = received(agent, subject="x", description="y", tags=["zebra"], received_at="2026-01-01T00:00:00Z")
    subject = received(agent, subject="zebra", description="y", received_at="2025-01-01T00:00:00Z")
    assert hits(agent, "zebra") == [subject, tagged, description, thread]


def test_fragments_say_which(agent: Caller) -> None:
    received(agent, subject="Nothing", description="Late delivery", tags=["other", "Delivery <b>"])
    (item,) = search(agent, "delivery")["items"]
    assert [(each["field"], each["parts"]) for each in item["fragments"]] == [
        ("tag", [{"text": "Delivery", "match": True}, {"text": " <b>", "match": False}]),
        ("description", [{"text": "Late ", "match": False}, {"text": "delivery", "match": True}]),
    ]
    (item,) = search(agent, "tag:deliv*")["items"]
    assert [each["field"] for each in item["fragments"]] == ["tag"]


def test_who_may_not_see_the_complaint_does_not_find_its_tag(agent: Caller, join: Join, database: Database) -> None:
    elsewhere = make_team(database, "Elsewhere")
    other = join("agent", team_ids=[elsewhere])
    ref = received(other, team_id=str(elsewhere), tags=["secret"])
    assert hits(other, "tag:secret") == [ref]
    found = search(agent, "secret")
    assert (found["items"], found["total"]) == ([], 0)


class TestInStep:
    def test_put_on_and_taken_off(self, agent: Caller, database: Database) -> None:
        ref = received(agent)
        put(agent, ref, "one", "two")
        take_off(agent, ref, "one")
        assert (hits(agent, "one"), hits(agent, "two")) == ([], [ref])
        assert sound(database)

    def test_in_one_transaction_with_a_message(self, agent: Caller, database: Database) -> None:
        from helpdesk.complaints import service

        ref = received(agent)
        with database.unit_of_work(agent.actor) as uow:
            row = queries.complaint_for_update(uow.session, agent.actor, ref)
            tagging.add(uow, agent.actor, row, {"tags": ["one", "two"]})
            service.write_message(uow, agent.actor, row, {"kind": "internal_note", "body": "spoken"})
            tagging.remove(uow, row, {"tags": ["two"]})
        assert (hits(agent, "one spoken"), hits(agent, "two")) == ([ref], [])
        assert sound(database)

    def test_rolled_back(self, agent: Caller, database: Database) -> None:
        ref = received(agent)
        with contextlib.suppress(RuntimeError), database.unit_of_work(agent.actor) as uow:
            row = queries.complaint_for_update(uow.session, agent.actor, ref)
            tagging.add(uow, agent.actor, row, {"tags": ["phantom"]})
            raise RuntimeError
        assert hits(agent, "phantom") == []
        assert sound(database)

    def test_two_at_once(self, agent: Caller, join: Join, database: Database) -> None:
        ref, other = received(agent), join("agent")
        for number in range(3):
            at_once(partial(put, agent, ref, f"left{number}"), partial(put, other, ref, f"right{number}"))
        assert hits(agent, "left0 left1 left2 right0 right1 right2") == [ref]
        assert sound(database)

    def test_renamed(self, program: Program, agent: Caller, senior: Caller, database: Database) -> None:
        ref = received(agent, tags=["damage"])
        answer = senior.patch(f"/tags/{tag(agent, 'damage')['id']}", {"name": "Breakage"}, if_match="*")
        assert answer.status_code == 200
        assert sound(database)  # it shows the old name still, and is found by that
        assert perform(program, tagging.TOPIC)["done"] == 1
        assert (hits(agent, "damage"), hits(agent, "breakage")) == ([], [ref])
        assert sound(database)

    def test_merged_and_deleted(self, program: Program, agent: Caller, senior: Caller, database: Database) -> None:
        ref = received(agent, tags=["damage", "other"])
        senior.post("/tags", {"name": "breakage"})
        into, old = tag(agent, "breakage")["id"], tag(agent, "damage")["id"]
        assert senior.post(f"/tags/{old}/merge", {"into_id": into}).status_code == 202
        assert perform(program, tagging.TOPIC)["done"] == 1
        assert (hits(agent, "damage"), hits(agent, "breakage other")) == ([], [ref])
        take_off(agent, ref, "breakage")
        assert senior.delete(f"/tags/{into}", if_match="*").status_code == 204
        assert (hits(agent, "breakage"), hits(agent, "other")) == ([], [ref])
        assert sound(database)

    def test_imported(self, agent: Caller, admin: Caller, database: Database) -> None:
        many = [ComplaintIn().load(complaint_body(tags=["storm"] if number % 2 else [])) for number in range(30)]
        with database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, tagging.in_many(uow, many))
        assert search(admin, "storm")["total"] == 15
        assert sound(database)

    def test_complaints_merged_and_taken_apart(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, tags=["storm"]), new(senior, team)
        merge(senior, source, survivor)
        assert set(hits(senior, "storm")) >= {survivor["reference"]}
        assert sound(database)
        unmerge(senior, source)
        assert hits(senior, "storm") == [source["reference"]]
        assert sound(database)

    def test_split(self, senior: Caller, team: UUID, database: Database) -> None:
        complaint = new(senior, team, tags=["storm"], **BOTH)
        made = split(senior, complaint, complaint["issues"][1]["id"])
        assert set(hits(senior, "storm")) == {complaint["reference"], made["reference"]}
        assert sound(database)

    def test_long_complaints(self, agent: Caller, database: Database) -> None:
        """It stands in every segment."""
        ref = received(agent, description="beginning " + "filler " * 12_000 + "ending")
        put(agent, ref, "storm")
        for q in ("storm beginning", "storm ending", "ending tag:storm"):
            assert hits(agent, q) == [ref], q
        assert hits(agent, "ending -storm") == []
        assert sound(database)


def test_those_from_before_are_indexed_by_the_sweep(agent: Caller, database: Database) -> None:
    ref, _ = received(agent, tags=["storm"]), received(agent)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE complaint_search SET vector = ts_delete(vector, ARRAY['storm', '#storm'])"))
    assert not sound(database)
    assert hits(agent, "storm") == []
    with database.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO complaint_unsearched SELECT id FROM complaint WHERE cardinality(tags) > 0")
        )
    assert sound(database)
    assert index_unsearched(database) == 1
    assert hits(agent, "storm") == [ref]
    assert sound(database)


Counting = Callable[[], Any]


def test_a_complaint_with_tags_is_born_in_as_many_statements(agent: Caller, statements: Counting) -> None:
    """The index knows the tags at birth, and is not made anew after it."""
    received(agent, tags=["one"])
    with statements() as seen:
        received(agent, tags=["one"])
    assert not [sent for sent in seen.seen if "DELETE FROM complaint_search" in sent]
    assert sum("INTO complaint_search" in sent for sent in seen.seen) == 1
