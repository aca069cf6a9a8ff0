"""Finding complaints by their words.

How it can fail: a word of the text is not found, or one that is gone still is; somebody finds what they may not see, or
counts it; two words in two parts of a long complaint are not found together; pages repeat or skip; the order is not the
one that was promised; an odd text answers 500; the index differs from the text after an act, a rollback, a race.
"""

import contextlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from helpdesk.cli import main
from helpdesk.complaints import search_queries
from helpdesk.complaints.search_jobs import index_unsearched
from helpdesk.complaints.search_text import MAX_PLACES
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once


def received(caller: Caller, **more: Any) -> str:
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return str(answer.json["reference"])


def hits(caller: Caller, q: str, **more: str) -> list[str]:
    answer = search(caller, q, **more)
    return [item["complaint"]["reference"] for item in answer["items"]]


def search(caller: Caller, q: str, **more: str) -> dict[str, Any]:
    answer = caller.client.get(
        "/api/v1/complaints/search", query_string={"q": q, **more}, headers={"Authorization": f"Bearer {caller.token}"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def refused(caller: Caller, q: str) -> dict[str, Any]:
    answer = caller.client.get(
        "/api/v1/complaints/search", query_string={"q": q}, headers={"Authorization": f"Bearer {caller.token}"}
    )
    assert answer.status_code == 422, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def sound(database: Database) -> bool:
    return not list(violations(database, ["search"]))


class TestSearch:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/complaints/search?q=late").status_code == 401

    def test_what_is_given_must_be_something_to_look_for(self, agent: Caller) -> None:
        assert agent.get("/complaints/search").status_code == 422
        (short,) = refused(agent, "parcel p*")["errors"]
        assert (short["parameter"], short["detail"]) == ("q", "Give at least 2 letters or digits before a *.")
        problem = refused(agent, "— …")
        assert problem["errors"][0] | {"detail": ""} == {
            "parameter": "q", "code": "nothing_to_look_for", "detail": ""
        }  # fmt: skip

    def test_finds_by_every_part(self, agent: Caller) -> None:
        ref = received(
            agent,
            subject="Kühlschrank defekt",
            description="The motor hums. 冰箱不制冷。",
            source="shop",
            external_id="A-4711/x",
            complainant={"name": "Zoë Łukasz", "email": "zoe@shop.example", "phone": "+48 22 555 01 00"},
            representative={"name": "Adwokat Nowak", "authority": "letter"},
            issues=[{"category": "PRD", "issue": "PRD.DEFECT", "detail": "compressor"}],
        )
        received(agent)
        path = f"/complaints/{ref}"
        assert agent.post(f"{path}/messages", {"kind": "internal_note", "body": "ask the Techniker"}).status_code == 201
        for q in (
            "kuhlschrank",
            "DEFEKT motor",
            "冰箱",
            "不制",
            "冷",
            "4711",
            '"A-4711/x"',
            "zoe@shop.example",
            "Łukasz",
            "48225550100",
            "nowak",
            "compressor",
            "techniker kuhlschrank",
            "tech*",
            "motor -parcel",
            '"motor hums"',
            "subject:defekt from:zoe",
            "motor subject:-motor",
            'defekt from:-"adwokat meyer"',
            "motor -subject:motor",
            ref,
            ref.replace("-", "").lower(),
            f"{ref[:6]}*",
            f"{ref[:7].lower()}*",
            f"{ref[:11]}*",
        ):
            assert hits(agent, q) == [ref], q
        for q in (
            "kuhl",
            '"hums motor"',
            "motor -techniker",
            "subject:motor",
            "from:motor",
            "冷制",
            "motor subject:-defekt",
        ):
            assert hits(agent, q) == [], q

    def test_changes_are_found_at_once_and_what_is_gone_is_not(
        self, agent: Caller, database: Database, complaint: dict[str, Any]
    ) -> None:
        ref, path = complaint["reference"], f"/complaints/{complaint['reference']}"
        agent.patch(path, {"subject": "Wardrobe"}, if_match="*")
        assert (hits(agent, "wardrobe"), hits(agent, "subject:parcel")) == ([ref], [])
        person = agent.post(f"{path}/affected", {"name": "Grandmother"}).json["people"][-1]
        assert hits(agent, "grandmother") == [ref]
        agent.patch(f"{path}/people/{person['id']}", {"name": "Grandfather"}, if_match="*")
        assert (hits(agent, "grandmother"), hits(agent, "grandfather")) == ([], [ref])
        agent.delete(f"{path}/people/{person['id']}", if_match="*")
        assert hits(agent, "grandfather") == []
        agent.post(f"{path}/issues", {"category": "DEL", "issue": "DEL.LOST", "detail": "scratched"})
        assert hits(agent, "scratched") == [ref]
        assert sound(database)

    def test_several_acts_in_one_transaction(self, agent: Caller, database: Database) -> None:
        """A message of the same unit of work in which the rows are made anew is not lost."""
        from helpdesk.complaints import queries, service

        ref = received(agent)
        with database.unit_of_work(agent.actor) as uow:
            row = queries.complaint_for_update(uow.session, agent.actor, ref)
            service.write_message(uow, agent.actor, row, {"kind": "internal_note", "body": "first"})
            service.edit(uow, row, {"subject": "second"})
            service.write_message(uow, agent.actor, row, {"kind": "internal_note", "body": "third"})
        assert hits(agent, "first second third") == [ref]
        assert sound(database)

    def test_what_was_rolled_back_is_not_found(self, agent: Caller, database: Database) -> None:
        from helpdesk.complaints import queries, service

        ref = received(agent)
        with contextlib.suppress(RuntimeError), database.unit_of_work(agent.actor) as uow:
            row = queries.complaint_for_update(uow.session, agent.actor, ref)
            service.write_message(uow, agent.actor, row, {"kind": "internal_note", "body": "phantom"})
            raise RuntimeError
        assert hits(agent, "phantom") == []
        assert sound(database)

    def test_two_at_once(self, agent: Caller, join: Join, database: Database) -> None:
        ref, other = received(agent), join("agent")
        path = f"/complaints/{ref}"
        for number in range(5):
            left, right = {"kind": "internal_note", "body": f"left{number}"}, {"subject": f"right{number}"}
            at_once(
                partial(agent.post, f"{path}/messages", left),
                partial(other.patch, path, right, if_match="*"),
            )
        assert hits(agent, "right4 left0 left1 left2 left3 left4") == [ref]
        assert sound(database)

    def test_long_complaints(self, agent: Caller, database: Database) -> None:
        """Words that stand in different segments are found together, and what one of them holds can be excluded."""
        ref = received(agent, description="beginning " + "filler " * 12_000 + "middle")
        path = f"/complaints/{ref}"
        for number in range(3):
            body = f"note{number} " + " ".join(f"w{number}x{n}" for n in range(6_000))
            assert agent.post(f"{path}/messages", {"kind": "internal_note", "body": body}).status_code == 201
        agent.post(f"{path}/messages", {"kind": "internal_note", "body": "ending"})
        with database.reader() as session:
            segments = session.execute(text("SELECT count(*), bool_and(several) FROM complaint_search")).one()
        assert segments[0] > 2
        assert segments[1]
        for q in ("beginning middle", "beginning ending", "note0 note2 w1x5999", '"filler middle"', "ending late"):
            assert hits(agent, q) == [ref], q
        for q in ("beginning -ending", "note0 nothing", "ending -parcel"):
            assert hits(agent, q) == [], q
        assert sound(database)

    def test_a_message_longer_than_a_segment(
        self, agent: Caller, database: Database, complaint: dict[str, Any]
    ) -> None:
        body = " ".join(f"w{n}" for n in range(MAX_PLACES + 5))
        path = f"/complaints/{complaint['reference']}/messages"
        assert agent.post(path, {"kind": "internal_note", "body": body}).status_code == 201
        assert hits(agent, f"w{MAX_PLACES + 4} parcel") == [complaint["reference"]]
        assert sound(database)

    def test_filters_of_the_list_apply(self, agent: Caller, team: UUID) -> None:
        mine, other = received(agent, channel="PHONE", team_id=str(team)), received(agent, channel="WEB")
        assert set(hits(agent, "parcel")) == {mine, other}
        assert hits(agent, "parcel", channel="PHONE") == [mine]
        assert hits(agent, "parcel", team_id=str(team), status="received") == [mine]
        assert hits(agent, mine, channel="WEB") == []
        assert agent.get("/complaints/search?q=a&sort=received_at").status_code == 422

    def test_heavier_places_come_first_then_newer(self, agent: Caller) -> None:
        thread = received(agent, subject="x", description="y")
        agent.post(f"/complaints/{thread}/messages", {"kind": "internal_note", "body": "zebra"})
        description = received(agent, subject="x", description="a zebra")
        person = received(agent, subject="x", description="y", complainant={"name": "Zebra"})
        older = received(agent, subject="zebra", description="y", received_at="2026-01-01T00:00:00Z")
        newer = received(agent, subject="zebra", description="y", received_at="2026-02-01T00:00:00Z")
        assert hits(agent, "zebra") == [newer, older, person, description, thread]

    def test_fragments_show_where(self, agent: Caller) -> None:
        ref = received(agent, subject="Über <b>late</b>", description="Nothing. " * 50 + "It came late again.")
        agent.post(f"/complaints/{ref}/messages", {"kind": "internal_note", "body": "so late"})
        (item,) = search(agent, "uber late")["items"]
        shown = {
            fragment["field"]: "".join(
                f"[{part['text']}]" if part["match"] else part["text"] for part in fragment["parts"]
            )
            for fragment in item["fragments"]
        }
        assert shown["subject"] == "[Über] <b>[late]</b>"
        assert shown["description"].endswith("came [late] again.")
        assert shown["message"] == "so [late]"
        assert item["fragments"][2]["message_id"] is not None

    def test_odd_texts(self, agent: Caller, complaint: dict[str, Any]) -> None:
        for q in (
            "' OR 1=1 --", "parcel:*A & !late", "a" * 1000, "\u202eparcel", '"' * 999, "(" * 500, "\\", "%", "_", "parcel\u200b",
            "🎉 parcel", "- parcel", "--parcel", "'parcel'", ":* parcel", "parcel\tlate\nweek", "a" * 64 + "*",
        ):  # fmt: skip
            answer = agent.client.get(
                "/api/v1/complaints/search", query_string={"q": q}, headers={"Authorization": f"Bearer {agent.token}"}
            )
            assert answer.status_code in {200, 422}, (q, answer.text)
        assert hits(agent, "\u202eparcel\u200b") == [complaint["reference"]]
        for q in ("a\0b", "a" * 1001, " " * 10):
            assert refused(agent, q)


class TestPages:
    @pytest.fixture
    def many(self, agent: Caller) -> list[str]:
        return [received(agent, subject=f"zebra {n % 3}", description="zebra " * (n % 5 + 1)) for n in range(23)]

    def all_pages(self, caller: Caller, q: str, limit: int) -> list[str]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = search(caller, q, limit=str(limit), **cursor)
            found += [item["complaint"]["reference"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def test_ranked(self, agent: Caller, many: list[str]) -> None:
        whole = search(agent, "zebra", limit="200")
        assert (whole["total"], whole["ranked"], whole["next_cursor"]) == (23, True, None)
        for limit in (1, 7, 22, 23):
            assert self.all_pages(agent, "zebra", limit) == [item["complaint"]["reference"] for item in whole["items"]]

    @pytest.mark.parametrize(
        "limits",
        [
            {"RANKED": 10},
            {"RANKED": 10, "GLANCE": 5, "FAR": 12},
            {"RANKED": 10, "GLANCE": 5, "FAR": 1, "_UNEVEN": 12},
            {"RANKED": 3, "GLANCE": 1},
            {"RANKED": 3, "AT_HAND": 12},
        ],
        ids=["at a glance", "further on", "not far enough", "more and more", "one after the other"],
    )
    def test_more_than_are_ranked_come_newest_first(
        self, agent: Caller, many: list[str], limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in limits.items():
            monkeypatch.setattr(search_queries, name, value)
        page = search(agent, "zebra", limit="5")
        assert (page["total"], page["ranked"]) == (None, False)
        for q in ("zebra", "zebra -nothing", "zeb* subject:zebra"):
            assert self.all_pages(agent, q, 5) == many[::-1]

    @pytest.mark.parametrize(
        "limits", [{"RANKED": 2}, {"RANKED": 2, "GLANCE": 1, "FAR": 1}], ids=["walked", "looked up"]
    )
    def test_what_has_several_segments_is_shown_once(
        self, agent: Caller, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long = "zebra " + "filler " * 12_000 + "zebra"
        refs = [received(agent, subject="long", description=long) for _ in range(3)]
        for name, value in limits.items():
            monkeypatch.setattr(search_queries, name, value)
        for q in ("zebra", "zebra filler"):
            for limit in (1, 2, 200):
                assert self.all_pages(agent, q, limit) == refs[::-1], (q, limit)

    @pytest.mark.parametrize(
        "limits",
        [
            {"RANKED": 5},
            {"RANKED": 5, "GLANCE": 2, "FAR": 4},
            {"RANKED": 5, "AT_HAND": 7},
            {"RANKED": 5, "AT_HAND": 0},
        ],
        ids=["at hand", "more and more", "hardly at hand", "one after the other"],
    )
    def test_what_is_narrowed_to_few_is_ranked_however_many_match(
        self, agent: Caller, many: list[str], limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By a filter; and of those that pass, one more than are ranked are not."""
        few = [received(agent, subject="s", description="zebra", channel="PHONE") for _ in range(4)]
        best = received(agent, subject="zebra", channel="PHONE", received_at="2026-01-01T00:00:00Z")
        for name, value in limits.items():
            monkeypatch.setattr(search_queries, name, value)
        found = search(agent, "zebra", channel="PHONE", limit="2")
        assert (found["total"], found["ranked"]) == (5, True)
        order = [best, *few[::-1]]
        assert [item["complaint"]["reference"] for item in found["items"]] == order[:2]
        rest = search(agent, "zebra", channel="PHONE", limit="2", cursor=found["next_cursor"])
        assert [item["complaint"]["reference"] for item in rest["items"]] == order[2:4]
        assert hits(agent, "zebra", ref=many[0]) == [many[0]]
        for filters in ({"ref": many[0]}, {"status": "withdrawn"}, {"channel": "WEB"}):
            found = search(agent, "zebra", **filters)
            assert (found["total"], found["ranked"]) == (len(found["items"]), True), filters
        sixth = received(agent, subject="s", description="zebra", channel="PHONE")
        for limit in ("2", "200"):
            found = search(agent, "zebra", channel="PHONE", limit=limit)
            assert (found["total"], found["ranked"]) == (None, False)
            assert found["items"][0]["complaint"]["reference"] == sixth
        assert len(hits(agent, "zebra", channel="PHONE", limit="200")) == 6

    def test_what_fits_a_page_of_what_the_caller_sees_is_ranked(
        self, agent: Caller, join: Join, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        there = join("agent", team_ids=[elsewhere])
        best, other = received(agent, subject="yonder"), received(agent, subject="s", description="yonder")
        for _ in range(5):
            received(there, subject="yonder", team_id=str(elsewhere))
        monkeypatch.setattr(search_queries, "RANKED", 5)
        found = search(agent, "yonder")
        assert [item["complaint"]["reference"] for item in found["items"]] == [best, other]
        assert (found["total"], found["ranked"]) == (2, True)
        cut = search(agent, "yonder", limit="1")
        assert ([item["complaint"]["reference"] for item in cut["items"]], cut["ranked"]) == ([other], False)

    def test_a_cursor_of_another_search_is_refused(self, agent: Caller, many: list[str]) -> None:
        cursor = search(agent, "zebra", limit="5")["next_cursor"]
        for query in ({"q": "zebr*"}, {"q": "zebra", "channel": "WEB"}):
            answer = agent.client.get(
                "/api/v1/complaints/search",
                query_string={**query, "cursor": cursor},
                headers={"Authorization": f"Bearer {agent.token}"},
            )
            assert answer.status_code == 400
            assert b"cursor_mismatch" in answer.data


class TestVisibility:
    def test_others_are_not_found_and_not_counted(self, agent: Caller, join: Join, database: Database) -> None:
        elsewhere = make_team(database, "Elsewhere")
        other, auditor = join("agent", team_ids=[elsewhere]), join("auditor")
        ref = received(other, team_id=str(elsewhere), subject="secret matter")
        for q in ("secret", ref, "matter", "sec*"):
            found = search(agent, q)
            assert (found["items"], found["total"], found["next_cursor"]) == ([], 0, None)
            assert hits(other, q) == hits(auditor, q) == [ref]

    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 10_000))
    def test_search_is_the_list_narrowed(
        self, seed: int, join: Join, database: Database, admin: Caller, anonymous: Caller
    ) -> None:
        """Whoever looks, whatever they may see: what a word finds is what of their list has the word."""
        chance = random.Random(seed)
        teams = [make_team(database, f"Team {seed} {n}") for n in range(3)]
        callers = [
            join(role, team_ids=chance.sample(teams, chance.randint(0, 2))) for role in ("agent", "senior", "auditor")
        ]
        word = f"word{seed}"
        for _ in range(8):
            team = chance.choice([None, *teams])
            more = {} if team is None else {"team_id": str(team)}
            ref = received(admin, subject=word if chance.random() < 0.6 else "other", **more)
            if chance.random() < 0.3:
                who = chance.choice(callers)
                admin.put(f"/complaints/{ref}/assignment", {"assignee_id": str(who.id)}, if_match="*")
        for caller in [*callers, admin]:
            listed = caller.get("/complaints?limit=200").json["items"]
            expected = {item["reference"] for item in listed if item["subject"] == word}
            found = search(caller, word, limit="200")
            assert {item["complaint"]["reference"] for item in found["items"]} == expected
            assert found["total"] == len(expected)


TEXTS = {
    "zh": "新装的热水器第二天就开始漏水,客服电话一直打不通。家里有老人,请尽快处理。",
    "zh2": "快递员态度恶劣,包裹外箱破损,申请退款三天无人处理。",
    "ja": "先週注文した冷蔵庫がまだ届きません。サポートセンターに電話しても繋がらない状態です。",
    "ja2": "ｻﾎﾟｰﾄの対応が遅く、返金もされていない。カスタマーサービスに失望しました。",
    "ko": "배송이 일주일이나 늦었고 고객센터는 전화를 받지 않습니다.",
    "mixed": "My iPhone手机的屏幕broken了,要求refund退款。",
}


def test_every_two_neighbours_of_unspaced_text_find_what_holds_them(agent: Caller) -> None:
    """The oracle is `in`, on the folded texts."""
    from helpdesk.complaints.search_text import fold, tokens

    refs = {received(agent, subject=name, description=body): fold(body) for name, body in TEXTS.items()}
    pairs = {
        folded[place : place + 2]
        for folded in refs.values()
        for place in range(len(folded) - 1)
        if all(token.pair for token in tokens(folded[place : place + 2]))
        and folded[place : place + 2].strip().isalpha()
    }
    assert len(pairs) > 100
    for pair in sorted(pairs):
        assert set(hits(agent, pair, limit="50")) == {ref for ref, folded in refs.items() if pair in folded}, pair


class TestIndex:
    def test_what_was_there_before_is_indexed_by_the_sweep(
        self, agent: Caller, database: Database, complaint: dict[str, Any]
    ) -> None:
        with database.engine.begin() as connection:
            connection.execute(text("DELETE FROM complaint_search"))
            connection.execute(text("INSERT INTO complaint_unsearched SELECT id FROM complaint"))
        assert hits(agent, "parcel") == []
        assert index_unsearched(database) == 1
        assert index_unsearched(database) == 0
        assert hits(agent, "parcel") == [complaint["reference"]]

    def test_the_sweep_goes_past_what_somebody_is_at_work_on(
        self, agent: Caller, database: Database, complaint: dict[str, Any]
    ) -> None:
        second = received(agent)
        with database.engine.begin() as connection:
            connection.execute(text("INSERT INTO complaint_unsearched SELECT id FROM complaint"))
        with database.engine.connect() as holder:
            holder.execute(
                text("SELECT 1 FROM complaint WHERE reference = :ref FOR UPDATE"), {"ref": complaint["reference"]}
            )
            assert index_unsearched(database) == 1
            holder.rollback()
        assert index_unsearched(database) == 1
        assert set(hits(agent, "parcel")) == {complaint["reference"], second}

    @pytest.mark.parametrize(
        ("damage", "what"),
        [
            ("UPDATE complaint_search SET vector = ts_delete(vector, 'parcel')", "is not found by parcel"),
            ("UPDATE complaint_search SET vector = vector || 'ghost:1D'::tsvector", "words it does not have: ghost"),
            ("UPDATE complaint_search SET received_at = received_at - interval '1 day'", "at the time when"),
            ("DELETE FROM complaint_search", "is not found by"),
        ],
    )
    def test_verify_names_the_difference(
        self, agent: Caller, database: Database, complaint: dict[str, Any], damage: str, what: str
    ) -> None:
        assert sound(database)
        with database.engine.begin() as connection:
            connection.execute(text(damage))
        (found,) = violations(database, ["search"])
        assert complaint["reference"] in str(found)
        assert what in str(found)

    def test_rebuild_by_the_command(
        self, agent: Caller, program: Program, complaint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with program.engine.begin() as connection:
            connection.execute(text("UPDATE complaint_search SET vector = ''"))
        monkeypatch.setenv("HELPDESK_DATABASE_URL", str(program.settings.database_url))
        done = CliRunner().invoke(main, ["search", "rebuild"])
        assert done.exit_code == 0, done.output
        assert done.output.splitlines() == ["1 of 1", "1 complaints indexed."]
        assert sound(program.database)


Counting = Callable[[], Any]


def test_statements(agent: Caller, statements: Counting) -> None:
    """However many are found."""
    for number in range(12):
        received(agent, subject=f"zebra {number}")
    for limit in ("1", "10"):
        with statements() as seen:
            search(agent, "zebra", limit=limit)
        assert len(seen) <= 7, (
            seen.seen
        )  # the caller, the newest, more of them, what matches, in which order, the page, its texts
