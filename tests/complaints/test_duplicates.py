"""Whether a complaint has been made before.

How it can fail: two matters of one person are called one, or one matter in other words is called two; scripts without
blanks are one long word; a reason is named that is not there; a complaint that the caller may not see is suggested, or
counted; the public learns that somebody has complained before; something happens by itself; one customer with thousands of
complaints makes intake slow; an import says nothing, or says it of another line.
"""

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from helpdesk.complaints import duplicates, intake
from helpdesk.complaints.likeness import LONGEST, likeness, words
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.submitting import SUBMITTED, Page
from tests.complaints.test_forms import make
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.integrations.conftest import Ask, Command, ask, command

__all__ = ["ask", "command"]

PAIRS: Final = [
    (
        "My parcel was promised for Monday and came on Friday. I had taken the day off for it.",
        "Parcel promised Monday, came only on Friday although I had taken a day off.",
    ),
    ("新装的热水器第二天就开始漏水。客服电话一直打不通。", "热水器刚装好第二天就漏水。打客服电话也打不通"),
    ("先週注文した荷物がまだ届いていません。連絡もありません。", "荷物がまだ届きません。先週注文しました。"),
    ("배송이 일주일 늦었습니다. 고객센터는 연락이 없습니다.", "배송이 일주일이나 늦었는데 고객센터 연락이 없네요"),
    (
        "Rechnung doppelt abgebucht, bitte Betrag erstatten",
        "Die Rechnung wurde doppelt abgebucht. Bitte erstatten Sie den Betrag!",
    ),
    ("Ваша посылка опоздала на неделю", "посылка опоздала почти на неделю"),
]
OTHERS: Final = [
    (
        "My parcel was promised for Monday and came on Friday. I had taken the day off for it.",
        "The branch was closed at noon on a Tuesday, and the cash machine swallowed my card.",
    ),
    ("新装的热水器第二天就开始漏水。客服电话一直打不通。", "我的信用卡账单上多了一笔没有授权的消费。请退款。"),
    ("先週注文した荷物がまだ届いていません。", "店員の態度がとても悪かったです。"),
    ("", "anything at all"),
    ("the and for was", "the and for was"),
]


