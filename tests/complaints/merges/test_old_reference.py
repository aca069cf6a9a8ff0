"""How it can fail: what they write to the old reference reaches nobody; the old link shows another's matter; words that
were cut stand in the other complaint.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from helpdesk.app import create_app
from helpdesk.complaints import merge_queries, unmerging
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merges.acting import NA, Complaint, act
from tests.complaints.merging import (
    merge,
    new,
    path_of,
    read,
    thread,
    unmerge,
    verified,
    write,
)
from tests.complaints.test_redaction import places_with
from tests.complaints.tracking.complainants import Post, opened, with_mail
from tests.conftest import Caller, Join
from tests.racing import until, waiting


class TestOldReference:
    """What is written to the duplicate, once it is merged."""

    def test_what_the_complainant_says_reaches_the_survivor(
        self, senior: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        act(senior, survivor, "ask_customer")
        written = write(senior, source, "inbound", "On Friday.")
        assert thread(senior, survivor)[-1] == ("inbound", "On Friday.")
        assert read(senior, survivor)["waiting_on"] == "us"
        assert ("inbound", "On Friday.") not in thread(senior, source)
        assert written["kind"] == "inbound"
        verified(database)

    @pytest.mark.parametrize("kind", ["public_reply", "internal_note"])
    def test_nobody_else_writes_there(
        self, senior: Caller, join: Join, two: tuple[Complaint, Complaint], kind: str
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        refused = write(senior, source, kind, "x", expect=409)
        assert refused["code"] == "complaint_merged"
        assert refused["merged_into"] == {"id": survivor["id"], "reference": survivor["reference"]}

    def test_where_it_goes_on_is_told_to_who_may_see_it(
        self, senior: Caller, manager: Caller, team: UUID, theirs: Complaint, complaint: Complaint
    ) -> None:
        merge(manager, complaint, theirs)
        assert read(senior, complaint)["merged_into"] is None
        refused = write(senior, complaint, "internal_note", "x", expect=409)
        assert "merged_into" not in refused
        assert theirs["reference"] not in str(refused)
        said = {"kind": "inbound", "body": "Hello?"}
        unseen, seen = (caller.post(f"{path_of(complaint)}/messages", said) for caller in (senior, manager))
        assert thread(manager, theirs)[-2:] == [("inbound", "Hello?")] * 2  # never lost
        assert "Location" not in unseen.headers
        assert theirs["id"] not in unseen.text
        assert manager.get(seen.headers["Location"]).json == seen.json

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("needs", {"flag": "hearing", "consent": True}),
            ("affected", {"name": "Mother"}),
            ("representatives", {"name": "Li Na", "authority": "Letter on file."}),
        ],
    )
    def test_nothing_is_added_where_it_would_be_overlooked(
        self, senior: Caller, two: tuple[Complaint, Complaint], path: str, body: Complaint
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        answer = senior.post(f"{path_of(source)}/{path}", body)
        assert (answer.status_code, answer.json["code"]) == (409, "complaint_merged")

    def test_it_is_not_reopened_by_itself(self, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(senior, *two)
        refused = act(senior, two[0], "reopen", expect=409)
        assert refused["code"] == "complaint_merged"
        assert refused["merged_into"]["reference"] == two[1]["reference"]
        (reopen,) = (item for item in read(senior, two[0])["allowed_actions"] if item["action"] == "reopen")
        assert [need["code"] for need in reopen["missing"]] == ["merged"]

    def test_none_of_many_changes_it_either(self, manager: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(manager, *two)
        before = read(manager, two[0])["version"]
        for step, given in (
            ("add_tags", {"tags": ["late"]}),
            ("edit", {"subject": "x"}),
            ("assign", {"assignee_id": str(manager.id)}),
            ("claim", {}),
        ):
            refs = [two[0]["reference"], two[1]["reference"]]
            answer = manager.post("/complaints/bulk", {"refs": refs, "step": step, "given": given})
            assert [item.get("code") for item in answer.json["items"]] == ["complaint_merged", None], (
                step,
                answer.json,
            )
        assert read(manager, two[0])["version"] == before

    def test_nor_does_a_macro(self, manager: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(manager, *two)
        made = manager.post("/macros", {"name": "late", "steps": [{"step": "add_tags", "given": {"tags": ["late"]}}]})
        assert made.status_code == 201, made.text
        for preview in (True, False):
            path = f"{path_of(two[0])}/macros/{made.json['id']}/apply"
            refused = manager.post(path, {"preview": preview})
            assert (refused.status_code, refused.json["code"]) == (409, "complaint_merged")

    def test_one_watches_it_oneself(self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint]) -> None:
        merge(senior, *two)
        path = f"{path_of(two[0])}/watchers"
        assert senior.put(f"{path}/{senior.id}", None).status_code == 200
        assert manager.put(f"{path}/{senior.id}", None).json["code"] == "complaint_merged"
        assert manager.delete(f"{path}/{senior.id}").json["code"] == "complaint_merged"
        assert senior.delete(f"{path}/{senior.id}").status_code == 204

    def test_nothing_is_linked_to_it(self, senior: Caller, team: UUID, two: tuple[Complaint, Complaint]) -> None:
        merge(senior, *two)
        given = {"kind": "related", "to": two[0]["reference"]}
        refused = senior.post(f"{path_of(new(senior, team))}/links", given)
        assert (refused.status_code, refused.json["code"]) == (409, "complaint_merged")
        assert refused.json["merged_into"]["reference"] == two[1]["reference"]

    def test_they_get_a_new_secret_for_it(
        self, senior: Caller, anonymous: Caller, two: tuple[Complaint, Complaint]
    ) -> None:
        merge(senior, *two)
        shown = senior.post(f"{path_of(two[0])}/tracking-secret", {"delivery": "show"}).json
        given = {"reference": two[0]["reference"], "secret": shown["tracking_secret"]}
        token = anonymous.post("/public/tracking", given).json["token"]
        seen = anonymous.get("/public/tracking/complaint", authorization=f"Tracking {token}").json
        assert seen["reference"] == two[1]["reference"]


class TestSecretOfAMergedOne:
    """It leads to where the complaint goes on, and shows whatever stands there."""

    @staticmethod
    def mailing(program: Program, caller: Caller) -> Caller:
        return Caller(create_app(program=with_mail(program)).test_client(), caller.actor, caller.token)

    def test_is_shown_to_nobody_who_may_not_see_that(
        self, senior: Caller, manager: Caller, theirs: Complaint, complaint: Complaint, anonymous: Caller
    ) -> None:
        merge(manager, complaint, theirs)
        path = f"{path_of(complaint)}/tracking-secret"
        refused = senior.post(path, {"delivery": "show"})
        assert (refused.status_code, refused.json["code"]) == (403, "survivor_elsewhere")
        assert theirs["reference"] not in refused.text
        assert opened(anonymous, complaint)  # and the one that the complainant has still opens
        assert manager.post(path, {"delivery": "show"}).status_code == 201

    @pytest.fixture
    def gone(self, senior: Caller, manager: Caller, theirs: Complaint, team: UUID) -> tuple[Complaint, Complaint]:
        hers = new(senior, team, complainant=NA)
        merge(manager, hers, theirs, other_complainant=True, silent=True)
        return hers, theirs

    def test_is_mailed_to_whose_it_is(
        self, program: Program, senior: Caller, gone: tuple[Complaint, Complaint], anonymous: Caller
    ) -> None:
        hers, theirs = gone
        post = Post(program)
        answer = self.mailing(program, senior).post(f"{path_of(hers)}/tracking-secret", {"delivery": "mail"})
        assert (answer.status_code, answer.json["tracking_secret"]) == (201, None)
        post.deliver()
        (letter,) = post.sent
        assert letter["To"] == NA["email"]
        assert theirs["reference"] not in str(letter) + letter.get_content()
        found = re.search(r"^密码\W(\S+)", letter.get_content(), re.MULTILINE)
        assert found is not None
        assert opened(anonymous, hers | {"tracking_secret": found[1]})


class TestWhoIsTold:
    @pytest.mark.parametrize("person", [NA, {"name": "Ana", "email": "ana@example.com"}])
    def test_another_persons_reference_is_not_named(
        self, program: Program, senior: Caller, team: UUID, person: Complaint
    ) -> None:
        hers, his = new(senior, team, complainant=person), new(senior, team)
        post = Post(program)
        merge(senior, hers, his, other_complainant=True)
        unmerge(senior, hers)
        post.deliver()
        assert [letter["To"] for letter in post.sent] == [person["email"]] * 2
        for letter in post.sent:
            assert hers["reference"] in letter.get_content()
            assert his["reference"] not in str(letter) + letter.get_content()
        assert his["reference"] not in str(thread(senior, hers))

    def test_nor_by_what_is_said_to_both_since(
        self, program: Program, senior: Caller, team: UUID, anonymous: Caller
    ) -> None:
        """The acknowledgement names a reference, and so may a reply: to each the one that they know."""
        hers, his = new(senior, team, complainant=NA), new(senior, team)
        merge(senior, hers, his, other_complainant=True, silent=True)
        act(senior, his, "acknowledge")
        given = {"kind": "public_reply", "body_html": f"<p>We look into <b>{his['reference']}</b>.</p>"}
        assert senior.post(f"{path_of(his)}/messages", given).status_code == 201
        post = Post(program)
        post.deliver()
        told = {str(letter["To"]): "" for letter in post.sent}
        for letter in post.sent:
            told[str(letter["To"])] += "".join(part.get_content() for part in letter.walk() if not part.is_multipart())
        own = {NA["email"]: hers, "li.wei@example.com": his}
        for address, complaint in own.items():
            (other,) = (one for one in own.values() if one is not complaint)
            assert f"We look into <b>{complaint['reference']}</b>" in told[address]
            assert other["reference"] not in told[address]
        seen = anonymous.get("/public/tracking/messages", authorization=f"Tracking {opened(anonymous, hers)}")
        assert len(seen.json["items"]) == 3
        assert his["reference"] not in seen.text
        assert his["reference"] in str(thread(senior, his))

    def test_ones_own_is(self, program: Program, senior: Caller, two: tuple[Complaint, Complaint]) -> None:
        post = Post(program)
        merge(senior, *two)
        unmerge(senior, two[0])
        post.deliver()
        assert all(one["reference"] in letter.get_content() for letter in post.sent for one in two)
        assert len(post.sent) == 2


class TestRedaction:
    def test_a_moved_message_is_gone_where_it_was_written_too(
        self, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        a, b, c = (new(manager, team) for _ in range(3))
        act(manager, a, "ask_customer", message="canary")
        merge(manager, a, b)
        merge(manager, b, c)
        items = manager.get(f"{path_of(c)}/messages").json["items"]
        (message,) = (item for item in items if item["body"] == "canary")
        assert places_with(engine, "canary")
        answer = manager.post(
            f"{path_of(c)}/messages/{message['id']}/redact", {"whole": True, "reason": "x"}, if_match="*"
        )
        assert answer.status_code == 200, answer.text
        assert places_with(engine, "canary") == []
        verified(database)


class TestTracking:
    """The complainant's own way in goes on working, and leads to where the matter goes on."""

    def test_leads_to_the_survivor_and_back(
        self, senior: Caller, anonymous: Caller, two: tuple[Complaint, Complaint], database: Database
    ) -> None:
        source, survivor = two
        before = opened(anonymous, source)  # a session from before the merge
        merge(senior, source, survivor)
        write(senior, survivor, "public_reply", "It comes on Friday.")
        write(senior, survivor, "internal_note", "For us.")
        ways = [f"Tracking {token}" for token in (before, opened(anonymous, source))]
        for authorization in ways:
            seen = anonymous.get("/public/tracking/complaint", authorization=authorization).json
            assert (seen["reference"], seen["status"]) == (survivor["reference"], "received")
            items = anonymous.get("/public/tracking/messages", authorization=authorization).json["items"]
            assert items[-1]["body"] == "It comes on Friday."
            assert "For us." not in str(items)
        said = anonymous.post("/public/tracking/messages", {"body": "Thank you."}, authorization=ways[0])
        assert said.status_code == 201, said.text
        assert thread(senior, survivor)[-1] == ("inbound", "Thank you.")
        unmerge(senior, source)
        seen = anonymous.get("/public/tracking/complaint", authorization=ways[0]).json
        assert seen["reference"] == source["reference"]
        verified(database)

    def test_another_persons_is_not_theirs_to_end(
        self, senior: Caller, anonymous: Caller, team: UUID, engine: Engine
    ) -> None:
        source, survivor = new(senior, team, complainant=NA), new(senior, team)
        merge(senior, source, survivor, other_complainant=True)
        authorization = f"Tracking {opened(anonymous, source)}"
        seen = anonymous.get("/public/tracking/complaint", authorization=authorization).json
        assert seen["can"] == ["write"]
        assert anonymous.post("/public/tracking/withdraw", {}, authorization=authorization).status_code == 403
        own = f"Tracking {opened(anonymous, survivor)}"
        assert anonymous.post("/public/tracking/withdraw", {}, authorization=own).status_code == 200

    @pytest.mark.parametrize("people", [(NA, {}), ({"name": "A voice"}, {}), (NA, {"name": "A voice"})])
    def test_nobody_reads_what_is_another_persons(
        self, senior: Caller, anonymous: Caller, team: UUID, people: Any, database: Database
    ) -> None:
        """Not the words of the complaint, nor what either wrote or was written to before; the answers to both, both."""
        source_of, survivor_of = people
        source = new(senior, team, subject="Hers", description="Her words.", complainant=source_of)
        more = {"complainant": survivor_of} if survivor_of else {}
        survivor = new(senior, team, subject="His", description="His words.", **more)
        ways = {"hers": f"Tracking {opened(anonymous, source)}", "his": f"Tracking {opened(anonymous, survivor)}"}

        def say(who: str, body: str) -> None:
            answer = anonymous.post("/public/tracking/messages", {"body": body}, authorization=ways[who])
            assert answer.status_code == 201, answer.text

        def read_by(who: str) -> list[str]:
            items = anonymous.get("/public/tracking/messages", authorization=ways[who]).json["items"]
            return [item["body"] for item in items]

        for who, complaint in (("hers", source), ("his", survivor)):
            say(who, f"{who} before")
            write(senior, complaint, "public_reply", f"to {who}")
        merge(senior, source, survivor, expect=409)
        merge(senior, source, survivor, other_complainant=True, silent=True)
        write(senior, survivor, "public_reply", "to both")
        for who in ways:
            say(who, f"{who} after")
        write(senior, source, "inbound", "hers by phone")
        assert read_by("his") == ["his before", "to his", "to both", "his after"]
        theirs = ["hers before", "to hers", "to both", "hers after", "hers by phone"]
        assert read_by("hers") == ["Hers\n\nHer words.", *theirs]
        if source_of is NA:
            shown = senior.get(f"{path_of(survivor)}/messages?limit=200").json["items"]
            assert {item["sender"]["name"] for item in shown if "hers" in item["body"] and item["sender"]} == {"Li Na"}
        seen = anonymous.get("/public/tracking/complaint", authorization=ways["hers"])
        assert (seen.json["reference"], seen.json["subject"]) == (source["reference"], "Hers")
        assert "His" not in seen.text
        unmerge(senior, source, silent=True)
        assert read_by("his") == ["his before", "to his", "to both", "his after"]
        assert read_by("hers") == ["hers before", "to hers", "hers after", "hers by phone"]
        verified(database)


