"""Custom fields: definitions, values on complaints, and lists by them.

How it can fail: a value of one type gets into a field of another; a number loses a digit, or 2.50 is not found as 2.5; a
field changes its type under values that are there, or while somebody writes one; a code that was retired makes old
complaints unreadable; a mask that never ends; an action does not wait for a field, or waits for one that is filled; a
filter finds more or less than the values say, or somebody else's complaints; hostile keys and texts; a definition is
created twice at once.
"""

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from helpdesk.complaints import custom_fields, intake, queries
from helpdesk.complaints.custom_values import Definition, Found, Unfit, fits_mask, found_by, plain, read
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import at, done, everything, new, problems
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import behind_lock
from tests.recovery.helpers import another, execute, violations

OPTIONS: Final = [{"code": "red", "label": "Red", "label_zh": "红"}, {"code": "blue", "label": "Blue"}]
FIELDS: Final[dict[str, dict[str, Any]]] = {
    "order_number": {"type": "text", "max_length": 20, "mask": "?-####"},
    "story": {"type": "text", "max_length": 2000, "filterable": False},
    "note": {"type": "text"},
    "weight": {"type": "number", "minimum": "0", "maximum": "1000.5"},
    "due": {"type": "date", "minimum": "2020-01-01"},
    "colour": {"type": "choice", "options": OPTIONS},
    "colours": {"type": "multi_choice", "options": OPTIONS},
    "refund": {"type": "money", "currency": "EUR", "maximum": "500.00"},
    "insured": {"type": "boolean"},
}


