"""What our codes are called elsewhere.

How it can fail: a word of theirs is two codes of ours, or a code has two words that are preferred; a code that is nobody's, or
retired; two at once make one system twice; an edit undoes another; a code is retired, and each record of the next import is
refused; an import mapping goes by a map that is gone, or by words that were; a map of thousands; hostile words.
"""

import csv
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from helpdesk.identity.actors import SYSTEM
from helpdesk.integrations import importing, queries, service
from helpdesk.integrations.errors import UnusableMapping
from helpdesk.integrations.mapping import load_mapping, parse_mapping
from helpdesk.integrations.reading import examine
from helpdesk.taxonomy.code_maps import install_code_maps, shipped_maps, words_from
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.taxonomy.helpers import change, codes_of, retire

CODES: Final[list[dict[str, Any]]] = [
    {"kind": "issue", "external": "Zu spät", "code": "DEL.LATE"},
    {"kind": "issue", "external": "Verspätet", "code": "DEL.LATE", "preferred": True},
    {"kind": "issue", "external": "Verloren", "code": "DEL.LOST"},
    {"kind": "channel", "external": "Zu spät", "code": "PHONE"},
]
BODY: Final[dict[str, Any]] = {"system": "depot", "title": "The depot's system", "codes": CODES}


def made(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/code-maps", BODY | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def put(caller: Caller, found: dict[str, Any], **more: Any) -> Any:
    body = {"title": found["title"], "codes": found["codes"]} | more
    return caller.put(f"/code-maps/{found['id']}", body, if_match=f'"v{found["version"]}"')


def shipped(caller: Caller) -> dict[str, Any]:
    row = caller.get("/code-maps?system=cfpb").json["items"][0]
    return dict(caller.get(f"/code-maps/{row['id']}").json)


class TestWhoMay:
    def test_anonymous(self, anonymous: Caller, manager: Caller) -> None:
        path = f"/code-maps/{shipped(manager)['id']}"
        assert anonymous.get("/code-maps").status_code == 401
        assert anonymous.post("/code-maps", BODY).status_code == 401
        assert anonymous.put(path, BODY, if_match='"v1"').status_code == 401
        assert anonymous.delete(path, if_match='"v1"').status_code == 401

    def test_agents_look_words_up(self, agent: Caller, manager: Caller) -> None:
        path = f"/code-maps/{shipped(manager)['id']}"
        assert agent.get(f"{path}/codes").status_code == 200
        assert agent.post("/code-maps", BODY).status_code == 403
        assert agent.put(path, BODY, if_match='"v1"').status_code == 403
        assert agent.delete(path, if_match='"v1"').status_code == 403

    def test_a_manager_edits(self, manager: Caller) -> None:
        found = made(manager)
        assert [row["preferred"] for row in found["codes"]] == [False, True, True, True]
        assert manager.get(f"/code-maps/{found['id']}").json == found


class TestBothWays:
    def test_their_word_and_ours(self, manager: Caller) -> None:
        path = f"/code-maps/{made(manager)['id']}/codes"

        def found(query: str) -> list[tuple[str, str]]:
            return [(row["external"], row["code"]) for row in manager.get(f"{path}?{query}").json["items"]]

        assert found("kind=issue&external=Zu sp%C3%A4t") == [("Zu spät", "DEL.LATE")]
        assert found("external=Zu sp%C3%A4t") == [("Zu spät", "PHONE"), ("Zu spät", "DEL.LATE")]
        assert found("code=DEL.LATE") == [("Verspätet", "DEL.LATE"), ("Zu spät", "DEL.LATE")]
        assert found("code=DEL.LATE&preferred=true") == [("Verspätet", "DEL.LATE")]
        assert found("external=zu sp%C3%A4t") == []

    def test_page_by_page(self, manager: Caller) -> None:
        path = f"/code-maps/{shipped(manager)['id']}/codes?limit=50"
        first = manager.get(path).json
        second = manager.get(f"{path}&cursor={first['next_cursor']}").json
        assert second["next_cursor"] is None
        words = {(row["kind"], row["external"]) for row in first["items"] + second["items"]}
        assert len(words) == len(shipped_maps()[0]["codes"])

    def test_what_they_are_told(self, manager: Caller) -> None:
        path = f"/code-maps/{made(manager)['id']}/codes?preferred=true"
        told = {(row["kind"], row["code"]): row["external"] for row in manager.get(path).json["items"]}
        assert told == {
            ("issue", "DEL.LATE"): "Verspätet",
            ("issue", "DEL.LOST"): "Verloren",
            ("channel", "PHONE"): "Zu spät",
        }


class TestEditing:
    def test_the_same_system_again(self, manager: Caller) -> None:
        made(manager)
        answer = manager.post("/code-maps", BODY)
        assert (answer.status_code, answer.json["code"]) == (409, "system_taken")

    def test_the_same_system_twice_at_once(self, manager: Caller, admin: Caller) -> None:
        answers = at_once(
            lambda: manager.post("/code-maps", BODY).status_code, lambda: admin.post("/code-maps", BODY).status_code
        )
        assert sorted(answers) == [201, 409]
        assert len(manager.get("/code-maps?system=depot").json["items"]) == 1

    def test_needs_the_version(self, manager: Caller) -> None:
        found = made(manager)
        assert manager.put(f"/code-maps/{found['id']}", {"title": "x", "codes": []}).status_code == 428
        assert put(manager, found, title="Renamed").json["version"] == 2
        assert put(manager, found, title="Renamed too").status_code == 412
        assert manager.delete(f"/code-maps/{found['id']}", if_match='"v1"').status_code == 412

    def test_twice_at_once_one_is_refused(self, manager: Caller, admin: Caller) -> None:
        found = made(manager)
        answers = at_once(
            lambda: put(manager, found, codes=CODES[:1]).status_code,
            lambda: put(admin, found, codes=CODES[2:]).status_code,
        )
        assert sorted(answers) == [200, 412]

    def test_what_changed_stands_in_the_log(self, manager: Caller, admin: Caller) -> None:
        found = made(manager)
        codes = [*CODES[1:], {"kind": "issue", "external": "Kaputt", "code": "DEL.DAMAGED"}]
        assert put(manager, found, codes=codes).status_code == 200
        act = admin.get("/audit-log?type=code_map.changed").json["items"][0]
        assert act["payload"]["changes"] == {
            "issue:Zu spät": [["DEL.LATE", False], None],
            "issue:Kaputt": [None, ["DEL.DAMAGED", True]],
        }
        assert put(manager, found | {"version": 2}, codes=codes).json["version"] == 2

    def test_deleted(self, manager: Caller) -> None:
        found = made(manager)
        assert manager.delete(f"/code-maps/{found['id']}", if_match='"v1"').status_code == 204
        assert manager.get(f"/code-maps/{found['id']}").status_code == 404
        assert manager.get(f"/code-maps/{found['id']}/codes").status_code == 404

    @pytest.mark.parametrize(
        ("codes", "wrong"),
        [
            ([CODES[0], CODES[0]], ("/codes/1/external", "taken")),
            ([CODES[0] | {"preferred": True}, CODES[1]], ("/codes/1/preferred", "taken")),
            ([CODES[0] | {"code": "DEL.NOWHERE"}], ("/codes/0/code", "choice")),
            ([CODES[0] | {"kind": "channel"}], ("/codes/0/code", "choice")),
            ([CODES[0] | {"external": " "}], ("/codes/0/external", "length")),
            ([CODES[0] | {"external": "x" * 301}], ("/codes/0/external", "length")),
            ([CODES[0] | {"external": "a\u0000b"}], ("/codes/0/external", "invalid")),
            ([CODES[0] | {"external": str(n)} for n in range(2_001)], ("/codes", "length")),
        ],
    )
    def test_what_is_refused(self, manager: Caller, codes: list[Any], wrong: tuple[str, str]) -> None:
        answer = manager.post("/code-maps", BODY | {"codes": codes})
        assert answer.status_code == 422
        assert wrong in codes_of(answer), answer.json

    def test_a_large_one(self, manager: Caller) -> None:
        codes = [
            {"kind": "issue", "external": f"{n} '; DROP TABLE code_map; --", "code": "DEL.LATE"} for n in range(2_000)
        ]
        found = made(manager, codes=codes)
        assert [row["preferred"] for row in found["codes"]].count(True) == 1


class TestRetiring:
    def test_a_code_that_a_map_names(self, manager: Caller, program: Program) -> None:
        """It is said, and until it is brought back the words for it are words for nothing."""
        found = made(manager)

        def words() -> Any:
            with program.database.reader() as session:
                return words_from(session)("depot")

        answer = retire(manager, "issue", "DEL.LOST")
        assert (answer.status_code, answer.json["code_maps"]) == (200, ["depot"])
        late = {"Zu spät": "DEL.LATE", "Verspätet": "DEL.LATE"}
        assert words() == {"issue": late, "channel": {"Zu spät": "PHONE"}}
        assert put(manager, found, title="Renamed").status_code == 200  # what is there may stay
        more = [*CODES, {"kind": "issue", "external": "Weg", "code": "DEL.LOST"}]
        assert codes_of(put(manager, found | {"version": 2}, codes=more)) == {("/codes/4/code", "choice")}
        change(manager, "issue", "DEL.LOST", {"retired": False})
        assert words()["issue"] == late | {"Verloren": "DEL.LOST"}
        retire(manager, "category", "DEL")
        assert words() == {"issue": {}, "channel": {"Zu spät": "PHONE"}}

    def test_at_once_with_a_map_that_names_it(self, manager: Caller, admin: Caller) -> None:
        retired, mapped = at_once(
            lambda: retire(manager, "issue", "DEL.LOST").status_code,
            lambda: admin.post("/code-maps", BODY).status_code,
        )
        assert retired == 200
        assert mapped in {201, 422}


class TestShipping:
    def test_the_cfpb(self, manager: Caller, program: Program) -> None:
        found = shipped(manager)
        assert len(found["codes"]) == 70
        with program.database.unit_of_work(SYSTEM) as uow:
            install_code_maps(uow)
        assert shipped(manager)["version"] == 1

    def test_what_the_operator_changed_stays(self, manager: Caller, program: Program) -> None:
        put(manager, shipped(manager), codes=CODES)
        with program.database.unit_of_work(SYSTEM) as uow:
            install_code_maps(uow)
        assert len(shipped(manager)["codes"]) == len(CODES)

    def test_not_deleted_while_a_shipped_mapping_goes_by_it(self, manager: Caller) -> None:
        answer = manager.delete(f"/code-maps/{shipped(manager)['id']}", if_match='"v1"')
        assert (answer.status_code, answer.json["code"]) == (409, "code_in_use")
        assert answer.json["uses"][0]["id"] == "cfpb"


OURS: Final = """
title = "The depot's export"
format = "csv"
source = "depot"
header = ["Nr", "Text", "Art", "Weg"]
[external_id]
column = "Nr"
required = true
[constants]
language = "de"
[fields.subject]
column = "Text"
[fields.description]
column = "Text"
[fields.channel]
column = "Weg"
code_map = "depot"
otherwise = "EMAIL"
[fields."issue.issue"]
column = "Art"
code_map = "depot"
"""


class TestImporting:
    def test_by_the_words_of_a_system(self, manager: Caller, program: Program) -> None:
        made(manager)
        with program.database.reader() as session:
            mapping = parse_mapping("ours", OURS, words_from(session))
        assert mapping.code_maps == ("depot",)
        row = {"Nr": "1", "Text": "Wo bleibt es?", "Art": "Verspätet", "Weg": "Zu spät"}
        assert mapping.apply(row).payload["issues"] == [{"issue": "DEL.LATE", "category": "DEL"}]
        assert mapping.apply(row).payload["channel"] == "PHONE"
        unknown = mapping.apply(row | {"Art": "Sonstiges", "Weg": "Brieftaube"})
        assert unknown.payload["channel"] == "EMAIL"
        assert "issues" not in unknown.payload
        assert unknown.source_data == {"Art": "Sonstiges", "Weg": "Brieftaube"}

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('code_map = "depot"\notherwise', 'code_map = "nobody"\notherwise', "no code map of this system"),
            (
                '[fields.subject]\ncolumn = "Text"',
                '[fields.subject]\ncolumn = "Text"\ncode_map = "depot"',
                "takes no codes",
            ),
            ('otherwise = "EMAIL"', 'values = { a = "EMAIL" }', "values or a code map"),
            ('column = "Art"\n', 'columns = ["Art"]\n', "from one column"),
        ],
    )
    def test_mappings_that_cannot_be(self, manager: Caller, program: Program, old: str, new: str, says: str) -> None:
        made(manager)
        assert old in OURS
        with program.database.reader() as session, pytest.raises(UnusableMapping, match=says):
            parse_mapping("ours", OURS.replace(old, new, 1), words_from(session))

    def test_listed_with_what_they_go_by(self, manager: Caller) -> None:
        found = {item["name"]: item["code_maps"] for item in manager.get("/import-mappings").json["items"]}
        assert found == {"cfpb": ["cfpb"], "generic": [], "generic_jsonl": []}

    def test_of_a_file_as_the_cfpb_makes_them(self, manager: Caller, program: Program, tmp_path: Path) -> None:
        """By the words of its map as the operator has changed them."""
        found = shipped(manager)
        own = [row for row in found["codes"] if row["external"] != "Advertising"]
        own.append({"kind": "issue", "external": "Advertising", "code": "COM.INFO", "preferred": False})
        own = [row for row in own if row["code"] != "LETTER"]
        assert put(manager, found, codes=own).status_code == 200
        path = written(tmp_path / "cfpb.csv", {"Issue": "Advertising"}, {"Issue": "Closing an account"})
        assert imported(program, path) == ("done", 2, 0)
        listed = manager.get("/complaints?source=cfpb").json["items"]
        issues = {manager.get(f"/complaints/{row['reference']}").json["issues"][0]["issue"] for row in listed}
        assert issues == {"COM.INFO", "ACC.CLOSE"}