class TestLikeness:
    @pytest.mark.parametrize(("one", "other"), PAIRS)
    def test_one_matter_in_other_words(self, one: str, other: str) -> None:
        assert likeness(words(one), words(other)) >= duplicates.LEAST + 10

    @pytest.mark.parametrize(("one", "other"), OTHERS)
    def test_another_matter(self, one: str, other: str) -> None:
        assert likeness(words(one), words(other)) < duplicates.LEAST

    def test_bounds(self) -> None:
        text = words(PAIRS[0][0])
        assert likeness(text, text) == 100
        assert likeness(frozenset(), frozenset()) == 0

    @given(st.text(max_size=300), st.text(max_size=300))
    def test_is_symmetric_and_between_0_and_100(self, one: str, other: str) -> None:
        found = likeness(words(one), words(other))
        assert found == likeness(words(other), words(one))
        assert 0 <= found <= 100

    def test_spelling_is_nothing(self) -> None:
        assert words("\uff30\uff21\uff32\uff23\uff25\uff2c Überfällig") == words("parcel uberfallig")

    def test_long_texts_are_looked_at_so_far(self) -> None:
        start = "parcel " * (LONGEST // 7)
        assert words(start + "afterwards" * 100_000) <= words(start + "after") | {
            "a",
            "af",
            "aft",
            "afte",
            "after",
        } | words("after" * 20)


def new(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", complaint_body(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def found(caller: Caller, shown: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"/complaints/{shown['reference']}/duplicates{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


class TestAsking:
    def test_anonymous_role_team(self, anonymous: Caller, agent: Caller, join: Join) -> None:
        shown = new(agent, team_id=str(agent.actor.team_ids[0]))
        path = f"/complaints/{shown['reference']}/duplicates"
        assert anonymous.get(path).status_code == 401
        assert join("agent", team_ids=[]).get(path).status_code == 404
        assert join("auditor").get(path).status_code == 200

    def test_said_with_its_reasons(self, agent: Caller) -> None:
        first = new(agent)
        assert first["possible_duplicates"] == []
        second = new(agent, description="Parcel promised Monday, came on Friday only.")
        [told] = second["possible_duplicates"]
        assert [told] == found(agent, second)
        assert (told["reference"], told["matches"]) == (first["reference"], ["customer", "email", "issue"])
        assert {"parcel", "promised", "friday"} <= set(told["shared_words"])
        assert told["days_apart"] == 0
        assert 60 <= told["score"] <= 100
        assert [item["reference"] for item in found(agent, first)] == [second["reference"]]

    def test_nothing_happens_by_itself(self, agent: Caller, engine: Engine) -> None:
        first, second = new(agent), new(agent)
        assert second["possible_duplicates"]
        for shown in (first, second):
            now = agent.get(f"/complaints/{shown['reference']}").json
            assert (now["status"], now["version"]) == ("received", 1)
        with engine.connect() as connection:
            kinds = set(connection.execute(text("SELECT type FROM event WHERE stream_id IS NOT NULL")).scalars())
        assert not [kind for kind in kinds if "duplicate" in kind]

    def test_two_matters_of_one_person_are_two(self, agent: Caller) -> None:
        new(agent)
        other = new(
            agent,
            subject="Card",
            description="The cash machine swallowed my card at noon.",
            issues=[{"category": "BIL"}],
        )
        assert other["possible_duplicates"] == []

    def test_two_persons_with_one_text_are_two(self, agent: Caller) -> None:
        new(agent)
        assert new(agent, complainant={"name": "Li Wei", "email": "another@example.com"})["possible_duplicates"] == []
        assert new(agent, complainant={"name": "Li Wei"})["possible_duplicates"] == []

    @pytest.mark.parametrize(
        ("more", "matches"),
        [
            ({"complainant": {"email": "LI.WEI@example.com"}}, {"customer", "email", "issue"}),
            ({"complainant": {"phone": "010 5555 0100"}}, {"phone", "issue"}),
            ({"complainant": {"name": "Mother"}, "affected": {"email": "li.wei@example.com"}}, {"email", "issue"}),
            ({"complainant": {"name": "x"}, "source": "branch", "external_id": "4711"}, {"external_id", "issue"}),
        ],
    )
    def test_by_whatever_they_have_in_common(self, agent: Caller, more: dict[str, Any], matches: set[str]) -> None:
        person = {"name": "Li Wei", "email": "li.wei@example.com", "phone": "+86 (10) 5555-0100"}
        first = new(agent, complainant=person, source="shop", external_id="4711")
        [told] = new(agent, **more)["possible_duplicates"]
        assert (told["reference"], set(told["matches"])) == (first["reference"], matches)

    def test_one_number_in_another_system_whatever_the_text(self, agent: Caller) -> None:
        new(agent, source="shop", external_id="4711")
        more = {"source": "branch", "external_id": "4711", "complainant": {"name": "x"}, "issues": [{}]}
        [told] = new(agent, subject="x", description="Nothing of that.", **more)["possible_duplicates"]
        assert (told["matches"], told["likeness"]) == (["external_id"], 0)

    def test_the_likeliest_first_and_only_so_many(self, agent: Caller) -> None:
        for number in range(7):
            new(agent, description=f"My parcel was promised for Monday and came on Friday. {'Again. ' * number}")
        exact = new(agent, description="My parcel was promised for Monday and came on Friday. Again.")
        told = exact["possible_duplicates"]
        assert len(told) == 5
        assert [item["score"] for item in told] == sorted((item["score"] for item in told), reverse=True)
        assert len(found(agent, exact)) == 7
        assert len(found(agent, exact, "?limit=3")) == 3

    def test_the_window(self, agent: Caller) -> None:
        old = new(agent, received_at="2026-01-01T00:00:00Z")
        shown = new(agent, received_at="2026-05-01T00:00:00Z")
        assert shown["possible_duplicates"] == []
        assert [item["reference"] for item in found(agent, shown, "?days=200")] == [old["reference"]]
        assert found(agent, old, "?days=200")[0]["days_apart"] == 120
        for query in ("?days=0", "?days=4000", "?limit=0", "?limit=51", "?limit=x", "?cursor=x"):
            assert agent.get(f"/complaints/{shown['reference']}/duplicates{query}").status_code == 422

    def test_only_what_one_may_see(self, join: Join, database: Database, team: Any) -> None:
        here, there = join("agent"), join("agent", team_ids=[make_team(database, "Other")])
        manager = join("manager")
        hidden = new(there, team_id=str(there.actor.team_ids[0]))
        shown = new(here, team_id=str(team))
        assert shown["possible_duplicates"] == found(here, shown) == []
        assert [item["reference"] for item in found(manager, shown)] == [hidden["reference"]]

    def test_the_public_learns_nothing(self, manager: Caller, agent: Caller, anonymous: Caller) -> None:
        person = {"email": "li.wei@example.com"}
        new(agent, complainant=person, description=SUBMITTED["description"], subject=SUBMITTED["subject"])
        page = Page(anonymous, make(manager, fields={"email": "required"}))
        sent = page.send(page.body(**person))
        assert set(sent.json) == {"reference", "tracking_secret", "received_at", "acknowledged"}
        assert len(found(agent, sent.json)) == 1

    def test_one_that_was_merged_is_suggested_no_more(self, senior: Caller) -> None:
        first, second = new(senior), new(senior)
        body = {"into": first["reference"], "reason": "The same parcel."}
        merged = senior.post(f"/complaints/{second['reference']}/merge", body, if_match="*")
        assert merged.status_code == 201, merged.text
        assert [item["reference"] for item in new(senior)["possible_duplicates"]] == [first["reference"]]

    def test_a_hostile_text_is_only_text(self, agent: Caller) -> None:
        hostile = "<script>alert(1)</script> '; DROP TABLE complaint; -- \u202e\ufeff %s {0} " * 50
        new(agent, description=hostile)
        assert new(agent, description=hostile)["possible_duplicates"][0]["likeness"] == 100

    def test_who_complains_without_end_is_looked_up_to_a_bound(self, agent: Caller, database: Database) -> None:
        given_ = ComplaintIn().load(complaint_body())
        with database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, [given_] * 200)
        shown = new(agent)
        assert len(shown["possible_duplicates"]) == 5
        assert len(found(agent, shown, "?limit=50")) <= duplicates.MOST


class TestImport:
    def test_hints_name_the_line_and_nothing_else(
        self, command: Command, ask: Ask, tmp_path: Path, agent: Caller
    ) -> None:
        earlier = new(agent)
        path = tmp_path / "complaints.csv"
        path.write_text(
            "channel,subject,description,email\n"
            "EMAIL,Card,The cash machine swallowed my card.,li.wei@example.com\n"
            "EMAIL,Parcel late,My parcel was promised for Monday and came on Friday.,li.wei@example.com\n"
            "EMAIL,Parcel late,My parcel was promised for Monday and came on Friday.,other@example.com\n"
            "EMAIL,Hotel,The room was dirty and loud; nobody answered.,twice@example.com\n"
            "EMAIL,Hotel,Nobody answered: a dirty and loud room.,twice@example.com\n",
            encoding="utf-8",
        )
        assert command(path, "--mapping", "generic").exit_code == 0
        assert ask("SELECT accepted FROM import_job") == 5
        hints = ask("SELECT json_agg(r ORDER BY line) FROM import_rejection r WHERE code = 'possible_duplicate'")
        assert [hint["line"] for hint in hints] == [3, 5, 6]
        assert {hint["outcome"] for hint in hints} == {"note"}
        assert all(earlier["reference"] not in hint["detail"] for hint in hints)

    def test_a_dry_run_and_records_without_anybody_say_nothing(
        self, command: Command, ask: Ask, cfpb_file: Any
    ) -> None:
        assert command(cfpb_file(20), "--mapping", "cfpb").exit_code == 0
        assert ask("SELECT count(*) FROM import_rejection WHERE code = 'possible_duplicate'") == 0


@pytest.fixture
def cfpb_file(tmp_path: Path) -> Any:
    from tests.integrations.conftest import cfpb_row, csv_text

    def make_file(count: int) -> Path:
        path = tmp_path / "cfpb.csv"
        path.write_text(csv_text([cfpb_row(number) for number in range(count)]), encoding="utf-8")
        return path

    return make_file
