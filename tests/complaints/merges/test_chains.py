"""Merges of merges, and what `helpdesk verify` says of them."""

from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.merges.acting import Complaint, act, same
from tests.complaints.merging import (
    merge,
    new,
    path_of,
    read,
    rows_of,
    thread,
    unmerge,
    verified,
    write,
)
from tests.conftest import Caller


class TestChains:
    def test_all_roads_lead_to_the_last(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b, c = (new(senior, team, subject=name) for name in "abc")
        write(senior, a, "inbound", "from a")
        merge(senior, a, b)
        write(senior, b, "inbound", "from b")
        merge(senior, b, c)
        for complaint in (a, b):
            assert read(senior, complaint)["merged_into"]["reference"] == c["reference"]
        assert {body for _, body in thread(senior, c)} >= {"from a", "from b"}
        write(senior, a, "inbound", "late")
        assert thread(senior, c)[-1] == ("inbound", "late")
        types = [event["type"] for event in senior.get(f"{path_of(a)}/timeline").json["items"]]
        assert types[-3:] == ["complaint.merged", "sla.cancelled", "complaint.redirected"]
        verified(database)

    def test_into_a_merged_one_is_into_its_survivor(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b, c = (new(senior, team) for _ in range(3))
        merge(senior, a, b)
        assert merge(senior, c, a)["survivor"]["reference"] == b["reference"]
        assert merge(senior, b, c, expect=409)["code"] == "already_merged"
        assert merge(senior, b, a, expect=409)["code"] == "already_merged"
        verified(database)

    def test_into_a_merged_one_whose_survivor_is_out_of_sight(
        self, senior: Caller, manager: Caller, team: UUID, theirs: Complaint
    ) -> None:
        a, b = new(senior, team), new(senior, team)
        merge(manager, a, theirs)
        assert merge(senior, b, a, expect=422)["errors"][0]["code"] == "unknown"

    def test_undone_from_the_end(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b, c = (new(senior, team, subject=name) for name in "abc")
        before = {name: rows_of(database, row["id"]) for name, row in (("a", a), ("b", b), ("c", c))}
        merge(senior, a, b, silent=True)
        between = rows_of(database, b["id"])
        merge(senior, b, c, silent=True)
        assert unmerge(senior, a, expect=409)["code"] == "merge_final"
        unmerge(senior, b, silent=True)
        assert same(rows_of(database, b["id"]), between)
        assert read(senior, a)["merged_into"]["reference"] == b["reference"]
        unmerge(senior, a, silent=True)
        for name, row in (("a", a), ("b", b), ("c", c)):
            assert same(rows_of(database, row["id"]), before[name]), name
        verified(database)


class TestVerification:
    """`helpdesk verify complaints` finds what a hand on the console has done."""

    @pytest.mark.parametrize(
        ("tampering", "found"),
        [
            ("UPDATE complaint SET merged_into_id = :a WHERE id = :c", "says it was merged, and no merge does"),
            ("UPDATE complaint_merge SET undone_at = merged_at", "says it was merged, and no merge does"),
            (
                "UPDATE complaint SET dismissal = 'spam', merged_into_id = NULL WHERE id = :a",
                "has a merge that it does not know of",
            ),
            ("UPDATE complaint SET child_count = 3 WHERE id = :b", "says 3 children, has 0"),
        ],
    )
    def test_what_was_changed_is_named(
        self, senior: Caller, team: UUID, database: Database, tampering: str, found: str
    ) -> None:
        a, b, c = (new(senior, team) for _ in range(3))
        merge(senior, a, b)
        act(senior, c, "dismiss")
        with database.engine.begin() as connection:
            if ":c" in tampering:
                connection.execute(
                    text("UPDATE complaint SET dismissal = 'duplicate', merged_into_id = :b WHERE id = :c"),
                    _ids(a, b, c),
                )
            connection.execute(text(tampering), _ids(a, b, c))
        told = [item.detail for item in violations(database, ["complaints"])]
        assert found in told
        if ":c" in tampering:
            assert f"goes on in {a['reference']}, which was merged itself" in told

    def test_a_ring_of_parents_is_named(self, senior: Caller, team: UUID, database: Database) -> None:
        a, b = (new(senior, team) for _ in range(2))
        with database.engine.begin() as connection:
            for one, other in ((a, b), (b, a)):
                values = {"one": one["id"], "other": other["id"]}
                connection.execute(
                    text(
                        "INSERT INTO complaint_link (id, kind, from_id, to_id, created_at) "
                        "VALUES (gen_random_uuid(), 'child_of', :one, :other, now())"
                    ),
                    values,
                )
        rings = [item.subject for item in violations(database, ["complaints"]) if item.check == "parents"]
        assert sorted(rings) == sorted(f"complaint {each['reference']}" for each in (a, b))


def _ids(a: Complaint, b: Complaint, c: Complaint) -> dict[str, str]:
    return {"a": a["id"], "b": b["id"], "c": c["id"]}