_HEADER: Final = [
    "Date received",
    "Product",
    "Sub-product",
    "Issue",
    "Sub-issue",
    "Consumer complaint narrative",
    "Company public response",
    "Company",
    "State",
    "ZIP code",
    "Tags",
    "Consumer consent provided?",
    "Submitted via",
    "Date sent to company",
    "Company response to consumer",
    "Timely response?",
    "Consumer disputed?",
    "Complaint ID",
]


def written(path: Path, *records: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _HEADER, restval="")
        writer.writeheader()
        for number, record in enumerate(records, start=1):
            day = {"Date received": "2020-03-18", "Date sent to company": "2020-03-18", "Product": "Mortgage"}
            writer.writerow(day | {"Submitted via": "Web", "Complaint ID": str(number)} | record)
    return path


def imported(program: Program, path: Path) -> tuple[str, int, int]:
    """State, accepted and rejected."""
    with program.database.reader() as session:
        mapping = load_mapping("cfpb", words_from(session))
    facts = examine(path, mapping.encodings)
    with program.database.unit_of_work(SYSTEM) as uow:
        job_id = service.create_local(uow, mapping="cfpb", file_name=path.name, dry_run=False, facts=facts)
    with importing.hold(program.engine, job_id) as session:
        assert session is not None
        runner = importing.Runner(program.database, session, job_id, SYSTEM, mapping, path, facts.encoding)
        state = runner.run()
    return (state, *_counts(program, job_id))


