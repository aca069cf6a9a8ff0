"""How it can fail: undoing takes what came later, or puts back what somebody has changed since; the window is not
looked at; two undone in another order than they were merged leave a mixture.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.attachments.sending import send, sent
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
from tests.complaints.test_custom_fields import define, filled
from tests.conftest import Caller


class TestNoIssueLeft:
    """The refusal says what to do, and that is enough."""

    def test_what_was_split_off_is_merged_back_first(self, senior: Caller, team: UUID) -> None:
        source, survivor = new(senior, team, issues=[{"category": "BIL", "issue": "BIL.FEE"}]), new(senior, team)
        merge(senior, source, survivor, silent=True)
        (issue,) = [each["id"] for each in read(senior, survivor)["issues"] if each["category"] == "BIL"]
        part = _split(senior, survivor, issue)
        refused = senior.post(f"{path_of(source)}/unmerge", {"reason": "Two.", "silent": True})
        assert (refused.status_code, refused.json["code"]) == (409, "no_issue_left")
        assert f"into {survivor['reference']} first" in refused.json["detail"]
        merge(senior, part, survivor, silent=True)
        unmerge(senior, source, silent=True)
        assert [each["category"] for each in read(senior, source)["issues"]] == ["BIL"]

    def test_the_survivor_is_said_to_be_about_something(self, senior: Caller, team: UUID) -> None:
        source, survivor = new(senior, team, issues=[{"category": "BIL", "issue": "BIL.FEE"}]), new(senior, team)
        (own,) = [each["id"] for each in read(senior, survivor)["issues"]]
        merge(senior, source, survivor, silent=True)
        _split(senior, survivor, own)
        refused = senior.post(f"{path_of(source)}/unmerge", {"reason": "Two.", "silent": True})
        assert (refused.status_code, refused.json["code"]) == (409, "no_issue_left")
        assert "Write down there first" in refused.json["detail"]
        assert senior.post(f"{path_of(survivor)}/issues", {"category": "COM"}).status_code == 201
        unmerge(senior, source, silent=True)
        assert [each["category"] for each in read(senior, survivor)["issues"]] == ["COM"]


def _split(caller: Caller, complaint: Complaint, issue_id: str) -> Complaint:
    body = {"issues": [issue_id], "reason": "Another team's.", "silent": True}
    answer = caller.post(f"{path_of(complaint)}/split", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


class TestUndo:
    def test_exactly_what_was_moved_goes_back(
        self, senior: Caller, agent: Caller, team: UUID, database: Database
    ) -> None:
        source = new(
            senior,
            team,
            issues=[{"category": "DEL", "issue": "DEL.LATE"}, {"category": "PRD", "issue": "PRD.SAFETY"}],
            needs=[{"flag": "hearing", "consent": True}],
            affected={"name": "Mother"},
        )
        survivor, third = new(senior, team), new(senior, team)
        write(senior, source, "inbound", "Where is it?")
        act(senior, source, "ask_customer")
        write(senior, survivor, "inbound", "And mine?")
        for kind, other in (("related", third), ("caused_by", survivor), ("parent_of", third)):
            body = {"kind": kind, "to": other["reference"]}
            assert agent.post(f"{path_of(source)}/links", body).status_code == 201
        before = rows_of(database, source["id"]), rows_of(database, survivor["id"])
        merge(senior, source, survivor, silent=True)
        assert rows_of(database, survivor["id"])["complaint"][0]["safety"] is True
        kinds = {item["kind"] for item in senior.get(f"{path_of(survivor)}/links").json["items"]}
        assert kinds == {"related", "causes", "parent_of"}
        answer = unmerge(senior, source, silent=True)
        assert same(rows_of(database, source["id"]), before[0])
        assert same(rows_of(database, survivor["id"]), before[1])
        assert answer["complaint"]["status"] == "received"
        assert answer["complaint"]["waiting_on"] == "customer"
        assert answer["survivor"]["reference"] == survivor["reference"]
        assert answer["returned"] == {
            "complaint_message": 2,
            "complaint_attachment": 0,
            "complaint_draft": 0,
            "complaint_issue": 1,
            "complaint_person": 1,
            "complaint_need": 1,
            "complaint_link": 2,
        }
        assert answer["stayed"] == {"messages": [], "issues": [], "people": [], "needs": [], "facts": []}
        verified(database)

    def test_what_came_afterwards_stays_and_is_listed(
        self, senior: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        said = write(senior, source, "inbound", "Hello?")
        noted = write(senior, survivor, "internal_note", "A note.")
        issue = senior.post(f"{path_of(survivor)}/issues", {"category": "COM"}).json["issues"][-1]
        need = senior.post(f"{path_of(survivor)}/needs", {"flag": "hearing", "consent": True}).json["needs"][-1]
        person = senior.post(f"{path_of(survivor)}/affected", {"name": "Mother"}).json["people"][-1]
        stayed = unmerge(senior, source)["stayed"]
        assert stayed == {
            "messages": [said["id"], noted["id"]],
            "issues": [issue["id"]],
            "people": [person["id"]],
            "needs": [need["id"]],
            "facts": [],
        }
        assert {body for _, body in thread(senior, survivor)} == {"Hello?", "A note."}
        assert read(senior, survivor)["vulnerable"] is True
        assert read(senior, source)["vulnerable"] is False
        verified(database)

    def test_what_another_complainant_wrote_goes_home_and_has_not_stayed(
        self, senior: Caller, team: UUID, database: Database
    ) -> None:
        source = new(senior, team, complainant={"name": "Another", "email": "another@example.com"})
        survivor = new(senior, team)
        merge(senior, source, survivor, silent=True, other_complainant=True)
        theirs = write(senior, source, "inbound", "Hello?")
        own = write(senior, survivor, "inbound", "And mine?")
        gone = senior.post(f"{path_of(survivor)}/needs", {"flag": "hearing", "consent": True}).json["needs"][-1]
        assert senior.delete(f"{path_of(survivor)}/needs/{gone['id']}", if_match="*").status_code == 200
        stayed = unmerge(senior, source, silent=True)["stayed"]
        assert (stayed["messages"], stayed["needs"]) == ([own["id"]], [])
        assert [item["id"] for item in senior.get(f"{path_of(source)}/messages").json["items"]] == [theirs["id"]]
        verified(database)

    def test_what_somebody_changed_is_theirs(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team), new(senior, team)
        act(senior, source, "triage", impact=5, urgency=4)
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S1"
        act(senior, survivor, "triage", impact=3, urgency=2)
        judged = read(senior, survivor)["severity"]
        unmerge(senior, source)
        assert read(senior, survivor)["severity"] == judged
        verified(database)

    def test_what_is_gone_does_not_come_back(self, senior: Caller, team: UUID, database: Database) -> None:
        source = new(senior, team, needs=[{"flag": "hearing", "consent": True}], affected={"name": "Mother"})
        survivor = new(senior, team)
        merge(senior, source, survivor)
        goes_on = read(senior, survivor)
        need = goes_on["needs"][0]["id"]
        affected = next(person["id"] for person in goes_on["people"] if person["role"] == "affected")
        assert senior.delete(f"{path_of(survivor)}/needs/{need}", if_match="*").status_code == 200
        assert senior.delete(f"{path_of(survivor)}/people/{affected}", if_match="*").status_code == 200
        answer = unmerge(senior, source)
        assert (answer["returned"]["complaint_need"], answer["returned"]["complaint_person"]) == (0, 0)
        assert (answer["complaint"]["needs"], answer["complaint"]["vulnerable"]) == ([], False)
        verified(database)

    def test_in_any_order(self, senior: Caller, team: UUID, database: Database) -> None:
        survivor = new(senior, team)
        plain = rows_of(database, survivor["id"])
        sources = [new(senior, team) for _ in range(3)]
        for place, source in enumerate(sources):
            act(senior, source, "triage", impact=3 + (place % 3), urgency=3)
            if place:
                act(senior, source, "escalate")
            merge(senior, source, survivor, silent=True)
        for place in (1, 0, 2):
            unmerge(senior, sources[place], silent=True)
        assert same(rows_of(database, survivor["id"]), plain)
        verified(database)

    def test_and_again(self, senior: Caller, two: tuple[Complaint, Complaint], database: Database) -> None:
        source, survivor = two
        before = rows_of(database, source["id"]), rows_of(database, survivor["id"])
        for _ in range(3):
            merge(senior, source, survivor, silent=True)
            unmerge(senior, source, silent=True)
        assert same(rows_of(database, source["id"]), before[0])
        assert same(rows_of(database, survivor["id"]), before[1])
        assert len(senior.get(f"{path_of(source)}/merges").json["items"]) == 3
        verified(database)

    def test_wrong_role(
        self, senior: Caller, agent: Caller, anonymous: Caller, two: tuple[Complaint, Complaint]
    ) -> None:
        merge(senior, *two)
        unmerge(anonymous, two[0], expect=401)
        unmerge(agent, two[0], expect=403)

    def test_what_was_never_merged(self, senior: Caller, complaint: Complaint) -> None:
        assert unmerge(senior, complaint, expect=409)["code"] == "action_not_allowed"
        act(senior, complaint, "dismiss")
        assert unmerge(senior, complaint, expect=409)["code"] == "action_not_allowed"

    def test_the_window(self, senior: Caller, two: tuple[Complaint, Complaint], engine: Engine) -> None:
        merge(senior, *two)
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint_merge SET undo_until = now() - interval '1 second'"))
        refused = unmerge(senior, two[0], expect=409)
        assert refused["code"] == "merge_final"
        assert refused["undo_until"]

    def test_the_window_is_a_setting(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        made = merge(senior, *two)
        times = [datetime.fromisoformat(made[name]) for name in ("merged_at", "undo_until")]
        assert times[1] - times[0] == timedelta(days=7)

    def test_of_a_decided_survivor(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        act(senior, survivor, "withdraw")
        assert unmerge(senior, source, expect=409)["code"] == "merge_final"

    def test_when_the_survivor_is_out_of_sight(
        self, senior: Caller, manager: Caller, theirs: Complaint, complaint: Complaint
    ) -> None:
        merge(manager, complaint, theirs)
        refused = unmerge(senior, complaint, expect=403)
        assert refused["code"] == "survivor_elsewhere"
        assert theirs["reference"] not in str(refused)

    def test_stale(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(senior, *two)
        answer = senior.post(f"{path_of(two[0])}/unmerge", {"reason": "x"}, if_match='"v1"')
        assert answer.status_code == 412
        merged = answer.json["changes"][-2]
        assert [item["type"] for item in answer.json["changes"][-2:]] == ["complaint.merged", "sla.cancelled"]
        assert "merged_into_id" in merged["changes"]


class TestShared:
    """Tags and watchers: both have them."""

    def test_until_the_last_that_brought_them_is_taken_apart(
        self, senior: Caller, team: UUID, database: Database
    ) -> None:
        one, other = (new(senior, team, tags=["storm", name]) for name in ("one", "other"))
        survivor = new(senior, team, tags=["one"])
        for source in (one, other):
            assert senior.put(f"{path_of(source)}/watchers/{senior.id}", None).status_code == 200
            merge(senior, source, survivor)
        assert read(senior, survivor)["tags"] == ["one", "other", "storm"]
        assert read(senior, one)["tags"] == ["one", "storm"]
        verified(database)
        unmerge(senior, one)
        assert (read(senior, survivor)["tags"], self._watchers(senior, survivor)) == (["one", "other", "storm"], 1)
        unmerge(senior, other)
        assert (read(senior, survivor)["tags"], self._watchers(senior, survivor)) == (["one"], 0)
        assert (read(senior, other)["tags"], self._watchers(senior, other)) == (["other", "storm"], 1)
        verified(database)

    @staticmethod
    def _watchers(caller: Caller, complaint: Complaint) -> int:
        return len(caller.get(f"{path_of(complaint)}/watchers").json["items"])

    def test_what_somebody_took_off_stays_off(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, tags=["storm"]), new(senior, team)
        merge(senior, source, survivor)
        assert senior.post(f"{path_of(survivor)}/tags/remove", {"tags": ["storm"]}).status_code == 200
        unmerge(senior, source)
        assert [read(senior, each)["tags"] for each in (source, survivor)] == [["storm"], []]
        verified(database)

    def test_fields_that_the_survivor_has_nothing_in(
        self, senior: Caller, manager: Caller, team: UUID, database: Database
    ) -> None:
        for key in ("carrier", "shop"):
            define(manager, key, type="text")
        one, other, survivor = (new(senior, team) for _ in range(3))
        filled(senior, one, carrier="one")
        filled(senior, other, carrier="other", shop="other")
        filled(senior, survivor, shop="survivor")
        for source in (one, other):
            merge(senior, source, survivor)
        assert read(senior, survivor)["custom_fields"] == {"carrier": "one", "shop": "survivor"}
        verified(database)
        unmerge(senior, one)
        assert read(senior, survivor)["custom_fields"] == {"carrier": "other", "shop": "survivor"}
        filled(senior, survivor, carrier="as somebody found out")
        unmerge(senior, other)
        assert read(senior, survivor)["custom_fields"] == {"carrier": "as somebody found out", "shop": "survivor"}
        assert read(senior, other)["custom_fields"] == {"carrier": "other", "shop": "other"}
        verified(database)

    def test_files_go_with_their_messages(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team), new(senior, team)
        message = write(senior, source, "inbound", "See the picture.")["id"]
        file = sent(senior, source, message_id=message)["id"]
        loose = sent(senior, source)["id"]
        merge(senior, source, survivor)
        opening = senior.get(f"{path_of(survivor)}/messages").json["items"][0]["id"]
        of_opening = sent(senior, survivor, message_id=opening)["id"]
        later = sent(senior, survivor, message_id=message)["id"]
        assert self._files(senior, survivor) == {file, loose, of_opening, later}
        assert send(senior, source).status_code == 409
        unmerge(senior, source)
        assert self._files(senior, source) == {file, loose, later}  # where its message is
        assert self._files(senior, survivor) == {of_opening}
        verified(database)

    @staticmethod
    def _files(caller: Caller, complaint: Complaint) -> set[str]:
        return {item["id"] for item in caller.get(f"{path_of(complaint)}/attachments").json["items"]}

    def test_words_are_found_where_they_stand(self, senior: Caller, team: UUID, database: Database) -> None:
        source = new(senior, team, subject="Kumquat", description="A crate of pomelos.")
        survivor = new(senior, team)
        write(senior, source, "internal_note", "Ask for rambutans.")
        merge(senior, source, survivor)
        assert self._found(senior, "rambutans") == {survivor["reference"]}
        assert self._found(senior, "pomelos") == {source["reference"], survivor["reference"]}
        unmerge(senior, source)
        assert self._found(senior, "rambutans") == self._found(senior, "pomelos") == {source["reference"]}
        verified(database)

    @staticmethod
    def _found(caller: Caller, word: str) -> set[str]:
        return {item["complaint"]["reference"] for item in caller.get(f"/complaints/search?q={word}").json["items"]}