@pytest.mark.parametrize("path", ["withdraw", "messages"])
def test_while_the_merge_is_undone(
    senior: Caller, anonymous: Caller, two: tuple[Complaint, Complaint], database: Database, path: str
) -> None:
    """What they do was meant for their own: it had gone home by the time it could be done."""
    source, survivor = two
    merge(senior, source, survivor)
    way = f"Tracking {opened(anonymous, source)}"
    body = {"withdraw": {}, "messages": {"body": "Thank you."}}[path]
    with ThreadPoolExecutor(1) as pool, database.engine.connect() as watcher:
        with database.unit_of_work(SYSTEM) as uow:
            held = merge_queries.merged_for_update(uow.session, SYSTEM, source["reference"])
            unmerging.unmerge(uow, SYSTEM, held, {"reason": "They were two.", "silent": True})
            uow.session.flush()
            running = pool.submit(anonymous.post, f"/public/tracking/{path}", body, authorization=way)
            until(lambda: waiting(watcher) >= 1)
        assert running.result().status_code in {200, 201}, running.result().text
    assert read(senior, survivor)["status"] == "received"
    assert (read(senior, source)["status"] == "withdrawn") == (path == "withdraw")
    assert (("inbound", "Thank you.") in thread(senior, source)) == (path == "messages")
    assert ("inbound", "Thank you.") not in thread(senior, survivor)
    verified(database)
