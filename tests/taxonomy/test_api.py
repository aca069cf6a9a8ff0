"""The taxonomy through HTTP.

How it can fail: somebody who may not edits it; a code that is nobody's, or not of its kind, gets in; the same code offered
twice at once is there twice, or the second is a 500; two editors undo each other; a label with markup, control characters or
a megabyte; a retired code is given to something new, or vanishes from what has it; the last channel is retired and nothing
can come in any more; an old version shows what is new; a page of terms skips.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.taxonomy.queries import newest
from tests.complaints.steps import GOOD
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.taxonomy.helpers import add, change, codes_of, retire, term

LABELS = {"en": "Stolen on the way", "zh": "途中被盗"}
THEFT = {"kind": "issue", "code": "DEL.THEFT", "labels": LABELS}


class TestWhoMay:
    def test_anonymous(self, anonymous: Caller, manager: Caller) -> None:
        row = term(manager, "issue", "DEL.LATE")
        assert anonymous.get("/taxonomy").status_code == 401
        assert anonymous.post("/taxonomy/terms", THEFT).status_code == 401
        assert anonymous.patch(f"/taxonomy/terms/{row['id']}", {}, if_match='"v1"').status_code == 401
        assert anonymous.put("/taxonomy/severity", {}, if_match='"v1"').status_code == 401

    @pytest.mark.parametrize("role", ["agent", "senior", "auditor"])
    def test_others_read(self, join: Any, role: str) -> None:
        caller = join(role)
        assert caller.get("/taxonomy").status_code == 200
        assert caller.get("/taxonomy/severity").status_code == 200
        row = term(caller, "issue", "DEL.LATE")
        for answer in (
            caller.post("/taxonomy/terms", THEFT),
            caller.patch(f"/taxonomy/terms/{row['id']}", {"retired": True}, if_match='"v1"'),
            caller.put("/taxonomy/severity", {}, if_match='"v1"'),
        ):
            assert answer.status_code == 403
            assert answer.json["permission"] == "taxonomy:manage"

    def test_a_manager_edits(self, manager: Caller) -> None:
        answer = manager.post("/taxonomy/terms", THEFT)
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/v1/taxonomy/terms/{answer.json['id']}"
        assert manager.get(answer.headers["Location"]).json == answer.json


class TestReading:
    def test_in_the_language_that_was_asked_for(self, agent: Caller) -> None:
        def label(answer: Any) -> tuple[str, str]:
            return answer.json["language"], answer.json["categories"][0]["label"]

        assert label(agent.get("/taxonomy")) == ("en", "Delivery & fulfilment")
        chinese = agent.get("/taxonomy", accept_language="fr, zh-CN;q=0.8")
        assert label(chinese) == ("zh", "配送履约")
        assert chinese.headers["Content-Language"] == "zh"
        assert label(agent.get("/taxonomy?language=zh-CN", accept_language="en")) == ("zh", "配送履约")
        assert label(agent.get("/taxonomy?language=sw")) == ("en", "Delivery & fulfilment")
        assert codes_of(agent.get("/taxonomy?language=x_y")) == {("language", "invalid")}

    def test_whole(self, agent: Caller) -> None:
        found = agent.get("/taxonomy").json
        assert (found["version"], found["valid_until"]) == (1, None)
        assert len(found["categories"]) == 13
        assert sum(len(item["issues"]) for item in found["categories"]) == 58
        assert [
            len(found[name]) for name in ("root_causes", "outcomes", "remedies", "channels", "vulnerabilities")
        ] == [
            22,
            10,
            22,
            21,
            25,
        ]
        assert found["severity"]["matrix"][4] == ["S2", "S1", "S1", "S1"]

    def test_terms_page_by_page_and_filtered(self, agent: Caller) -> None:
        seen: list[str] = []
        path = "/taxonomy/terms?kind=issue&limit=25"
        cursor: str | None = ""
        while cursor is not None:
            page = agent.get(f"{path}&cursor={cursor}" if cursor else path).json
            seen += [row["code"] for row in page["items"]]
            cursor = page["next_cursor"]
        assert seen == [issue["code"] for item in agent.get("/taxonomy").json["categories"] for issue in item["issues"]]
        assert agent.get("/taxonomy/terms?kind=issue&count=true&limit=1").json["total"] == 58


class TestAdding:
    def test_offered_and_taken_at_once(self, manager: Caller, agent: Caller) -> None:
        add(manager, "category", "TRV", labels={"en": "Travel", "fr": "Voyages"})
        add(manager, "issue", "TRV.DELAY", labels=LABELS)
        body = complaint_body(issues=[{"category": "TRV", "issue": "TRV.DELAY"}])
        assert agent.post("/complaints", body).status_code == 201
        found = agent.get("/taxonomy", accept_language="fr").json
        assert found["language"] == "fr"
        assert found["categories"][-1]["label"] == "Voyages"
        assert found["categories"][-1]["issues"][0]["label"] == LABELS["en"]
        assert found["version"] == 3

    def test_a_safety_issue_of_ones_own(self, manager: Caller, agent: Caller) -> None:
        add(manager, "issue", "DEL.BITE", traits={"safety": True})
        made = agent.post("/complaints", complaint_body(issues=[{"issue": "DEL.BITE"}])).json
        settle = next(item for item in made["allowed_actions"] if item["action"] == "resolve_on_the_spot")
        assert "safety" in {item["code"] for item in settle["missing"]}

    def test_a_regulator_channel_of_ones_own(self, manager: Caller, agent: Caller) -> None:
        add(manager, "channel", "MINISTRY", traits={"regulator": True})
        made = agent.post("/complaints", complaint_body(channel="MINISTRY")).json
        settle = next(item for item in made["allowed_actions"] if item["action"] == "resolve_on_the_spot")
        assert "regulator" in {item["code"] for item in settle["missing"]}

    def test_the_same_code_again(self, manager: Caller) -> None:
        answer = manager.post("/taxonomy/terms", {"kind": "issue", "code": "DEL.LATE", "labels": LABELS})
        assert (answer.status_code, answer.json["code"]) == (409, "code_taken")
        assert manager.get("/taxonomy").json["version"] == 1

    def test_the_same_code_twice_at_once(self, manager: Caller, admin: Caller, engine: Engine) -> None:
        body = {"kind": "channel", "code": "TELEX", "labels": {"en": "telex"}}
        answers = at_once(
            lambda: manager.post("/taxonomy/terms", body).status_code,
            lambda: admin.post("/taxonomy/terms", body).status_code,
        )
        assert sorted(answers) == [201, 409]
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM taxonomy_term WHERE code = 'TELEX'")).scalar_one() == 1

    def test_different_codes_at_once_are_both_there(self, manager: Caller, admin: Caller) -> None:
        at_once(lambda: add(manager, "channel", "TELEX"), lambda: add(admin, "channel", "PIGEON"))
        channels = {item["code"] for item in manager.get("/taxonomy").json["channels"]}
        assert {"TELEX", "PIGEON"} <= channels
        assert manager.get("/taxonomy").json["version"] == 3

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ({"code": "DEL"}, ("/code", "invalid")),
            ({"code": "del.late"}, ("/code", "invalid")),
            ({"code": "DEL.LATE\n"}, ("/code", "taken")),
            ({"code": "DEL.L'); DROP TABLE complaint;--"}, ("/code", "invalid")),
            ({"code": "DEL." + "X" * 60}, ("/code", "length")),
            ({"code": "XXX.OTHER"}, ("/code", "unknown")),
            ({"kind": "colour"}, ("/kind", "choice")),
            ({"labels": {}}, ("/labels", "length")),
            ({"labels": {"zh": "被盗"}}, ("/labels", "invalid")),
            ({"labels": {"en": "x" * 201}}, ("/labels/en/value", "length")),
            ({"labels": {"en": "a\u0000b"}}, ("/labels/en/value", "invalid")),
            ({"labels": {"en": "x", "not a tag": "y"}}, ("/labels/not a tag/key", "invalid")),
            ({"labels": {"en": "x", "de\n": "y"}}, ("/labels/de\n/key", "invalid")),
            ({"traits": {"regulator": True}}, ("/traits/regulator", "unknown_field")),
            ({"traits": {"safety": "yes"}}, ("/traits/safety", "invalid")),
            ({"traits": {"colour": "red"}}, ("/traits/colour", "unknown_field")),
            ({"position": -1}, ("/position", "range")),
            ({"extra": 1}, ("/extra", "unknown_field")),
        ],
    )
    def test_what_is_refused(self, manager: Caller, body: dict[str, Any], wrong: tuple[str, str]) -> None:
        answer = manager.post("/taxonomy/terms", {"kind": "issue", "code": "DEL.NEW", "labels": LABELS} | body)
        if wrong[1] == "taken":  # it is stripped first, as any text
            assert answer.json["code"] == "code_taken"
            return
        assert answer.status_code == 422
        assert wrong in codes_of(answer), answer.json

    def test_hostile_labels_are_only_text(self, manager: Caller) -> None:
        label = "<script>alert(1)</script> \u202eevil {{x}} %s é"
        made = add(manager, "category", "HOS", labels={"en": label})
        assert made["labels"]["en"] == label
        assert manager.get("/taxonomy").json["categories"][-1]["label"] == label


class TestChanging:
    def test_needs_the_version(self, manager: Caller) -> None:
        row = term(manager, "channel", "FAX")
        path = f"/taxonomy/terms/{row['id']}"
        assert manager.patch(path, {"labels": {"en": "telefax"}}).status_code == 428
        assert manager.patch(path, {"labels": {"en": "telefax"}}, if_match='"v1"').status_code == 200
        stale = manager.patch(path, {"labels": {"en": "facsimile"}}, if_match='"v1"')
        assert (stale.status_code, stale.headers["ETag"].startswith('"v2')) == (412, True)
        assert term(manager, "channel", "FAX")["labels"] == {"en": "telefax", "zh": "传真"}

    def test_labels_language_by_language(self, manager: Caller) -> None:
        """Whoever corrects one has not to know the others."""
        assert change(manager, "channel", "FAX", {"labels": {"de": "Telefax"}}).json["labels"] == {
            "en": "fax",
            "zh": "传真",
            "de": "Telefax",
        }
        assert change(manager, "channel", "FAX", {"labels": {"zh": None, "fr": None}}).json["labels"] == {
            "en": "fax",
            "de": "Telefax",
        }
        assert codes_of(change(manager, "channel", "FAX", {"labels": {"en": None}})) == {("/labels", "invalid")}
        many = {f"{one}{other}": "fax" for one in "abcdef" for other in "abcdefgh"}
        assert change(manager, "channel", "FAX", {"labels": many}).status_code == 200
        more = {"zz": "fax", "zy": "fax"}  # with English there are fifty by then
        assert codes_of(change(manager, "channel", "FAX", {"labels": more})) == {("/labels", "too_many")}

    def test_twice_at_once_one_is_refused(self, manager: Caller, admin: Caller) -> None:
        row = term(manager, "channel", "FAX")
        answers = at_once(
            *(
                lambda caller=caller, text=text: (
                    caller.patch(f"/taxonomy/terms/{row['id']}", {"labels": {"en": text}}, if_match='"v1"').status_code
                )
                for caller, text in ((manager, "telefax"), (admin, "facsimile"))
            )
        )
        assert sorted(answers) == [200, 412]

    def test_nothing_changed_is_no_version(self, manager: Caller) -> None:
        row = term(manager, "channel", "FAX")
        assert change(manager, "channel", "FAX", {"labels": row["labels"], "retired": False}).json["version"] == 1
        assert manager.get("/taxonomy").json["version"] == 1

    def test_a_code_stays(self, manager: Caller) -> None:
        assert codes_of(change(manager, "channel", "FAX", {"code": "TELEX"})) == {("/code", "unknown_field")}

    def test_every_version_is_kept_with_when_it_held(self, manager: Caller) -> None:
        change(manager, "channel", "FAX", {"labels": {"en": "telefax"}})
        add(manager, "channel", "TELEX")
        versions = manager.get("/taxonomy/versions").json["items"]
        assert [row["version"] for row in versions] == [3, 2, 1]
        assert versions[0]["valid_until"] is None
        assert versions[1]["valid_until"] == versions[0]["valid_from"]
        assert UUID(versions[0]["actor_id"]) == manager.id

        def fax(number: int) -> str:
            found = manager.get(f"/taxonomy/versions/{number}").json
            assert found["version"] == number
            return str(next(item["label"] for item in found["channels"] if item["code"] == "FAX"))

        assert [fax(1), fax(2)] == ["fax", "telefax"]
        assert manager.get("/taxonomy/versions/4").status_code == 404
        for none in ("99999999999999", "2147483648", "0", "-1", "abc", "1.0", "01", "%20"):
            answer = manager.get(f"/taxonomy/versions/{none}")
            assert (answer.status_code, answer.json["code"]) == (404, "not_found"), none

    def test_stands_in_the_log_of_administrative_acts(self, manager: Caller, admin: Caller) -> None:
        change(manager, "channel", "FAX", {"labels": {"en": "telefax"}})
        act = admin.get("/audit-log?type=taxonomy.term_changed").json["items"][0]
        assert UUID(act["actor_id"]) == manager.id
        assert act["payload"]["changes"] == {"labels": [{"en": "fax", "zh": "传真"}, {"en": "telefax", "zh": "传真"}]}
        assert act["payload"]["taxonomy_version"] == 2

    def test_a_language_however_it_is_written(self, manager: Caller) -> None:
        """BCP 47 makes no difference between capitals."""
        row = term(manager, "issue", "DEL.LATE")
        answer = manager.patch(
            f"/taxonomy/terms/{row['id']}", {"labels": {"EN": "late", "zh-hant-tw": "遲"}}, if_match="*"
        )
        assert answer.status_code == 200, answer.text
        assert (answer.json["labels"]["en"], answer.json["labels"]["zh-Hant-TW"]) == ("late", "遲")
        assert "EN" not in answer.json["labels"]
        answer = manager.patch(f"/taxonomy/terms/{row['id']}", {"labels": {"EN": "late", "en": "tardy"}}, if_match="*")
        assert answer.status_code == 422
        assert manager.patch(f"/taxonomy/terms/{row['id']}", {"labels": {"EN": None}}, if_match="*").status_code == 422


class TestRetiring:
    def test_refused_for_what_is_new_and_kept_by_what_has_it(self, manager: Caller, agent: Caller) -> None:
        old = agent.post("/complaints", complaint_body(channel="FAX")).json
        assert retire(manager, "channel", "FAX").status_code == 200
        refused = agent.post("/complaints", complaint_body(channel="FAX"))
        assert codes_of(refused) == {("/channel", "choice")}
        assert "FAX was retired" in refused.json["errors"][0]["detail"]
        assert agent.get(f"/complaints/{old['reference']}").json["channel"] == "FAX"
        listed = agent.get("/complaints?channel=FAX").json["items"]
        assert [row["reference"] for row in listed] == [old["reference"]]
        assert "FAX" not in {item["code"] for item in agent.get("/taxonomy").json["channels"]}
        everything = agent.get("/taxonomy?retired=true").json["channels"]
        assert {"FAX": True}.items() <= {item["code"]: item["retired"] for item in everything}.items()
        assert agent.post(f"/complaints/{old['reference']}/actions/triage", GOOD["triage"]).status_code == 200

    def test_and_brought_back(self, manager: Caller, agent: Caller) -> None:
        retire(manager, "channel", "FAX")
        assert change(manager, "channel", "FAX", {"retired": False}).json["retired_at"] is None
        assert agent.post("/complaints", complaint_body(channel="FAX")).status_code == 201

    def test_with_a_category_its_issues(self, manager: Caller, agent: Caller) -> None:
        retire(manager, "category", "DEL")
        assert codes_of(agent.post("/complaints", complaint_body())) == {
            ("/issues/0/category", "choice"),
            ("/issues/0/issue", "choice"),
        }
        change(manager, "category", "DEL", {"retired": False})
        assert agent.post("/complaints", complaint_body()).status_code == 201

    @pytest.mark.parametrize(
        ("kind", "code", "action"),
        [
            ("issue", "DEL.LATE", "triage"),
            ("category", "DEL", "triage"),
            ("root_cause", "RC.HAND", "investigate"),
            ("channel", "EMAIL", "acknowledge"),
        ],
    )
    def test_refused_by_actions(
        self, manager: Caller, complaint: dict[str, Any], kind: str, code: str, action: str
    ) -> None:
        retire(manager, kind, code)
        answer = manager.post(f"/complaints/{complaint['reference']}/actions/{action}", GOOD[action])
        assert (f"/{kind}", "choice") in codes_of(answer)

    def test_refused_as_a_need(self, manager: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        retire(manager, "vulnerability", "hearing")
        answer = agent.post(f"/complaints/{complaint['reference']}/needs", {"flag": "hearing", "consent": True})
        assert codes_of(answer) == {("/flag", "choice")}

    def test_the_last_of_its_kind_stays(self, manager: Caller, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE taxonomy_term SET retired_at = now() WHERE kind = 'channel' AND code <> 'FAX'")
            )
        answer = retire(manager, "channel", "FAX")
        assert (answer.status_code, answer.json["code"]) == (409, "last_of_its_kind")

    def test_what_would_give_it_on_is_named(self, manager: Caller, team: UUID) -> None:
        form = manager.post("/intake/forms", {"name": "Kiosk", "channel": "STORE"}).json
        condition = {"any": [{"not": {"field": "channel", "operator": "in", "value": ["STORE", "FAX"]}}]}
        rule = manager.post(
            "/routing/rules",
            {"name": "Shops", "condition": condition, "result": {"team_id": str(team), "strategy": "queue_only"}},
        ).json
        trigger = manager.post(
            "/triggers",
            {
                "name": "Seen",
                "on": {"events": ["complaint.received"]},
                "condition": {"field": "channel", "operator": "is", "value": "STORE"},
                "actions": [{"step": "add_tags", "given": {"tags": ["seen"]}}],
            },
        ).json
        answer = retire(manager, "channel", "STORE")
        assert (answer.status_code, answer.json["code"]) == (409, "code_in_use")
        assert answer.json["uses"] == [
            {"what": "form", "id": form["id"], "name": "Kiosk"},
            {"what": "routing_rule", "id": rule["id"], "name": "Shops"},
            {"what": "trigger", "id": trigger["id"], "name": "Seen"},
        ]
        assert manager.get("/taxonomy").json["version"] == 1
        manager.patch(f"/intake/forms/{form['id']}", {"channel": "WEB"}, if_match='"v1"')
        assert manager.delete(f"/routing/rules/{rule['id']}", if_match='"v1"').status_code == 200
        assert manager.delete(f"/triggers/{trigger['id']}", if_match="*").status_code == 200
        assert retire(manager, "channel", "STORE").status_code == 200

    @pytest.mark.parametrize(
        ("kind", "code", "condition", "given"),
        [
            ("channel", "FAX", {"field": "channel", "operator": "is", "value": "FAX"}, None),
            ("category", "DEL", {"not": {"field": "issues", "operator": "in", "value": ["DEL.LATE"]}}, None),
            ("issue", "DEL.LATE", {"all": []}, GOOD["triage"]),
            ("category", "DEL", {"all": []}, GOOD["triage"]),
        ],
    )
    def test_triggers_that_wait_for_it_or_give_it(
        self, manager: Caller, kind: str, code: str, condition: Any, given: dict[str, Any] | None
    ) -> None:
        tag = {"step": "add_tags", "given": {"tags": ["seen"]}}
        step = tag if given is None else {"step": "triage", "given": given}
        body = {"name": "Seen", "on": {"events": ["complaint.received"]}, "condition": condition, "actions": [step]}
        trigger = manager.post("/triggers", body)
        assert trigger.status_code == 201, trigger.text
        answer = retire(manager, kind, code)
        assert (answer.status_code, answer.json["code"]) == (409, "code_in_use")
        assert answer.json["uses"] == [{"what": "trigger", "id": trigger.json["id"], "name": "Seen"}]
        assert retire(manager, "issue", "DEL.LOST").status_code == 200

    def test_a_macro_that_gives_it_says_so_when_it_is_applied(
        self, manager: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        steps = [{"step": "triage", "given": GOOD["triage"]}]
        macro = agent.post("/macros", {"name": "Late", "steps": steps}).json
        assert retire(manager, "issue", "DEL.LATE").status_code == 200
        answer = agent.post(f"/complaints/{complaint['reference']}/macros/{macro['id']}/apply", {})
        assert ("/steps/0/given/issue", "choice") in codes_of(answer), answer.json

    def test_conditions_and_forms_take_no_retired_code(self, manager: Caller, team: UUID) -> None:
        retire(manager, "channel", "FAX")
        rule = {
            "name": "Faxes",
            "condition": {"field": "channel", "operator": "is", "value": "FAX"},
            "result": {"team_id": str(team), "strategy": "queue_only"},
        }
        assert codes_of(manager.post("/routing/rules", rule)) == {("/condition/value", "choice")}
        assert codes_of(manager.post("/intake/forms", {"name": "Kiosk", "channel": "FAX"})) == {("/channel", "choice")}

    def test_what_is_offered_to_choose_from(self, manager: Caller, anonymous: Caller) -> None:
        form = manager.post("/intake/forms", {"name": "Website", "language": "zh-CN"}).json
        retire(manager, "issue", "DEL.LATE")
        add(manager, "issue", "DEL.THEFT", labels=LABELS)
        offered = anonymous.get(f"/public/forms/{form['key']}").json["categories"][0]
        assert offered["label"] == "配送履约"
        assert "DEL.LATE" not in {issue["code"] for issue in offered["issues"]}
        assert offered["issues"][-1] == {"code": "DEL.THEFT", "label": "途中被盗"}
        asked = {field["name"]: field["choices"] for field in manager.get("/routing/vocabulary").json["fields"]}
        assert "DEL.LATE" not in asked["issues"]
        assert {"DEL.THEFT"} <= set(asked["issue"]) <= {*asked["issues"]}

    def test_a_saved_view_goes_on_finding_what_has_it(self, manager: Caller, agent: Caller) -> None:
        old = agent.post("/complaints", complaint_body(channel="FAX")).json
        view = agent.post("/views", {"name": "Faxes", "filters": {"channel": "FAX"}}).json
        retire(manager, "channel", "FAX")
        found = agent.get(f"/views/{view['id']}/complaints").json["items"]
        assert [row["reference"] for row in found] == [old["reference"]]

    def test_a_form_without_a_channel_gets_none_that_was_retired(self, manager: Caller) -> None:
        retire(manager, "channel", "WEB")
        assert codes_of(manager.post("/intake/forms", {"name": "Website"})) == {("/channel", "choice")}

    def test_a_race_with_somebody_who_gives_it(self, manager: Caller, agent: Caller, engine: Engine) -> None:
        retired, taken = at_once(
            lambda: retire(manager, "channel", "FAX").status_code,
            lambda: agent.post("/complaints", complaint_body(channel="FAX")).status_code,
        )
        assert retired == 200
        assert taken in {201, 422}
        with engine.connect() as connection:
            unknown = text(
                "SELECT count(*) FROM complaint c WHERE NOT EXISTS "
                "(SELECT FROM taxonomy_term t WHERE t.kind = 'channel' AND t.code = c.channel)"
            )
            assert connection.execute(unknown).scalar_one() == 0


def test_the_newest_version_is_sent_only_where_it_is_news(program: Any) -> None:
    with program.database.reader() as session:
        assert newest(session, None).content["terms"]
        assert newest(session, 1).content is None