def define(caller: Caller, key: str, **more: Any) -> dict[str, Any]:
    body = {"key": key, "label": key.capitalize(), "filterable": True} | FIELDS.get(key, {}) | more
    answer = caller.post("/custom-fields", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


@pytest.fixture
def defined(manager: Caller) -> dict[str, dict[str, Any]]:
    return {key: define(manager, key) for key in FIELDS}


def fill(caller: Caller, shown: dict[str, Any], **values: Any) -> Any:
    return caller.patch(at(shown), {"custom_fields": values}, if_match="*")


def filled(caller: Caller, shown: dict[str, Any], **values: Any) -> dict[str, Any]:
    answer = fill(caller, shown, **values)
    assert answer.status_code == 200, answer.text
    return dict(answer.json["custom_fields"])


class TestDefinitions:
    def test_anonymous_and_role(self, anonymous: Caller, senior: Caller, agent: Caller, manager: Caller) -> None:
        body = {"key": "note", "label": "Note", "type": "text"}
        assert anonymous.get("/custom-fields").status_code == 401
        assert anonymous.post("/custom-fields", body).status_code == 401
        assert senior.post("/custom-fields", body).status_code == 403
        made = manager.post("/custom-fields", body).json
        path = f"/custom-fields/{made['id']}"
        assert agent.get(path).json == made
        assert agent.patch(path, {"label": "x"}, if_match="*").status_code == 403
        assert agent.delete(path, if_match="*").status_code == 403

    def test_good(self, defined: dict[str, Any], agent: Caller) -> None:
        rows = everything(agent, "/custom-fields", limit=200)
        assert {row["key"] for row in rows} == set(FIELDS)
        assert defined["colour"]["options"][0] == {"code": "red", "label": "Red", "label_zh": "红", "active": True}
        assert defined["refund"]["currency"] == "EUR"

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"key": "Bad-Key"}, {"/key": "invalid"}),
            ({"key": "x y"}, {"/key": "invalid"}),
            ({"type": "regex"}, {"/type": "choice"}),
            ({"type": "choice"}, {"/options": "required"}),
            ({"options": OPTIONS}, {"/options": "misplaced"}),
            ({"type": "choice", "options": [OPTIONS[0], OPTIONS[0]]}, {"/options": "repeated"}),
            ({"type": "choice", "options": [{"code": "a b", "label": "x"}]}, {"/options/0/code": "invalid"}),
            ({"type": "money"}, {"/currency": "required"}),
            ({"type": "money", "currency": "XXX", "minimum": "1"}, {"/currency": "invalid"}),
            ({"currency": "EUR"}, {"/currency": "misplaced"}),
            ({"type": "number", "minimum": "9", "maximum": "1"}, {"/maximum": "range"}),
            ({"type": "number", "minimum": "1e3"}, {"/minimum": "invalid"}),
            ({"type": "date", "maximum": "2026-W01-1"}, {"/maximum": "invalid"}),
            ({"minimum": "1"}, {"/minimum": "misplaced"}),
            ({"type": "number", "mask": "##"}, {"/mask": "misplaced"}),
            ({"max_length": 201, "filterable": True}, {"/filterable": "length"}),
            ({"max_length": 0}, {"/max_length": "range"}),
            ({"required_for": ["create"]}, {"/required_for/0": "choice"}),
            ({"pattern": ".*"}, {"/pattern": "unknown_field"}),
        ],
    )
    def test_bad(self, manager: Caller, body: dict[str, Any], expected: dict[str, str]) -> None:
        answer = manager.post("/custom-fields", {"key": "note", "label": "Note", "type": "text"} | body)
        assert problems(answer) == expected
        assert everything(manager, "/custom-fields") == []

    def test_same_key(self, manager: Caller) -> None:
        define(manager, "note")
        answer = manager.post("/custom-fields", {"key": "note", "label": "x", "type": "date"})
        assert (answer.status_code, answer.json["code"]) == (409, "custom_field_taken")

    def test_same_key_at_once(self, manager: Caller, join: Join, engine: Engine) -> None:
        other = join("admin")
        body = {"key": "note", "label": "Note", "type": "text"}
        answers = behind_lock(
            engine,
            "LOCK TABLE custom_field IN SHARE ROW EXCLUSIVE MODE",
            lambda: manager.post("/custom-fields", body),
            lambda: other.post("/custom-fields", body),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    def test_never_too_many(self, manager: Caller, database: Database) -> None:
        execute(
            database,
            "INSERT INTO custom_field (id, key, label, type) "
            "SELECT gen_random_uuid(), 'f' || n, 'F', 'text' FROM generate_series(1, :most) AS n",
            most=custom_fields.MOST,
        )
        answer = manager.post("/custom-fields", {"key": "note", "label": "Note", "type": "text"})
        assert answer.json["code"] == "too_many_custom_fields"

    def test_never_too_many_by_two_at_once(self, manager: Caller, database: Database, engine: Engine) -> None:
        execute(
            database,
            "INSERT INTO custom_field (id, key, label, type) "
            "SELECT gen_random_uuid(), 'f' || n, 'F', 'text' FROM generate_series(2, :most) AS n",
            most=custom_fields.MOST,
        )
        answers = behind_lock(
            engine,
            "LOCK TABLE custom_field IN SHARE ROW EXCLUSIVE MODE",
            lambda: manager.post("/custom-fields", {"key": "note", "label": "Note", "type": "text"}),
            lambda: another(manager).post("/custom-fields", {"key": "weight", "label": "Weight", "type": "number"}),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    def test_type_stays_while_there_are_values(self, manager: Caller, agent: Caller, complaint: Any) -> None:
        made = define(manager, "weight")
        path = f"/custom-fields/{made['id']}"
        change = {"type": "text", "minimum": None, "maximum": None}
        filled(agent, complaint, weight="2.5")
        assert manager.patch(path, change, if_match="*").json["code"] == "custom_field_in_use"
        assert manager.delete(path, if_match="*").json["code"] == "custom_field_in_use"
        assert manager.get(path).json["type"] == "number"
        filled(agent, complaint, weight=None)
        assert manager.patch(path, change, if_match="*").json["type"] == "text"
        assert manager.patch(path, {"label": "x"}).status_code == 428
        assert manager.delete(path, if_match="*").status_code == 204

    def test_what_cannot_change_under_values(
        self, manager: Caller, agent: Caller, defined: dict[str, Any], complaint: Any
    ) -> None:
        money = {"amount": "1.00", "currency": "EUR"}
        filled(agent, complaint, colour="red", refund=money, note="x", story="y")
        for key, change in (
            ("colour", {"options": OPTIONS[1:]}),
            ("refund", {"currency": "USD"}),
            ("note", {"max_length": 500, "filterable": False}),
            ("story", {"max_length": 100}),
        ):
            answer = manager.patch(f"/custom-fields/{defined[key]['id']}", change, if_match="*")
            assert (answer.status_code, answer.json.get("code")) == (409, "custom_field_in_use"), key
        retired = [OPTIONS[0] | {"active": False}, *OPTIONS[1:], {"code": "green", "label": "Green"}]
        answer = manager.patch(f"/custom-fields/{defined['colour']['id']}", {"options": retired}, if_match="*")
        assert answer.status_code == 200
        assert filled(agent, complaint, colour="red", note="z")["colour"] == "red"  # it may stay
        assert filled(agent, complaint, colour="green")["colour"] == "green"
        assert problems(fill(agent, complaint, colour="red")) == {"/custom_fields/colour": "retired"}

    def test_type_changes_while_a_value_is_written(
        self, manager: Caller, agent: Caller, complaint: Any, engine: Engine, database: Database
    ) -> None:
        made = define(manager, "note")
        answers = behind_lock(
            engine,
            "SELECT FROM custom_field WHERE id = :id FOR UPDATE",
            lambda: manager.patch(f"/custom-fields/{made['id']}", {"type": "number"}, if_match="*"),
            lambda: fill(agent, complaint, note="words"),
            id=made["id"],
        )
        assert [answer.status_code for answer in answers] in ([200, 422], [409, 200])
        assert violations(database) == []

    def test_every_change_is_on_the_record(self, manager: Caller, join: Join) -> None:
        made = define(manager, "note")
        manager.patch(f"/custom-fields/{made['id']}", {"required_for": ["resolve"]}, if_match="*")
        told = [item for item in everything(join("auditor"), "/audit-log") if item["type"].startswith("custom_field.")]
        changed = next(item for item in told if item["type"] == "custom_field.changed")
        assert changed["payload"]["changes"] == {"required_for": [[], ["resolve"]]}


GOOD_VALUES: Final = [
    ("order_number", "A-1042", "A-1042"),
    ("note", "  Späte 包裹  ", "Späte 包裹"),
    ("weight", "2.50", "2.5"),
    ("weight", 7, "7"),
    ("weight", "0", "0"),
    ("weight", "0.0000000001", "0.0000000001"),
    ("weight", "1000.5", "1000.5"),
    ("due", "2026-02-28", "2026-02-28"),
    ("colour", "red", "red"),
    ("colours", ["blue", "red"], ["red", "blue"]),
    ("refund", {"amount": "25.5", "currency": "EUR"}, {"amount": "25.50", "currency": "EUR"}),
    ("insured", False, False),
]
BAD_VALUES: Final = [
    ("order_number", "A-10428", "mask"),
    ("order_number", "Ä-1042", "mask"),
    ("order_number", "A-1042\n\x00", "invalid"),
    ("order_number", 7, "invalid"),
    ("note", "", "length"),
    ("note", "   ", "length"),
    ("note", "x" * 201, "length"),
    ("weight", 2.5, "invalid"),
    ("weight", True, "invalid"),
    ("weight", "1e2", "invalid"),
    ("weight", "\u0662", "invalid"),
    ("weight", "NaN", "invalid"),
    ("weight", "-1", "range"),
    ("weight", "1000.51", "range"),
    ("weight", "1" * 19, "invalid"),
    ("weight", "0.00000000001", "invalid"),
    ("due", "2026-02-29", "invalid"),
    ("due", "2026-W09-1", "invalid"),
    ("due", "2019-12-31", "range"),
    ("due", "28.02.2026", "invalid"),
    ("colour", "green", "choice"),
    ("colour", ["red"], "choice"),
    ("colours", [], "invalid"),
    ("colours", "red", "invalid"),
    ("refund", {"amount": "1.00", "currency": "USD"}, "currency"),
    ("refund", {"amount": "1.001", "currency": "EUR"}, "invalid"),
    ("refund", {"amount": 1, "currency": "EUR"}, "invalid"),
    ("refund", {"amount": "500.01", "currency": "EUR"}, "range"),
    ("refund", "1.00", "invalid"),
    ("insured", "true", "invalid"),
    ("insured", 1, "invalid"),
    ("missing", "x", "unknown_field"),
    ("a~/b", "x", "unknown_field"),
]


class TestValues:
    def test_anonymous_role_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        assert fill(anonymous, complaint, note="x").status_code == 401
        assert fill(join("auditor"), complaint, note="x").status_code == 403
        elsewhere = join("agent", team_ids=[make_team(database, "Elsewhere")])
        assert fill(elsewhere, complaint, note="x").status_code == 404

    def test_good(self, defined: dict[str, Any], agent: Caller, complaint: Any, database: Database) -> None:
        for key, value, shown in GOOD_VALUES:
            assert filled(agent, complaint, **{key: value})[key] == shown
        assert (
            agent.get("/complaints").json["items"][0]["custom_fields"] == agent.get(at(complaint)).json["custom_fields"]
        )
        assert violations(database) == []

    def test_bad(self, defined: dict[str, Any], agent: Caller, complaint: dict[str, Any]) -> None:
        for key, value, code in BAD_VALUES:
            pointer = f"/custom_fields/{key.replace('~', '~0').replace('/', '~1')}"
            assert problems(fill(agent, complaint, **{key: value})) == {pointer: code}, (key, value)
        assert problems(fill(agent, complaint, colours=["red", "green"])) == {"/custom_fields/colours/1": "choice"}
        assert problems(fill(agent, complaint, colours=["red", "red"])) == {"/custom_fields/colours/1": "repeated"}
        assert agent.get(at(complaint)).json["version"] == complaint["version"]

    def test_all_that_is_bad_is_named_at_once(self, defined: dict[str, Any], agent: Caller, complaint: Any) -> None:
        answer = fill(agent, complaint, note=7, weight="x", colour="red", nothing=None)
        assert problems(answer) == {
            "/custom_fields/note": "invalid",
            "/custom_fields/weight": "invalid",
            "/custom_fields/nothing": "unknown_field",
        }
        assert agent.get(at(complaint)).json["custom_fields"] == {}

    def test_left_out_stays_and_null_empties(self, defined: dict[str, Any], agent: Caller, complaint: Any) -> None:
        filled(agent, complaint, note="x", weight="1")
        assert filled(agent, complaint, note=None, insured=True) == {"insured": True, "weight": "1"}
        assert agent.get("/complaints?custom=note:x").json["items"] == []

    def test_the_same_again_is_no_change(self, defined: dict[str, Any], agent: Caller, complaint: Any) -> None:
        fill(agent, complaint, weight="2.5")
        before = agent.get(at(complaint)).json["version"]
        fill(agent, complaint, weight="2.50", note=None)
        assert agent.get(at(complaint)).json["version"] == before

    def test_before_and_after(self, defined: dict[str, Any], agent: Caller, complaint: Any) -> None:
        fill(agent, complaint, weight="2.5")
        fill(agent, complaint, weight="3", note="x")
        events = [item for item in everything(agent, at(complaint, "timeline")) if item["type"] == "complaint.edited"]
        assert events[-1]["payload"]["changes"] == {
            "custom_fields": [{"weight": "2.5"}, {"note": "x", "weight": "3"}],
        }
        assert agent.get(at(complaint, "timeline/verification")).json["valid"]

    def test_out_of_use(self, defined: dict[str, Any], manager: Caller, agent: Caller, complaint: Any) -> None:
        fill(agent, complaint, note="kept")
        manager.patch(f"/custom-fields/{defined['note']['id']}", {"active": False}, if_match="*")
        assert problems(fill(agent, complaint, note="x")) == {"/custom_fields/note": "inactive"}
        assert agent.get(at(complaint)).json["custom_fields"] == {"note": "kept"}
        assert agent.get("/complaints?custom=note:kept").status_code == 422
        assert filled(agent, complaint, note=None) == {}

    def test_at_intake(self, defined: dict[str, Any], agent: Caller, database: Database) -> None:
        shown = new(agent, custom_fields={"weight": "2.50", "colours": ["red"], "note": None}, tags=["late"])
        assert shown["custom_fields"] == {"colours": ["red"], "weight": "2.5"}
        answer = agent.post("/complaints", complaint_body(custom_fields={"weight": 2.5, "nothing": "x"}))
        assert problems(answer) == {"/custom_fields/weight": "invalid", "/custom_fields/nothing": "unknown_field"}
        assert problems(agent.post("/complaints", complaint_body(custom_fields=[]))) == {"/custom_fields": "invalid"}
        assert violations(database) == []

    def test_many_by_copy(self, defined: dict[str, Any], admin: Caller, database: Database) -> None:
        values = {"note": 'a "b" \\ {c}', "weight": "0.5", "colours": ["red", "blue"], "insured": True}
        many = [ComplaintIn().load(complaint_body(custom_fields=values)) for _ in range(30)]
        with database.unit_of_work(SYSTEM) as uow:
            prepared = custom_fields.prepare(uow, [one["custom_fields"] for one in many])
            assert not any(isinstance(one, ValidationFailed) for one in prepared)
            intake.receive_many(uow, [one | {"custom_fields": own} for one, own in zip(many, prepared, strict=True)])
        assert len(everything(admin, "/complaints", custom="weight:0.5", limit=200)) == 30
        assert violations(database) == []

    def test_two_fields_at_once(
        self, defined: dict[str, Any], agent: Caller, join: Join, engine: Engine, complaint: Any
    ) -> None:
        other = join("agent")
        behind_lock(
            engine,
            "SELECT FROM complaint WHERE id = :id FOR UPDATE",
            lambda: fill(agent, complaint, note="x"),
            lambda: fill(other, complaint, weight="1"),
            id=complaint["id"],
        )
        assert agent.get(at(complaint)).json["custom_fields"] == {"note": "x", "weight": "1"}


class TestRequired:
    def test_an_action_waits_for_it(self, manager: Caller, senior: Caller, agent: Caller) -> None:
        define(manager, "note", required_for=["resolve", "withdraw"])
        shown = done(senior, new(senior), "investigate")
        missing = {item["action"]: item["missing"] for item in senior.get(at(shown)).json["allowed_actions"]}
        expected = [{"code": "custom_field_missing", "detail": "the field Note (note) is empty."}]
        assert (missing["resolve"], missing["withdraw"], missing["escalate"]) == (expected, expected, [])
        refused = senior.post(at(shown, "actions", "resolve"), GOOD["resolve"])
        assert (refused.status_code, refused.json["code"]) == (409, "action_not_allowed")
        assert refused.json["missing"] == expected
        assert (
            next(item for item in refused.json["allowed_actions"] if item["action"] == "withdraw")["missing"]
            == expected
        )
        filled(senior, shown, note="x")
        assert senior.post(at(shown, "actions", "resolve"), GOOD["resolve"]).json["status"] == "resolved"

    def test_in_one_transaction(self, manager: Caller, complaint: Any, database: Database) -> None:
        from helpdesk.complaints import steps

        define(manager, "note", required_for=["escalate"])
        read_steps = steps.read_steps(
            [
                {"step": "edit", "given": {"custom_fields": {"note": "x"}}},
                {"step": "escalate", "given": GOOD["escalate"]},
            ]
        )
        with database.unit_of_work(SYSTEM) as uow:
            row = queries.complaint_for_update(uow.session, SYSTEM, complaint["reference"])
            for step in read_steps:
                steps.perform(uow, SYSTEM, row, step)
        assert manager.get(at(complaint)).json["escalation_level"] == 1

    def test_whoever_locked_the_row_in_another_way(self, manager: Caller, complaint: Any, database: Database) -> None:
        from helpdesk.complaints import acts

        define(manager, "note", required_for=["escalate"])
        with database.unit_of_work(SYSTEM) as uow:
            row = queries.get_visible(uow.session, SYSTEM, complaint["reference"])
            with pytest.raises(Exception, match="Note"):
                acts.check(uow.session, SYSTEM, row, "escalate")

    def test_one_that_is_out_of_use_asks_for_nothing(self, manager: Caller, agent: Caller, complaint: Any) -> None:
        made = define(manager, "note", required_for=["escalate"])
        manager.patch(f"/custom-fields/{made['id']}", {"active": False}, if_match="*")
        assert agent.post(at(complaint, "actions", "escalate"), GOOD["escalate"]).status_code == 200


class TestFilters:
    @pytest.fixture
    def found(self, defined: dict[str, Any], agent: Caller) -> Callable[..., set[str]]:
        euro = "EUR"
        rows = {
            "a": {"weight": "2.50", "colour": "red", "due": "2026-03-01", "note": "Late, very", "insured": True},
            "b": {"weight": "10", "colour": "red", "colours": ["red", "blue"], "due": "2026-03-31"},
            "c": {
                "weight": "100.25",
                "colour": "blue",
                "colours": ["blue"],
                "refund": {"amount": "25", "currency": euro},
            },
            "d": {"insured": False, "refund": {"amount": "7.50", "currency": euro}, "order_number": "A-1042"},
        }
        names = {new(agent, custom_fields=values, tags=["t"])["reference"]: name for name, values in rows.items()}
        new(agent)

        def ask(custom: str, more: str = "") -> set[str]:
            answer: Any = agent.client.get(
                "/api/v1/complaints",
                query_string={"custom": custom, **dict(part.split("=") for part in more.split("&") if part)},
                headers={"Authorization": f"Bearer {agent.token}"},
            )
            assert answer.status_code == 200, answer.text
            return {names[item["reference"]] for item in answer.json["items"]}

        return ask

    @pytest.mark.parametrize(
        ("custom", "more", "expected"),
        [
            ("colour:red", "", "ab"),
            ("colour:red,weight:2.5", "", "a"),
            ("colour:red", "tag=t", "ab"),
            ("colour:red", "any_tag=t&sort=severity", "ab"),
            ("colour:red", "sort=-updated_at", "ab"),
            ("colours:blue", "", "bc"),
            ("colours:red,colours:blue", "", "b"),
            ("weight:2.5", "", "a"),
            ("weight:2.50", "", "a"),
            ("weight:..10", "", "ab"),
            ("weight:10..", "", "bc"),
            ("weight:2.6..100.25", "", "bc"),
            ("weight:2.6..100.24", "", "b"),
            ("weight:200..", "", ""),
            ("weight:..50,colour:red,due:2026-03-02..", "", "b"),
            ("due:2026-03-01", "", "a"),
            ("due:2026-03-01..2026-03-31", "", "ab"),
            ("refund:25.00", "", "c"),
            ("refund:..10", "", "d"),
            ("insured:true", "", "a"),
            ("insured:false", "", "d"),
            ('note:"LATE,  very"', "", "a"),
            ("order_number:a-1042", "", "d"),
            ("order_number:A-1043", "", ""),
            ("weight:..1000", "status=received&open=true&severity=S3", "abc"),
        ],
    )
    def test_finds(self, found: Callable[..., set[str]], custom: str, more: str, expected: str) -> None:
        assert found(custom, more) == set(expected)

    @pytest.mark.parametrize(
        ("custom", "code"),
        [
            ("nothing:x", "unknown_field"),
            ("story:x", "not_filterable"),
            ("weight:heavy", "invalid"),
            ("weight:..", "invalid"),
            ("weight:2..1", "range"),
            ("due:2026-03-02..2026-03-01", "range"),
            ("weight:1...2", "invalid"),
            ("due:yesterday", "invalid"),
            ("colour:green", "choice"),
            ("insured:maybe", "invalid"),
            ("refund:1.001", "invalid"),
            ("weight", "invalid"),
            ("weight:", "invalid"),
            (":1", "invalid"),
            ('note:"open', "invalid"),
            ("note:a,,b", "invalid"),
            (",".join(["weight:1"] * 6), "invalid"),
            ("note:" + "x" * 300, "invalid"),
            ("note:\x00", "invalid"),
        ],
    )
    def test_bad(self, defined: dict[str, Any], agent: Caller, custom: str, code: str) -> None:
        headers = {"Authorization": f"Bearer {agent.token}"}
        answer: Any = agent.client.get("/api/v1/complaints", query_string={"custom": custom}, headers=headers)
        assert answer.status_code == 422
        assert [(item["parameter"], item["code"]) for item in answer.json["errors"]] == [("custom", code)]

    def test_pages_and_counts_agree(self, defined: dict[str, Any], agent: Caller) -> None:
        for number in range(7):
            new(agent, custom_fields={"weight": str(number), "colour": "red"})
        for custom in ("colour:red", "weight:0..", "colour:red,weight:..100"):
            for sort in ("received_at", "-received_at", "severity", "-updated_at"):
                rows = everything(agent, "/complaints", custom=custom, sort=sort)
                assert len({row["id"] for row in rows}) == 7, (custom, sort)
            assert agent.get(f"/complaints?custom={custom}&count=true&limit=1").json["total"] == 7

    def test_not_of_another_team(self, defined: dict[str, Any], agent: Caller, join: Join, database: Database) -> None:
        new(agent, custom_fields={"weight": "1"}, team_id=str(agent.actor.team_ids[0]))
        elsewhere = join("agent", team_ids=[make_team(database, "Elsewhere")])
        for custom in ("weight:1", "weight:..1"):
            assert elsewhere.get(f"/complaints?custom={custom}&count=true").json["total"] == 0


class TestPure:
    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=10))
    def test_a_number_comes_back_as_it_was(self, number: Decimal) -> None:
        definition = Definition("number", {})
        value = read(definition, format(number, "f"))
        assert Decimal(value.json) == number
        assert read(definition, value.json) == value
        assert found_by(definition, format(number, "f")) == value.found[0]

    @given(st.text(max_size=50), st.text(max_size=50))
    def test_a_mask_fits_itself_with_its_signs_filled_in(self, mask: str, other: str) -> None:
        filled_in = mask.replace("#", "7").replace("?", "x").replace("*", "q")
        assert fits_mask(mask, filled_in)
        assert not fits_mask(mask, other) or len(mask) == len(other)

    @pytest.mark.parametrize("number", ["-0", "-0.0", "0.000"])
    def test_there_is_one_nothing(self, number: str) -> None:
        assert plain(Decimal(number)) == "0"

    @given(
        st.sampled_from(["text", "number", "date", "choice", "multi_choice", "money", "boolean"]), st.text(max_size=80)
    )
    def test_whatever_is_written_into_a_filter(self, kind: str, words: str) -> None:
        """It finds something, or it is refused; nothing else."""
        with contextlib.suppress(Unfit):
            assert isinstance(found_by(Definition(kind, {"a": True}, currency="EUR"), words), Found)
