"""Suggestions over HTTP, and whether they are followed.

How it can fail: a complaint that one may not see is told of by its words; something is applied without a person; looking
changes the complaint, or its ETag; an auditor's look counts as an agent's; the follow-rate counts what another agent saw,
counts twice, or changes when somebody looks again after judging; a suggestion is shown while the model is being replaced.
"""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy import text as sql

from helpdesk.kernel.unit_of_work import Database
from helpdesk.suggestions.in_use import _held
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.test_scopes import integration
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once
from tests.recovery import helpers
from tests.suggestions.examples import SAID, arrived, suggested, teach, text, trained, triage

PARCEL = "The courier left my parcel at the depot and it never arrived."


def followed(caller: Caller) -> list[tuple[Any, ...]]:
    items = caller.get("/category-model").json["followed"]
    return [tuple(item[name] for name in ("basis", "shown", "decided", "first", "among")) for item in items]


class TestWho:
    def test_anonymous_stranger_auditor(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        path = f"/complaints/{complaint['reference']}/category-suggestions"
        assert anonymous.get(path).status_code == 401
        stranger = join(team_ids=[make_team(database, "Other")])
        assert stranger.get(path).status_code == 404
        assert stranger.get("/complaints/7K3M-9QX2-TAM/category-suggestions").status_code == 404
        for role in ("auditor", "agent"):
            assert join(role).get(path).status_code == 200

    def test_the_model_is_for_who_answers_for_it(self, anonymous: Caller, join: Join) -> None:
        for path in ("/category-model", "/category-model/versions"):
            assert anonymous.get(path).status_code == 401
            assert join("agent").get(path).json["permission"] == "category_model:read"
            for role in ("auditor", "manager", "admin"):
                assert join(role).get(path).status_code == 200
        assert anonymous.post("/category-model/trainings").status_code == 401
        for role in ("agent", "senior", "auditor"):
            assert join(role).post("/category-model/trainings").json["permission"] == "category_model:train"


class TestSuggestions:
    def test_before_anything_is_learned(self, agent: Caller) -> None:
        complaint = arrived(agent, PARCEL)
        shown = suggested(agent, complaint)
        assert (shown["category"], shown["model"]) == (None, None)
        (first, *_) = shown["suggestions"]
        assert (first["category"], first["label"]) == ("DEL", "Delivery & fulfilment")
        assert (first["basis"], first["probability"]) == ("rules", None)
        words = {item["word"] for item in first["evidence"]}
        assert {"courier", "parcel", "never arrived"} <= words
        assert all((item["here"], item["elsewhere"]) == (None, None) for item in first["evidence"])

    def test_in_chinese(self, agent: Caller) -> None:
        complaint = arrived(agent, "快递一直没收到。客服电话打不通。")
        shown = suggested(agent, complaint, accept_language="zh-CN")
        assert [(one["category"], one["label"]) for one in shown["suggestions"][:2]] == [
            ("COM", "沟通与渠道"),
            ("DEL", "配送履约"),
        ]

    def test_by_the_model(self, agent: Caller, manager: Caller, program: Program) -> None:
        teach(program.database)
        result = trained(program, manager)
        assert (result["trained"], result["version"], result["examples"]) == (True, 1, 60)
        for category in SAID:
            for number in (500, 501):  # English and, every third, Chinese
                said = text(category, number)
                shown = suggested(agent, arrived(agent, said))
                assert shown["model"] == {**shown["model"], "version": 1, "examples": 60}
                first = shown["suggestions"][0]
                assert (first["category"], first["basis"]) == (category, "model")
                assert first["probability"] > 0.5
                assert all(item["word"] in said and item["weight"] > 0 for item in first["evidence"])
                assert all(item["here"] + item["elsewhere"] >= 3 for item in first["evidence"])

    def test_nothing_is_applied_and_nothing_changes(self, agent: Caller) -> None:
        complaint = arrived(agent, PARCEL)
        path = f"/complaints/{complaint['reference']}"
        before = agent.get(path)
        for _ in range(2):
            suggested(agent, complaint)
        after = agent.get(path)
        assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
        assert agent.get(f"{path}/timeline").json == agent.get(f"{path}/timeline").json
        assert suggested(agent, complaint)["category"] is None

    def test_triage_tells_where_to_ask(self, agent: Caller) -> None:
        complaint = arrived(agent, PARCEL)
        where = agent.get(f"/complaints/{complaint['reference']}/triage").json["category_suggestions"]
        assert agent.get(where).json["suggestions"][0]["category"] == "DEL"

    def test_the_category_as_it_is(self, agent: Caller) -> None:
        answer = agent.post("/complaints", {"channel": "WEB", "subject": "x", "description": PARCEL, "issues": [{"issue": "BIL.FEE"}]})  # fmt: skip
        assert suggested(agent, answer.json)["category"] == "BIL"

    def test_hostile_text(self, agent: Caller) -> None:
        for said in (
            "\u202e\u200bparcel" * 50,
            "<script>alert('courier')</script>",
            "x" * 50_000 + " courier",
            "1 2 3",
        ):
            shown = suggested(agent, arrived(agent, said))
            for one in shown["suggestions"]:
                assert all(item["word"] in f"Complaint\n{said}" for item in one["evidence"])

    def test_few_statements(self, agent: Caller, statements: Any, manager: Caller, program: Program) -> None:
        teach(program.database)
        trained(program, manager)
        complaint = arrived(agent, PARCEL)
        suggested(agent, complaint)
        with statements() as seen:
            suggested(agent, complaint)
        assert len(seen) <= 5  # caller, complaint, versions, note, issues: the model is at hand
        assert not any("content" in statement for statement in seen.seen)


class TestFollowed:
    def test_first_other_and_none(self, agent: Caller, manager: Caller) -> None:
        for category, issue in (("DEL", "DEL.LATE"), ("STF", "STF.RUDE"), ("DIG", "DIG.UX")):
            complaint = arrived(agent, "The parcel did not arrive, the courier was rude.")
            shown = suggested(agent, complaint)
            assert [one["category"] for one in shown["suggestions"]] == ["DEL", "STF"]
            triage(agent, complaint, category, issue)
        suggested(agent, arrived(agent, PARCEL))
        assert followed(manager) == [("rules", 4, 3, 1, 2)]

    def test_only_the_first_judgement_counts(self, agent: Caller, manager: Caller) -> None:
        complaint = arrived(agent, PARCEL)
        suggested(agent, complaint)
        triage(agent, complaint, "BIL", "BIL.FEE")
        suggested(agent, complaint)
        triage(agent, complaint, "DEL", "DEL.LATE")
        assert followed(manager) == [("rules", 1, 1, 0, 0)]

    def test_each_agent_by_what_they_were_shown(self, agent: Caller, join: Join, manager: Caller) -> None:
        other, complaint = join("agent"), arrived(agent, PARCEL)
        suggested(other, complaint)
        triage(agent, complaint, "DEL", "DEL.LATE")
        assert followed(manager) == [("rules", 1, 0, 0, 0)]

    def test_who_cannot_judge_is_not_counted(self, app: Flask, admin: Caller, agent: Caller, join: Join) -> None:
        complaint = arrived(agent, PARCEL)
        for caller in (join("auditor"), integration(app, admin, "everything")):
            suggested(caller, complaint)
        triage(agent, complaint, "DEL", "DEL.LATE")
        assert followed(admin) == []

    def test_what_was_corrected_meanwhile_is_shown_anew(self, agent: Caller, manager: Caller) -> None:
        complaint = arrived(agent, PARCEL)
        suggested(agent, complaint)
        edit = {"subject": "Complaint", "description": "They overcharged me and the bill has a fee."}
        assert agent.patch(f"/complaints/{complaint['reference']}", edit, if_match="*").status_code == 200
        assert suggested(agent, complaint)["suggestions"][0]["category"] == "BIL"
        triage(agent, complaint, "BIL", "BIL.FEE")
        assert followed(manager) == [("rules", 1, 1, 1, 1)]

    def test_looking_while_judging(self, agent: Caller, manager: Caller) -> None:
        complaint = arrived(agent, PARCEL)
        suggested(agent, complaint)
        at_once(
            lambda: triage(agent, complaint, "DEL", "DEL.LATE"),
            *[lambda: suggested(helpers.another(agent), complaint) for _ in range(3)],
        )
        assert followed(manager) == [("rules", 1, 1, 1, 1)]

    def test_who_only_looks_waits_for_nobody(self, agent: Caller, manager: Caller, engine: Engine) -> None:
        complaint = arrived(agent, PARCEL)
        with engine.connect() as changing:
            changing.execute(sql("SELECT FROM complaint WHERE id = :id FOR UPDATE"), {"id": complaint["id"]})
            assert suggested(agent, complaint)["suggestions"]
            assert followed(manager) == []
            changing.rollback()
        suggested(agent, complaint)
        assert followed(manager) == [("rules", 1, 0, 0, 0)]

    def test_long_ago_is_not_lately(self, agent: Caller, manager: Caller, database: Database) -> None:
        suggested(agent, arrived(agent, PARCEL))
        helpers.execute(database, "UPDATE category_suggestion SET shown_at = now() - interval '91 days'")
        assert followed(manager) == []

    def test_counted_by_an_index_alone(self, database: Database) -> None:
        counting = (
            "EXPLAIN SELECT basis, model_version, count(*), count(place) FROM category_suggestion "
            "WHERE shown_at > now() - interval '90 days' GROUP BY basis, model_version"
        )
        with database.unit_of_work(Caller(None, None, None)._actor) as uow:  # type: ignore[arg-type]
            uow.session.execute(sql("SET LOCAL enable_seqscan = off"))
            uow.session.execute(sql("SET LOCAL enable_bitmapscan = off"))
            plan = "\n".join(uow.session.execute(sql(counting)).scalars())
        assert "Index Only Scan using ix_category_suggestion_shown_at" in plan


class TestModel:
    def test_before_and_after(self, manager: Caller, program: Program) -> None:
        empty = manager.get("/category-model").json
        assert (empty["in_use"], empty["categories"], empty["confused"]) == (None, [], [])
        assert (empty["needed"], empty["needed_per_category"], empty["training_job_id"]) == (50, 5, None)
        teach(program.database)
        trained(program, manager)
        shown = manager.get("/category-model", accept_language="zh").json
        model = shown["in_use"]
        assert (model["version"], model["examples"], model["trained_by"]) == (1, 60, str(manager.id))
        assert model["held_out"] == 60
        assert model["accuracy"] > 0.8
        assert model["baseline"] < 0.6
        assert model["accuracy_low"] < model["accuracy"] <= model["accuracy_high"] <= 1
        codes = [item["code"] for item in shown["categories"]]
        assert codes == sorted(SAID)
        for item in shown["categories"]:
            assert item["examples"] == 20
            assert len(item["words"]) == 10
        assert shown["categories"][1]["label"] == "配送履约"
        assert sum(item["held_out"] for item in shown["categories"]) == model["held_out"]
        assert manager.get("/category-model/versions").json["items"] == [model]

    def test_a_version_that_cannot_be_read_gives_way_to_the_one_before(
        self, agent: Caller, manager: Caller, program: Program
    ) -> None:
        teach(program.database)
        for _ in range(2):
            trained(program, manager)
        complaint = arrived(agent, PARCEL)
        assert suggested(agent, complaint)["model"]["version"] == 2
        helpers.execute(program.database, "UPDATE category_model SET content = '\\x00' WHERE version = 2")
        _held.clear()  # another process
        assert suggested(agent, complaint)["model"]["version"] == 1
        helpers.execute(program.database, "UPDATE category_model SET content = substr(content, 1, 40)")
        _held.clear()
        shown = suggested(agent, complaint)
        assert (shown["model"], shown["suggestions"][0]["basis"]) == (None, "rules")
        assert manager.get("/category-model").json["in_use"] is None

    def test_verify_finds_what_is_damaged_or_miscounted(self, agent: Caller, manager: Caller, program: Program) -> None:
        teach(program.database)
        trained(program, manager)
        complaint = arrived(agent, PARCEL)
        suggested(agent, complaint)
        triage(agent, complaint, "DEL", "DEL.LATE")
        assert list(violations(program.database, ["complaints"])) == []
        helpers.execute(program.database, "UPDATE category_model SET checksum = substr(checksum, 2)")
        helpers.execute(program.database, "UPDATE category_suggestion SET place = 0")
        found = [(item.check, item.subject) for item in violations(program.database, ["complaints"])]
        assert found == [
            ("suggestions.model_readable", "category model 1"),
            ("suggestions.place_right", f"complaint {complaint['reference']}"),
        ]

    @pytest.mark.parametrize("query", ["?x=1", "?limit=0", "?cursor=nonsense"])
    def test_what_is_not_known_is_refused(self, manager: Caller, query: str) -> None:
        assert manager.get(f"/category-model/versions{query}").status_code in {400, 422}
        assert manager.post(f"/category-model/trainings{query}").status_code == 422