def _counts(program: Program, job_id: UUID) -> tuple[int, int]:
    with program.database.unit_of_work(SYSTEM) as uow:
        job = queries.locked_job(uow.session, job_id)
        return job.accepted, job.rejected


def test_codes_that_are_retired_while_an_import_runs_are_told_of_their_records(
    manager: Caller, program: Program, tmp_path: Path
) -> None:
    """A mapping that lists its words itself: nobody knew that it names the code."""
    found = shipped(manager)
    put(manager, found, codes=[row for row in found["codes"] if row["code"] != "ACC.CLOSE"])
    retire(manager, "issue", "ACC.CLOSE")
    text = OURS.replace(
        'code_map = "depot"\notherwise = "EMAIL"', 'values = { a = "EMAIL" }\notherwise = "EMAIL"'
    ).replace('code_map = "depot"', 'values = { zu = "ACC.CLOSE" }')
    with program.database.reader():
        mapping = parse_mapping("ours", text)
    path = tmp_path / "ours.csv"
    path.write_text("Nr,Text,Art,Weg\n1,Konto,zu,a\n2,Paket,spät,a\n", encoding="utf-8")
    facts = examine(path, mapping.encodings)
    with program.database.unit_of_work(SYSTEM) as uow:
        job_id = service.create_local(uow, mapping="ours", file_name=path.name, dry_run=False, facts=facts)
    with importing.hold(program.engine, job_id) as session:
        assert session is not None
        importing.Runner(program.database, session, job_id, SYSTEM, mapping, path, facts.encoding).run()
    assert _counts(program, job_id) == (1, 1)
    change(manager, "issue", "ACC.CLOSE", {"retired": False})
