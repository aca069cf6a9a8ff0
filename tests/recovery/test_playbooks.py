"""Playbooks over the API: drafts, versions that are published and never changed, and which of them counts.

How it can fail: a published version is changed by a door or by hand; two are in force on one day; a draft counts; a rule that no
case ever meets, taken in without a word; an edit that another process does not see.
"""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import playbooks
from tests.complaints.merging import new
from tests.conftest import Caller
from tests.identity.test_administration import last
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import another, eur, execute, scalar, violations
from tests.recovery.playbook_steps import act, banded, default, made, published, rule, spec, suggestion


class TestShipped:
    def test_is_version_1_and_gives_today_s_numbers(self, agent: Caller, complaint: dict[str, Any]) -> None:
        found = suggestion(agent, complaint, "?price=200&loss=60&weeks_overdue=2&repeat=true&fault=firm")
        assert (found["playbook"], found["version"], found["playbook_id"] is not None) == ("default", "1", True)
        assert (found["goodwill"], found["offer"]) == (eur("90.00"), eur("150.00"))  # 108 and 168 for a key customer

    def test_worked_case_for_a_key_customer(
        self, manager: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(
                text("UPDATE customer SET tier = 'key' WHERE id = :id"), {"id": complaint["customer_id"]}
            )
        found = suggestion(manager, complaint, "?price=200&loss=60&weeks_overdue=2&repeat=true&fault=firm")
        assert (found["goodwill"], found["cap"], found["offer"]) == (eur("108.00"), eur("240.00"), eur("168.00"))

    def test_installed_once(self, database: Database, manager: Caller) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            assert not playbooks.install(uow)
        assert [item["name"] for item in manager.get("/playbooks").json["items"]] == ["default"]


class TestDrafts:
    def test_who_may(self, anonymous: Caller, agent: Caller, auditor: Caller, manager: Caller) -> None:
        playbook_id = default(manager)
        path = f"/playbooks/{playbook_id}/versions"
        assert anonymous.get(path).status_code == 401
        assert agent.get(path).status_code == 403
        assert auditor.get(path).status_code == 200
        assert auditor.post(path, {"spec": spec()}).status_code == 403
        assert manager.post(path, {"spec": spec()}).status_code == 201

    def test_a_draft_counts_for_nothing_and_can_be_changed(self, manager: Caller, complaint: dict[str, Any]) -> None:
        draft = made(manager, default(manager), banded("77"))
        assert (draft["state"], draft["in_force"], draft["number"]) == ("draft", False, 2)
        assert suggestion(manager, complaint)["goodwill"] == eur("40.00")
        path = f"/playbooks/{draft['playbook_id']}/versions/2"
        assert manager.put(path, {"spec": banded("78")}).status_code == 428
        changed = manager.put(path, {"spec": banded("78")}, if_match=f'"v{draft["version"]}"')
        assert (changed.status_code, changed.json["spec"]["formula"]["band"]["S3"]) == (200, "78")
        assert manager.put(path, {"spec": banded("79")}, if_match=f'"v{draft["version"]}"').status_code == 412
        assert manager.delete(path, if_match=f'"v{changed.json["version"]}"').status_code == 204
        assert manager.get(path).status_code == 404

    def test_from_another_version(self, manager: Caller) -> None:
        path = f"/playbooks/{default(manager)}/versions"
        assert manager.post(path, {"from_version": 1}).json["spec"]["formula"] == spec()["formula"]
        assert codes(manager.post(path, {"from_version": 99})) == [("/from_version", "unknown")]
        assert codes(manager.post(path, {})) == [("/spec", "invalid")]

    def test_every_bad_place_is_named(self, manager: Caller) -> None:
        wrong = spec(
            rules=[
                rule(condition={"field": "moon", "operator": "is", "value": "full"}),
                rule(tactics=["fix"], alternatives=["nothing"]),
                rule("other", lines=[{"text": "x", "fixed": "-1"}, {"text": "x", "percent": "10"}], factor="101"),
                rule("Bad Name", set={"band": {"S9": "1"}, "moon": {}}),
            ],
        )
        wrong["formula"]["band"] = {"S1": "-1", "S2": "9999999"}
        del wrong["formula"]["delay"]["per_week"]
        answer = manager.post(f"/playbooks/{default(manager)}/versions", {"spec": wrong})
        assert answer.status_code == 422
        found = {pointer for pointer, _ in codes(answer)}
        assert {
            "/spec/formula/delay/per_week",
            "/spec/formula/band/S1",
            "/spec/formula/band/S2",
            "/spec/rules/2/factor",
            "/spec/rules/2/lines/0/fixed",
            "/spec/rules/2/lines/1/of",
            "/spec/rules/3/name",
            "/spec/rules/3/set/band/S9",
            "/spec/rules/3/set/moon",
        } <= found
        wrong = spec(rules=wrong["rules"][:2])
        answer = manager.post(f"/playbooks/{default(manager)}/versions", {"spec": wrong})
        assert {pointer for pointer, _ in codes(answer)} == {
            "/spec/rules/0/condition/field", "/spec/rules/1/name", "/spec/rules/1/alternatives/0",
        }  # fmt: skip
        missing = spec()
        missing["formula"]["band"] = {"S1": "1"}
        answer = manager.post(f"/playbooks/{default(manager)}/versions", {"spec": missing})
        assert {pointer for pointer, _ in codes(answer)} == {f"/spec/formula/band/S{it}" for it in range(2, 6)}


class TestPublishing:
    def test_holds_at_once_and_ends_what_held(
        self, manager: Caller, complaint: dict[str, Any], auditor: Caller
    ) -> None:
        found = published(manager, default(manager), banded("55"))
        assert (found["state"], found["in_force"]) == ("published", True)
        assert suggestion(manager, complaint)["goodwill"] == eur("55.00")
        assert suggestion(manager, complaint)["version"] == "2"
        first = manager.get(f"/playbooks/{default(manager)}/versions/1").json
        assert (first["in_force"], first["valid_until"] < found["valid_from"]) == (False, True)
        told = last(auditor, "playbook.published")["payload"]
        assert (told["ended"], told["changes"]["formula"][1]["band"]["S3"]) == (1, "55")

    def test_never_changed_again(self, database: Database, manager: Caller) -> None:
        found = published(manager, default(manager), banded("55"))
        path = f"/playbooks/{found['playbook_id']}/versions/{found['number']}"
        match = f'"v{found["version"]}"'
        assert refused(manager.put(path, {"spec": spec()}, if_match=match)) == (409, "not_a_draft")
        assert refused(manager.delete(path, if_match=match)) == (409, "not_a_draft")
        assert refused(act(manager, found, "publish")) == (409, "not_a_draft")
        for statement in (
            "UPDATE playbook_version SET spec = '{}'",
            "UPDATE playbook_version SET state = 'draft', published_at = NULL",
            "UPDATE playbook_version SET valid_from = '1999-01-01'",
            "DELETE FROM playbook_version",
            "TRUNCATE playbook_version",
        ):
            with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
                uow.session.execute(text(statement))

    def test_days(self, manager: Caller, complaint: dict[str, Any], database: Database) -> None:
        today = scalar(database, "SELECT (now() AT TIME ZONE 'UTC')::date")
        playbook_id = default(manager)
        yesterday, later = today - timedelta(days=1), today + timedelta(days=10)
        draft = made(manager, playbook_id, banded("55"))
        assert codes(act(manager, draft, "publish", valid_from=yesterday.isoformat())) == [("/valid_from", "past")]
        wrong = act(manager, draft, "publish", valid_from=later.isoformat(), valid_until=today.isoformat())
        assert codes(wrong) == [("/valid_until", "backwards")]
        assert act(manager, draft, "publish", valid_from=later.isoformat()).json["in_force"] is False
        assert suggestion(manager, complaint)["version"] == "1"
        # Another one on the same days is refused, and one that ends before them is not.
        other = made(manager, playbook_id, banded("56"))
        answer = act(manager, other, "publish", valid_from=(later + timedelta(days=1)).isoformat())
        assert answer.status_code == 200
        third = made(manager, playbook_id, banded("57"))
        answer = act(manager, third, "publish", valid_from=later.isoformat())
        assert (refused(answer), answer.json["versions"]) == ((409, "validity_overlaps"), [2, 3])

    def test_two_at_once(self, database: Database, manager: Caller) -> None:
        drafts = [made(manager, default(manager), banded(str(amount))) for amount in (50, 60, 70)]
        windows = [another(manager) for _ in drafts]
        answers = at_once(
            *(
                lambda window=window, draft=draft: act(window, draft, "publish")
                for window, draft in zip(windows, drafts, strict=True)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert {refused(answer) for answer in answers if answer.status_code == 409} == {(409, "validity_overlaps")}
        assert violations(database) == []

    def test_the_database_refuses_two_on_one_day(self, database: Database, manager: Caller) -> None:
        published(manager, default(manager), banded("55"))
        with pytest.raises(IntegrityError, match="in force on one day"), database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(
                text("""INSERT INTO playbook_version (playbook_id, number, state, spec, valid_from, published_at)
                        SELECT playbook_id, 99, 'published', spec, valid_from, now() FROM playbook_version WHERE number = 2""")
            )

    def test_retired(self, manager: Caller, complaint: dict[str, Any]) -> None:
        found = published(manager, default(manager), banded("55"))
        assert codes(act(manager, found, "retire")) == [("/reason", "required")]
        gone = act(manager, found, "retire", reason="A slip.").json
        assert (gone["state"], gone["retired_because"], gone["in_force"]) == ("retired", "A slip.", False)
        assert refused(act(manager, gone, "retire", reason="x")) == (409, "not_published")
        shown = suggestion(manager, complaint)  # nothing is in force, so that the shipped one counts
        assert (shown["playbook_id"], shown["goodwill"]) == (None, eur("40.00"))


class TestChoosing:
    def test_the_first_whose_condition_holds(self, manager: Caller, complaint: dict[str, Any]) -> None:
        names = []
        for name, channel in (("post", "LETTER"), ("all", None)):
            condition: dict[str, Any] = (
                {"all": []} if channel is None else {"field": "channel", "operator": "is", "value": channel}
            )
            body = {"name": name, "condition": condition}
            answer = manager.post("/playbooks", body)
            assert answer.status_code == 201, answer.text
            published(manager, answer.json["id"], banded("11" if channel else "22"))
            names.append(answer.json)
        assert suggestion(manager, complaint)["playbook"] == "all"
        listed = manager.get("/playbooks").json["items"]
        assert [item["name"] for item in listed] == ["post", "all", "default"]
        assert refused(manager.post("/playbooks", {"name": "POST"}))[0] == 409
        first = manager.patch(f"/playbooks/{names[1]['id']}", {"condition": {"not": {"all": []}}}, if_match="*")
        assert first.status_code == 200, first.text
        assert suggestion(manager, complaint)["playbook"] == "default"

    def test_the_default_one_stays_where_it_is(self, manager: Caller) -> None:
        path = f"/playbooks/{default(manager)}"
        assert refused(manager.patch(path, {"position": 1}, if_match="*")) == (409, "default_playbook_stays")
        assert manager.patch(path, {"name": "House rules"}, if_match="*").json["name"] == "House rules"

    def test_rules_ask_for_anything_that_is_known(self, manager: Caller, complaint: dict[str, Any]) -> None:
        def leaf(field: str, operator: str, value: Any) -> dict[str, Any]:
            return {"field": field, "operator": operator, "value": value}

        conditions = [
            leaf("fault", "is", "shared"),
            leaf("weeks_overdue", "ge", 3),
            leaf("repeat", "is", True),
            leaf("vulnerable", "is", True),
            leaf("price", "gt", eur("100.00")),
            leaf("loss", "gt", eur("50.00")),
            leaf("product", "is", "kettle"),
            leaf("customer_tier", "is", "ordinary"),
            leaf("severity", "le", "S3"),
        ]
        rules = [rule(f"r{place}", condition=condition, factor="1") for place, condition in enumerate(conditions)]
        published(manager, default(manager), spec(rules=rules))
        assert suggestion(manager, complaint)["rules"] == ["r4", "r7", "r8"]  # it has a price
        query = "?fault=shared&weeks_overdue=3&repeat=true&vulnerable=true&price=100.01&loss=50.01&product=Kettle"
        assert suggestion(manager, complaint, query)["rules"] == [f"r{place}" for place in range(9)]

    def test_rules_see_what_the_suggestion_shows(self, manager: Caller, agent: Caller) -> None:
        """What is said, and what counts where nobody says it."""

        def leaf(field: str, value: Any) -> dict[str, Any]:
            return {"field": field, "operator": "is", "value": value}

        complaint = new(agent, issues=[{"category": "SVC", "issue": "SVC.DELAY"}], price=eur("100.00"))
        conditions = [
            leaf("lost", "service"),
            leaf("passengers", 1),
            leaf("happened_on", complaint["received_at"][:10]),
            leaf("loss", eur("0.00")),
            leaf("statutory", eur("0.00")),
            leaf("refunded", eur("0.00")),
            leaf("fault", "firm"),
            leaf("weeks_overdue", 0),
            leaf("repeat", False),
            leaf("customer_tier", "ordinary"),
            leaf("vulnerable", False),
        ]
        names = [f"r{place}" for place in range(len(conditions))]
        rules = [rule(name, condition=condition) for name, condition in zip(names, conditions, strict=True)]
        published(manager, default(manager), spec(rules=rules))
        found = suggestion(agent, complaint)
        assert (found["lost"], found["rules"]) == ("service", names)
        other = "?lost=product&passengers=2&happened_on=2025-01-01&loss=1&statutory=1&refunded=1&fault=shared"
        assert suggestion(agent, complaint, other)["rules"] == names[7:]

    def test_bands_for_another_currency(self, manager: Caller, agent: Caller) -> None:
        """As the README says."""
        nothing = {"amount": "0", "currency": "JPY"}
        condition = {"field": "price", "operator": "gt", "value": nothing}
        published(
            manager, default(manager), spec(rules=[rule("yen", condition=condition, set={"band": {"S3": "6500"}})])
        )
        yen = new(agent, price={"amount": "20000", "currency": "JPY"})
        assert suggestion(agent, yen)["goodwill"] == {"amount": "6500", "currency": "JPY"}
        assert suggestion(agent, new(agent))["goodwill"] == eur("40.00")

    def test_a_playbook_is_chosen_by_what_it_takes_the_issue_for(self, manager: Caller, agent: Caller) -> None:
        condition = {"field": "lost", "operator": "is", "value": "service"}
        book = manager.post("/playbooks", {"name": "Services", "condition": condition}).json["id"]
        published(manager, book, spec())
        assert (
            suggestion(agent, new(agent, issues=[{"category": "SVC", "issue": "SVC.DELAY"}]))["playbook"] == "Services"
        )
        assert suggestion(agent, new(agent, issues=[{"category": "BIL", "issue": "BIL.FEE"}]))["playbook"] == "default"


class TestUses:
    def test_what_a_rule_asks_for_cannot_go_unnoticed(self, admin: Caller, manager: Caller) -> None:
        field = admin.post("/custom-fields", {"key": "brand", "label": "Brand", "type": "text"})
        assert field.status_code == 201, field.text
        condition = {"field": "custom.brand", "operator": "is", "value": "North"}
        published(manager, default(manager), spec(rules=[rule(condition=condition, factor="2")]))
        gone = admin.delete(f"/custom-fields/{field.json['id']}", if_match="*")
        assert gone.status_code == 409, gone.text
        assert [(use["what"], use["name"]) for use in gone.json["uses"]] == [("playbook", "default")]

    def test_a_field_of_the_operator_s_own_decides(self, admin: Caller, manager: Caller, agent: Caller) -> None:
        admin.post("/custom-fields", {"key": "brand", "label": "Brand", "type": "text"})
        condition = {"field": "custom.brand", "operator": "is", "value": "North"}
        published(manager, default(manager), spec(rules=[rule(condition=condition, factor="2")]))
        complaint = new(agent, custom_fields={"brand": "north"})
        assert suggestion(agent, complaint)["rules"] == ["mine"]
        assert suggestion(agent, new(agent, custom_fields={"brand": "south"}))["rules"] == []


class TestDiff:
    def test_in_words_and_as_data(self, manager: Caller) -> None:
        one = made(manager, default(manager), banded("40", rules=[rule("a", factor="2"), rule("b", factor="3")]))
        other = made(
            manager, default(manager), banded("50", rules=[rule("b", factor="3"), rule("a", factor="2.5"), rule("c")])
        )
        path = f"/playbooks/{default(manager)}/versions/{other['number']}/diff"
        found = manager.get(f"{path}?against={one['number']}").json["changes"]
        assert [(item["path"], item["kind"], item["words"]) for item in found] == [
            ("/formula/band/S3", "changed", "Band S3: 40 becomes 50."),
            ("/rules/a/factor", "changed", "Rule a factor: 2 becomes 2.5."),
            ("/rules/c", "added", "Rule c is new: always."),
            ("/rules", "moved", "Rules stand in another order: b, a."),
        ]
        assert found[0]["values"] == {"before": "40", "after": "50"}
        assert len(manager.get(path).json["changes"]) == 4  # against the one in force: three rules, and a band
        assert manager.get(f"{path}?against=99").status_code == 404


class TestVerification:
    def test_what_a_hand_broke_is_named(self, database: Database, manager: Caller) -> None:
        published(manager, default(manager), banded("55"))
        assert violations(database) == []
        execute(
            database,
            "UPDATE playbook_version SET valid_until = NULL WHERE number = 1",
        )
        assert any("playbook_days" in found for found in violations(database))
