"""Forms through which anybody complains.

How it can fail: a submission comes in past the form (something it does not ask, a record type it does not have, without the
proof of work, with one that was used, is over, was made up or was for another form), also when two send the same proof at
once; a repeat comes in twice; the trap loses what a person sent, or is answered differently; what was thrown away is still
there, what was released is another complaint than its sender was told of, or is released twice; a rotated key ends at once
or never; a page of another site may read answers, or may not where it should; one address, one form or one victim's
mailbox is flooded; a team's form puts complaints elsewhere; the public learns something from the answers.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Engine, text

from helpdesk.app import create_app
from helpdesk.complaints import jobs, submissions
from helpdesk.complaints.challenges import Challenges, Unsolved
from helpdesk.complaints.forms import FIELDS
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.submitting import SUBMITTED, Page, solved
from tests.conftest import SIGNING_KEY, Caller, Join, complaint_body
from tests.racing import at_once

ASKED: Final = {"email": "required", "name": "optional", "category": "optional", "issue": "optional"}


def make(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/intake/forms", {"name": "Website", "difficulty": 0, "fields": {}} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


Opened = Callable[..., Page]


@pytest.fixture
def page(manager: Caller, anonymous: Caller) -> Opened:
    def open_(**more: Any) -> Page:
        return Page(anonymous, make(manager, **more))

    return open_


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


class TestManaging:
    def test_anonymous_and_roles(self, anonymous: Caller, agent: Caller, join: Join, manager: Caller) -> None:
        form = make(manager)
        path = f"/intake/forms/{form['id']}"
        assert anonymous.get("/intake/forms").status_code == 401
        assert agent.get("/intake/forms").json["permission"] == "form:read"
        assert agent.post("/intake/forms", {"name": "x"}).json["permission"] == "form:manage"
        auditor = join("auditor")
        assert auditor.get(path).status_code == 200
        assert auditor.patch(path, {"active": False}, if_match="*").status_code == 403
        assert auditor.get("/intake/quarantine").json["permission"] == "quarantine:review"
        assert agent.post(f"{path}/rotate-key", {}).status_code == 403

    def test_a_whole_life(self, manager: Caller, admin: Caller) -> None:
        form = make(manager, origins=["https://www.example.com"], fields=ASKED)
        assert form["key"].startswith("hdf_")
        path = f"/intake/forms/{form['id']}"
        assert manager.get("/intake/forms").json["items"] == [form]
        assert manager.patch(path, {"active": False}).status_code == 428
        changed = manager.patch(path, {"active": False, "daily_limit": 500}, if_match='"v1"').json
        assert (changed["active"], changed["daily_limit"], changed["version"]) == (False, 500, 2)
        assert manager.patch(path, {"active": True}, if_match='"v1"').status_code == 412
        assert manager.patch(path, {"active": False}, if_match="*").json["version"] == 2  # nothing changed
        log = admin.get("/audit-log?limit=200").json["items"]
        told = [item for item in log if item["type"].startswith("intake_form.")]
        assert {item["type"] for item in told} == {"intake_form.created", "intake_form.changed"}
        change = next(item for item in told if item["type"] == "intake_form.changed")
        assert change["payload"]["changes"] == {"active": [True, False], "daily_limit": [1000, 500]}

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"origins": ["https://www.example.com/path"]}, "/origins/0"),
            ({"origins": ["*"]}, "/origins/0"),
            ({"origins": ["null"]}, "/origins/0"),
            ({"origins": ["https://a.example"] * 2}, "/origins"),
            ({"fields": {"password": "required"}}, "/fields/password"),
            ({"fields": {"email": "perhaps"}}, "/fields/email"),
            ({"record_types": []}, "/record_types"),
            ({"record_types": ["riddle"]}, "/record_types/0"),
            ({"hourly_limit": 0}, "/hourly_limit"),
            ({"hourly_limit": 10, "daily_limit": 5}, "/daily_limit"),
            ({"difficulty": 51}, "/difficulty"),
            ({"team_id": "00000000-0000-0000-0000-000000000000"}, "/team_id"),
            ({"acknowledgements": {"not a language!": "x"}}, "/acknowledgements/not a language!"),
            ({"key": "hdf_mine"}, "/key"),
        ],
    )
    def test_bad(self, manager: Caller, more: dict[str, Any], pointer: str) -> None:
        answer = manager.post("/intake/forms", {"name": "Website"} | more)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"].startswith(pointer)

    def test_a_name_is_taken_however_it_is_written(self, manager: Caller) -> None:
        make(manager)
        other = make(manager, name="Shop")
        assert manager.post("/intake/forms", {"name": "WEBSITE"}).json["code"] == "name_taken"
        path = f"/intake/forms/{other['id']}"
        assert manager.patch(path, {"name": "website"}, if_match="*").status_code == 409
        assert manager.patch(path, {"name": "SHOP"}, if_match="*").status_code == 200

    def test_an_old_key_goes_on_for_a_while(self, manager: Caller, page: Opened, engine: Engine) -> None:
        here = page()
        path = f"/intake/forms/{here.form['id']}"
        fresh = manager.post(f"{path}/rotate-key", {"overlap_hours": 2}).json
        assert fresh["key"] != here.form["key"]
        assert fresh["previous_key"] == here.form["key"]
        old, new = (here.caller.get(f"/public/forms/{key}").status_code for key in (here.form["key"], fresh["key"]))
        assert (old, new) == (200, 200)
        with engine.begin() as connection:
            connection.execute(text("UPDATE intake_form SET previous_key_until = now()"))
        assert here.caller.get(f"/public/forms/{here.form['key']}").status_code == 404
        assert pointers(here.caller.post("/public/challenges", {"form": here.form["key"]})) == {"/form": "unknown"}
        again = manager.post(f"{path}/rotate-key", {"overlap_hours": 0}).json
        assert here.caller.get(f"/public/forms/{fresh['key']}").status_code == 404
        assert here.caller.get(f"/public/forms/{again['key']}").status_code == 200


class TestAsking:
    def test_what_a_form_asks(self, page: Opened) -> None:
        here = page(fields=ASKED, language="zh-CN", record_types=["inquiry", "complaint"])
        asked = here.caller.get(f"/public/forms/{here.form['key']}").json
        assert asked["fields"] == [
            {"name": "name", "required": False},
            {"name": "email", "required": True},
            {"name": "category", "required": False},
            {"name": "issue", "required": False},
        ]
        assert asked["record_types"] == ["inquiry", "complaint"]
        assert next(item for item in asked["categories"] if item["code"] == "DEL")["label"] == "配送履约"
        assert (asked["challenge"], asked["trap"]) == (False, "website")
        assert set(asked) == {"key", "name", "language", "record_types", "fields", "categories", "challenge", "trap"}
        assert page(name="Bare").caller.get(f"/public/forms/{here.form['key']}").json["categories"]

    def test_switched_off_or_none(self, page: Opened, manager: Caller) -> None:
        here = page()
        path = f"/intake/forms/{here.form['id']}"
        body = here.body()
        assert manager.patch(path, {"active": False}, if_match="*").status_code == 200
        assert here.caller.get(f"/public/forms/{here.form['key']}").status_code == 404
        assert here.caller.get("/public/forms/hdf_nothing").status_code == 404
        assert pointers(here.send(body)) == {"/form": "unknown"}


class TestSubmitting:
    def test_comes_in_by_the_ordinary_door(
        self, page: Opened, senior: Caller, team: Any, database: Database, anonymous: Caller
    ) -> None:
        here = page(fields=dict.fromkeys(FIELDS, "optional"), team_id=str(team), record_types=["complaint", "request"])
        body = here.body(
            name="Li Wei",
            email="li.wei@example.com",
            language="zh-CN",
            category="DEL",
            issue="DEL.LATE",
            price={"amount": "20.00", "currency": "EUR"},
            needs=[{"flag": "hearing", "adjustment": "Write, do not call."}],
            related_to="0000-0000-000",
        )
        answer = here.send(body)
        assert answer.status_code == 201, answer.text
        assert set(answer.json) == {"reference", "tracking_secret", "received_at", "acknowledged"}
        shown = senior.get(f"/complaints/{answer.json['reference']}").json
        assert (shown["channel"], shown["team_id"], shown["record_type"]) == ("WEB", str(team), "complaint")
        assert shown["people"][0]["email"] == "li.wei@example.com"
        assert shown["issues"][0]["issue"] == "DEL.LATE"
        assert (shown["needs"][0]["flag"], shown["needs"][0]["consent"], shown["vulnerable"]) == ("hearing", True, True)
        assert shown["source_data"]["related_to"] == "0000-0000-000"
        assert shown["acknowledged_at"] is not None
        given = {"reference": answer.json["reference"], "secret": answer.json["tracking_secret"]}
        assert anonymous.post("/public/tracking", given).status_code == 200
        assert not list(violations(database, ["chain", "complaints", "clocks"]))

    def test_the_form_says_what_it_is_where_nobody_does(self, page: Opened, agent: Caller) -> None:
        here = page(record_types=["suggestion"], language="zh", acknowledge=False, channel="CHAT")
        answer = here.send()
        assert answer.json["acknowledged"] is False
        shown = agent.get(f"/complaints/{answer.json['reference']}").json
        assert (shown["record_type"], shown["language"], shown["channel"]) == ("suggestion", "zh", "CHAT")
        assert shown["acknowledged_at"] is None

    def test_acknowledged_in_the_forms_own_words(self, page: Opened, agent: Caller) -> None:
        texts = {"en": "Hello {reference} {0} {{x}}", "zh": "您好 {reference}"}
        here = page(fields={"language": "optional", "email": "optional"}, acknowledgements=texts)
        for language, wanted in (("zh-TW", "您好 {}"), ("de", "Hello {} {{0}} {{{{x}}}}")):
            reference = here.send(here.body(language=language, email="li.wei@example.com")).json["reference"]
            [message] = agent.get(f"/complaints/{reference}/messages").json["items"]
            assert message["body"] == wanted.format(reference)

    @pytest.mark.parametrize(
        ("fields", "complaint", "problems"),
        [
            ({}, {"email": "a@example.com"}, {"/complaint/email": "unknown_field"}),
            ({"email": "required"}, {}, {"/complaint/email": "required"}),
            ({"email": "required", "phone": "required"}, {"name": "x"}, None),
            ({"record_type": "optional"}, {"record_type": "inquiry"}, {"/complaint/record_type": "choice"}),
            ({"issue": "optional", "category": "optional"}, {"category": "PRD", "issue": "DEL.LATE"}, None),
            ({"related_to": "optional"}, {"related_to": "nothing"}, {"/complaint/related_to": "invalid"}),
            ({}, {"impact": 5}, {"/complaint/impact": "unknown_field"}),
            ({}, {"subject": ""}, None),
            ({}, {"description": "x" * 100_001}, None),
        ],
    )
    def test_only_what_is_asked(
        self, page: Opened, engine: Engine, fields: Any, complaint: Any, problems: dict[str, str] | None
    ) -> None:
        here = page(fields=fields)
        found = pointers(here.send(here.body(**complaint)))
        assert found == problems if problems else found
        assert count(engine, "complaint") == 0

    def test_a_repeat_with_its_key_is_once(self, page: Opened, engine: Engine) -> None:
        here = page()
        body = here.body()
        first, again = here.send(body, idempotency_key="k"), here.send(body, idempotency_key="k")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == first.json | {"tracking_secret": None}
        assert count(engine, "complaint") == 1
        assert here.send(here.body(subject="Another"), idempotency_key="k").status_code == 422

    def test_the_public_learns_nothing_of_what_is_there(self, page: Opened, agent: Caller) -> None:
        here = page(fields={"email": "optional"})
        first = here.send(here.body(email="li.wei@example.com"))
        second = here.send(here.body(email="li.wei@example.com"))
        assert set(first.json) == set(second.json)


class TestProof:
    def test_needed(self, page: Opened) -> None:
        here = page(difficulty=1)
        body = {"form": here.form["key"], "complaint": SUBMITTED}
        assert pointers(here.send(body)) == {"/altcha": "required"}
        assert page(name="Open", difficulty=0).form["difficulty"] == 0

    def test_not_needed_where_the_form_asks_for_none(self, page: Opened) -> None:
        here = page(difficulty=0)
        assert here.send({"form": here.form["key"], "complaint": SUBMITTED}).status_code == 201

    @pytest.mark.parametrize(
        "payload", ["x", "e30=", "bnVsbA==", "W10=", "💩", "a" * 4_000, "eyJjaGFsbGVuZ2UiOiJ4Iiwic29sdXRpb24iOjF9"]
    )
    def test_none_that_is_none(self, page: Opened, payload: str) -> None:
        here = page(difficulty=1)
        assert pointers(here.send({"form": here.form["key"], "altcha": payload, "complaint": SUBMITTED})) == {
            "/altcha": "invalid"
        }

    def test_once_only(self, page: Opened, engine: Engine) -> None:
        here = page(difficulty=1)
        body = here.body()
        assert here.send(body).status_code == 201
        assert pointers(here.send(body | {"complaint": SUBMITTED | {"subject": "Another"}})) == {"/altcha": "used"}
        assert count(engine, "complaint") == 1

    def test_once_only_for_two_at_once(self, page: Opened, engine: Engine, app: Any) -> None:
        here = page(difficulty=1)
        body = here.body()
        callers = [Page(Caller(app.test_client(), None, None), here.form) for _ in range(4)]
        answers = at_once(*(lambda it=it: it.send(body).status_code for it in callers))
        assert sorted(answers) == [201, 422, 422, 422]
        assert count(engine, "complaint") == 1

    def test_not_of_another_form(self, page: Opened) -> None:
        easy, hard = page(difficulty=1), page(name="Hard", difficulty=2)
        body = hard.body() | {"altcha": easy.altcha()}
        assert pointers(hard.send(body)) == {"/altcha": "other_form"}

    def test_not_over_not_made_up_not_for_less(self, page: Opened, database: Database) -> None:
        here = page(difficulty=1)
        with database.unit_of_work(SYSTEM) as uow:
            form, now = submissions.form_named(uow, here.form["key"])
        ours, others = Challenges(SIGNING_KEY), Challenges("another key")
        late = solved(ours.new(form, now))
        with pytest.raises(Unsolved) as refused:
            ours.solved(form, late, now + timedelta(minutes=11))
        assert refused.value.code == "expired"
        over = solved(ours.new(form, now - timedelta(minutes=20)))
        with pytest.raises(Unsolved) as refused:
            ours.solved(form, over, now)
        assert refused.value.code == "expired"
        made_up = solved(others.new(form, now))
        cheap = ours.new(form, now)
        cheap["parameters"]["cost"] = 1
        for payload in (made_up, solved(cheap)):
            with pytest.raises(Unsolved) as refused:
                ours.solved(form, payload, now)
            assert refused.value.code == "invalid"
        assert ours.solved(form, late, now).expires_at > now

    def test_what_is_over_is_forgotten(self, page: Opened, engine: Engine, database: Database) -> None:
        here = page(difficulty=1)
        here.send()
        assert jobs.forget_challenges(database) == 0
        with engine.begin() as connection:
            connection.execute(text("UPDATE intake_used_challenge SET expires_at = now() - interval '1 second'"))
        assert [jobs.forget_challenges(database) for _ in range(2)] == [1, 0]


class TestTrap:
    def caught(self, here: Page, **complaint: Any) -> Any:
        return here.send(here.body(**complaint) | {"website": "https://spam.example"})

    def test_is_answered_like_the_rest_and_kept_aside(
        self, page: Opened, senior: Caller, agent: Caller, engine: Engine, statements: Any
    ) -> None:
        here = page(fields={"email": "optional"})
        good, bad = here.send(here.body(email="a@example.com")), self.caught(here, email="b@example.com")
        assert bad.status_code == good.status_code == 201
        assert set(bad.json) == set(good.json)
        assert bad.json["acknowledged"] == good.json["acknowledged"]
        assert count(engine, "complaint") == 1
        assert count(engine, "outbound_mail") == 1
        assert agent.get(f"/complaints/{bad.json['reference']}").status_code == 404
        assert agent.get("/intake/quarantine").status_code == 403
        [entry] = senior.get("/intake/quarantine?count=true").json["items"]
        assert (entry["reference"], entry["reason"], entry["given"]["email"]) == (
            bad.json["reference"],
            "website",
            "b@example.com",
        )

    def test_is_checked_like_the_rest(self, page: Opened) -> None:
        here = page(difficulty=1)
        body = {"form": here.form["key"], "website": "x", "complaint": SUBMITTED}
        assert pointers(here.send(body)) == {"/altcha": "required"}
        assert pointers(here.send(here.body(email="x@example.com") | {"website": "x"})) == {
            "/complaint/email": "unknown_field"
        }

    def test_released_it_is_what_its_sender_was_told(
        self, page: Opened, senior: Caller, database: Database, engine: Engine, admin: Caller
    ) -> None:
        here = page(fields={"email": "optional", "price": "optional", "needs": "optional"})
        told = self.caught(
            here,
            email="li.wei@example.com",
            price={"amount": "20.00", "currency": "EUR"},
            needs=[{"flag": "hearing"}],
        ).json
        [entry] = senior.get("/intake/quarantine").json["items"]
        path = f"/intake/quarantine/{entry['id']}"
        released = senior.post(f"{path}/release")
        assert released.status_code == 201, released.text
        assert released.json["reference"] == told["reference"]
        assert released.json["received_at"] == told["received_at"]
        assert released.json["price"] == {"amount": "20.00", "currency": "EUR"}
        assert released.json["needs"][0]["flag"] == "hearing"
        assert released.json["acknowledged_at"] is not None
        given = {"reference": told["reference"], "secret": told["tracking_secret"]}
        assert here.caller.post("/public/tracking", given).status_code == 200
        assert count(engine, "outbound_mail") == 1
        assert senior.get("/intake/quarantine").json["items"] == []
        [decided] = senior.get("/intake/quarantine?waiting=false").json["items"]
        assert (decided["decision"], decided["decided_by"]) == ("released", str(senior.id))
        for act in ("release", "discard"):
            again = senior.post(f"{path}/{act}")
            assert (again.status_code, again.json["code"], again.json["decision"]) == (
                409,
                "already_decided",
                "released",
            )
        assert "intake_form.submission_decided" in {
            item["type"] for item in admin.get("/audit-log?limit=200").json["items"]
        }
        assert not list(violations(database, ["chain", "complaints", "clocks"]))

    def test_discarded_it_is_gone(self, page: Opened, senior: Caller, engine: Engine, manager: Caller) -> None:
        here = page()
        self.caught(here, description="Buy cheap watches.")
        [entry] = senior.get("/intake/quarantine").json["items"]
        assert manager.get(f"/intake/forms/{here.form['id']}").json["quarantined"] == 1
        gone = senior.post(f"/intake/quarantine/{entry['id']}/discard").json
        assert (gone["decision"], gone["given"]) == ("discarded", None)
        assert senior.post(f"/intake/quarantine/{entry['id']}/release").status_code == 409
        with engine.connect() as connection:
            left = "\n".join(connection.execute(text("SELECT to_jsonb(q)::text FROM intake_quarantine q")).scalars())
        assert "watches" not in left
        assert manager.get(f"/intake/forms/{here.form['id']}").json["quarantined"] == 0

    def test_of_two_who_release_at_once_one_does(self, page: Opened, senior: Caller, engine: Engine, app: Any) -> None:
        here = page()
        self.caught(here)
        [entry] = senior.get("/intake/quarantine").json["items"]
        callers = [Caller(app.test_client(), senior.actor, senior.token) for _ in range(3)]
        path = f"/intake/quarantine/{entry['id']}/release"
        answers = at_once(*(lambda it=it: it.post(path).status_code for it in callers))
        assert sorted(answers) == [201, 409, 409]
        assert count(engine, "complaint") == 1

    def test_what_waits_is_measured(self, page: Opened, anonymous: Caller) -> None:
        self.caught(page())
        assert "helpdesk_submissions_quarantined 1.0" in anonymous.get("/metrics").text


class TestOrigins:
    SITE = "https://www.example.com"

    def test_pages_of_named_sites_may_read(self, page: Opened) -> None:
        here = page(origins=[self.SITE])
        answer = here.caller.get(f"/public/forms/{here.form['key']}", origin=self.SITE)
        assert answer.headers["Access-Control-Allow-Origin"] == self.SITE
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
        sent = here.send(here.body(), origin=self.SITE)
        assert (sent.status_code, sent.headers["Access-Control-Allow-Origin"]) == (201, self.SITE)
        wrong = here.send({}, origin=self.SITE)
        assert (wrong.status_code, wrong.headers["Access-Control-Allow-Origin"]) == (422, self.SITE)

    def test_others_may_not(self, page: Opened, engine: Engine) -> None:
        here = page(origins=[self.SITE])
        for origin in (
            "https://evil.example",
            "http://www.example.com",
            "https://www.example.com.evil.example",
            "null",
        ):
            answer = here.caller.get(f"/public/forms/{here.form['key']}", origin=origin)
            assert "Access-Control-Allow-Origin" not in answer.headers, origin
            refused = here.send(here.body(), origin=origin)
            assert (refused.status_code, refused.json["code"]) == (403, "origin_not_allowed")
        assert count(engine, "complaint") == 0

    def test_one_forms_site_is_not_anothers(self, page: Opened) -> None:
        page(origins=[self.SITE])
        other = page(name="Shop", origins=["https://shop.example"])
        assert other.send(other.body(), origin=self.SITE).json["code"] == "origin_not_allowed"

    def test_our_own_pages_and_what_is_no_page(self, page: Opened) -> None:
        here = page()
        assert here.send(here.body(), origin="http://helpdesk.test").status_code == 201
        assert here.send(here.body()).status_code == 201

    def test_asked_beforehand(self, page: Opened) -> None:
        here = page(origins=[self.SITE])
        asked = {"Origin": self.SITE, "Access-Control-Request-Method": "POST"}
        answer = here.caller.client.options("/api/v1/public/complaints", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == self.SITE
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
        other = here.caller.client.options(
            "/api/v1/public/complaints", headers=asked | {"Origin": "https://evil.example"}
        )
        assert "Access-Control-Allow-Origin" not in other.headers

    def test_nothing_else_is_shared(self, page: Opened, agent: Caller) -> None:
        page(origins=[self.SITE])
        for path in ("/complaints", "/me", "/public/sessions"):
            assert "Access-Control-Allow-Origin" not in agent.get(path, origin=self.SITE).headers
        path = f"/complaints/{agent.post('/complaints', complaint_body()).json['reference']}/tracking-secret"
        answer = agent.post(path, {"delivery": "show"}, origin=self.SITE)
        assert (answer.status_code, "Access-Control-Allow-Origin" in answer.headers) == (201, False)

    def test_their_pages_may_track_too(self, page: Opened) -> None:
        here = page(origins=[self.SITE])
        shown = here.send(here.body(), origin=self.SITE).json
        given = {"reference": shown["reference"], "secret": shown["tracking_secret"]}
        opened = here.caller.post("/public/tracking", given, origin=self.SITE)
        assert opened.headers["Access-Control-Allow-Origin"] == self.SITE
        session = f"Tracking {opened.json['token']}"
        for path in ("complaint", "milestones", "messages", "attachments"):
            answer = here.caller.get(f"/public/tracking/{path}", authorization=session, origin=self.SITE)
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, self.SITE)
            asked = {"Origin": self.SITE, "Access-Control-Request-Method": "GET"}
            before = here.caller.client.options(f"/api/v1/public/tracking/{path}", headers=asked)
            assert "Authorization" in before.headers["Access-Control-Allow-Headers"]
        other = here.caller.get("/public/tracking/complaint", authorization=session, origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in other.headers

    def test_so_may_the_page_that_complainants_are_sent_to(self, program: Program, database: Database) -> None:
        url = f"{self.SITE}/complaints/track"
        app = create_app(program=replace(program, settings=replace(program.settings, tracking_url=url)))
        answer = Caller(app.test_client(), None, None).get("/public/tracking/complaint", origin=self.SITE)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, self.SITE)


class TestLimits:
    def site(self, program: Program, **more: Any) -> Any:
        settings = replace(
            program.settings, limits=True, **({"limit_intake": "1000/hour", "limit_public": "1000/hour"} | more)
        )
        return create_app(program=replace(program, settings=settings))

    def submit(self, app: Any, here: Page, address: str = "203.0.113.1", **complaint: Any) -> Any:
        body = here.body(**complaint)
        return app.test_client().post("/api/v1/public/complaints", json=body, environ_base={"REMOTE_ADDR": address})

    def test_of_an_address(self, program: Program, page: Opened) -> None:
        app, here = self.site(program, limit_intake="2/hour"), page()
        assert [self.submit(app, here).status_code for _ in range(3)] == [201, 201, 429]
        assert self.submit(app, here, "198.51.100.1").status_code == 201

    def test_of_a_form(self, program: Program, page: Opened) -> None:
        app, here, other = self.site(program), page(hourly_limit=2, daily_limit=2), page(name="Other")
        answers = [self.submit(app, here, f"203.0.113.{it}") for it in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json["violated-policies"] == ["form", "form-86400"]
        assert '"form";q=2;w=3600' in answers[0].headers["RateLimit-Policy"]
        assert self.submit(app, other).status_code == 201

    def test_what_is_refused_uses_nothing_of_the_form(self, program: Program, page: Opened) -> None:
        app, here = self.site(program), page(hourly_limit=1, daily_limit=1, difficulty=1)
        client = app.test_client()
        for body in ({"form": here.form["key"], "complaint": SUBMITTED}, here.body(email="not asked")):
            assert client.post("/api/v1/public/complaints", json=body).status_code == 422
        assert self.submit(app, here).status_code == 201

    def test_nobodys_mailbox_is_flooded(self, program: Program, page: Opened, engine: Engine, agent: Caller) -> None:
        app, here = self.site(program), page(fields={"email": "required"})
        answers = [self.submit(app, here, email="Victim@example.com") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {201}
        assert count(engine, "outbound_mail") == 3
        last = agent.get(f"/complaints/{answers[-1].json['reference']}").json
        assert last["acknowledged_at"] is not None
        assert self.submit(app, here, email="other@example.com").status_code == 201
        assert count(engine, "outbound_mail") == 4
