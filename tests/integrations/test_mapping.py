"""A mapping is checked when it is loaded, and says which key is wrong."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpdesk.integrations.errors import UnusableMapping
from helpdesk.integrations.mapping import FileMapping, load_mapping, parse_mapping, shipped
from helpdesk.integrations.mapping_steps import NOTES
from tests.integrations.conftest import cfpb_row

GOOD = """
title = "Ours"
format = "csv"
header = ["id", "when", "what"]
source = "ours"
constants = { channel = "EMAIL" }
external_id = { column = "id" }
[fields]
subject = { column = "what" }
description = { column = "what" }
received_at = { column = "when", date = "%d.%m.%Y %H:%M", time_zone = "Europe/Berlin" }
"""


@pytest.fixture
def cfpb() -> FileMapping:
    return load_mapping("cfpb")


class TestLoading:
    def test_every_shipped_mapping_can_be_used(self) -> None:
        assert shipped() == ["cfpb", "generic", "generic_jsonl"]
        assert {name: load_mapping(name).repeatable for name in shipped()} == {
            "cfpb": True,
            "generic": False,
            "generic_jsonl": False,
        }

    def test_a_file_of_ones_own(self, tmp_path: Path) -> None:
        path = tmp_path / "ours.toml"
        path.write_text(GOOD)
        assert load_mapping(str(path)).name == "ours"

    @pytest.mark.parametrize("name", ["nothing", "../cfpb", "nowhere/ours.toml"])
    def test_one_that_is_not_there(self, name: str) -> None:
        with pytest.raises(UnusableMapping, match=r"no mapping|cannot be read"):
            load_mapping(name)

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ('title = "Ours"', "", "title: Missing data"),
            ('"csv"', '"xlsx"', "format: Must be one of"),
            ('source = "ours"', "", "source: External ids need the system"),
            ('source = "ours"', 'source = "ours"\nencodings = ["latin-1"]', "encodings.0: Must be one of"),
            ('source = "ours"', 'source = "ours"\ncolour = "red"', "colour: Unknown field"),
            ('header = ["id", "when", "what"]', "", "header: Name the columns"),
            ('"EMAIL"', '"PIGEON"', "constants.channel: Must be one of"),
            ("channel =", "team_id =", "constants.team_id: Must be one of"),
            ('external_id = { column = "id" }', 'external_id = { column = "no" }', "external_id: 'no' is neither"),
            ('subject = { column = "what" }', 'subject = { column = "no" }', "fields.subject: 'no' is neither"),
            ('subject = { column = "what" }', "subject = {}", "fields.subject.value.column: Give either"),
            ("subject =", "colour =", "fields.colour.key: Must be one of"),
            (
                '"what" }\ndesc',
                '"what", values = { a = "b" }, columns = ["id"] }\ndesc',
                "Give either column or columns",
            ),
            ('"what" }\ndesc', '"what", otherwise = "x" }\ndesc', "otherwise: This belongs to values"),
            ('"what" }\ndesc', '"what", date = "%Y" }\ndesc', "Give date and time_zone together"),
            (
                '"what" }\ndesc',
                '"what", date = "%Y", time_zone = "UTC" }\ndesc',
                "fields.subject.date: Only received_at",
            ),
            ("Europe/Berlin", "Europe/Atlantis", "There is no such time zone"),
            ("Europe/Berlin", "../../etc/passwd", "There is no such time zone"),
            (
                "[fields]",
                '[clock_starts]\nSent = { column = "when" }\n[fields]',
                "clock_starts.Sent",
            ),
            (
                "[fields]",
                '[needs]\ncolumn = "what"\nground = "g"\nvalues = { a = "wizard" }\n[fields]',
                "needs.values.a: Must be one of",
            ),
            ("title", "title = ", "not well-formed TOML"),
        ],
    )
    def test_what_is_wrong_is_named(self, old: str, new: str, told: str) -> None:
        text = GOOD.replace(old, new, 1)
        assert text != GOOD
        with pytest.raises(UnusableMapping) as raised:
            parse_mapping("ours", text)
        assert told in str(raised.value)

    def test_translations_are_checked_too(self) -> None:
        text = GOOD.replace('constants = { channel = "EMAIL" }', "").replace(
            "[fields]", '[fields]\nchannel = { column = "what", values = { a = "PIGEON" }, otherwise = "OWL" }'
        )
        with pytest.raises(UnusableMapping) as raised:
            parse_mapping("ours", text)
        assert "fields.channel.values.a: Must be one of" in str(raised.value)
        assert "fields.channel.otherwise: Must be one of" in str(raised.value)


class TestNumbers:
    """The API takes a number for a number and no text; a CSV has nothing but text."""

    def test_digits_of_a_csv_are_a_number(self) -> None:
        mapped = load_mapping("generic").apply({"channel": "EMAIL", "impact": " 3 ", "urgency": "2"})
        assert (mapped.payload["impact"], mapped.payload["urgency"]) == (3, 2)

    @pytest.mark.parametrize("text", ["3.0", "three", "-3", "³", "٣", "3" * 10])
    def test_what_is_no_whole_number_is_left_for_the_api_to_refuse(self, text: str) -> None:
        mapped = load_mapping("generic").apply({"channel": "EMAIL", "impact": text})
        assert mapped.payload["impact"] == text

    def test_json_has_numbers_of_its_own(self) -> None:
        mapped = load_mapping("generic_jsonl").apply({"channel": "EMAIL", "impact": "3"})
        assert mapped.payload["impact"] == "3"

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_a_translation_of_a_mapping_is_text_too(self, kind: str) -> None:
        field = '[fields]\nimpact = { column = "what", values = { high = "5" }, otherwise = "1" }'
        ours = parse_mapping("ours", GOOD.replace("[fields]", field, 1).replace('"csv"', f'"{kind}"', 1))
        applied = [ours.apply({"id": "1", "what": what}).payload["impact"] for what in ("high", "")]
        assert applied == [5, 1]


class TestDates:
    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("18.03.2020 09:30", datetime(2020, 3, 18, 8, 30, tzinfo=UTC)),
            ("25.10.2020 02:30", datetime(2020, 10, 25, 0, 30, tzinfo=UTC)),  # occurs twice: the first
            ("29.03.2020 02:30", datetime(2020, 3, 29, 1, 30, tzinfo=UTC)),  # in a gap: forward by it
        ],
    )
    def test_local_times(self, text: str, at: datetime) -> None:
        mapped = parse_mapping("ours", GOOD).apply({"id": "1", "when": text, "what": "x"})
        assert datetime.fromisoformat(mapped.payload["received_at"]) == at

    def test_one_that_is_none_is_a_problem_and_not_left_out(self) -> None:
        mapped = parse_mapping("ours", GOOD).apply({"id": "1", "when": "2020-03-18", "what": "x"})
        assert [(it.name, it.code) for it in mapped.problems] == [("received_at", "invalid")]
        assert "'2020-03-18' in 'when' is not a time like %d.%m.%Y %H:%M" in mapped.problems[0].detail


class TestCfpb:
    def test_a_record(self, cfpb: FileMapping) -> None:
        row = cfpb_row(7, Tags="Older American, Servicemember")
        mapped = cfpb.apply(row)
        assert mapped.payload == {
            "channel": "WEB",
            "jurisdiction": "US",
            "sector": "financial",
            "language": "en",
            "source": "cfpb",
            "external_id": "1000007",
            "subject": "Attempts to collect debt not owed - Debt collection",
            "description": "They ask for a debt, number 7,\nthat I never had.",
            "received_at": "2020-03-18T04:00:00Z",
            "complainant": {"region": "FL", "postcode": "029XX"},
            "issues": [
                {
                    "category": "BIL",
                    "issue": "BIL.OVER",
                    "detail": "Attempts to collect debt not owed: Debt is not yours",
                }
            ],
            "needs": [
                {"flag": "older", "ground": "recorded by the CFPB"},
                {"flag": "servicemember", "ground": "recorded by the CFPB"},
            ],
        }
        assert mapped.clock_starts == {"complaint_sent_to_company": datetime(2020, 3, 19, 4, 0, tzinfo=UTC)}
        assert not mapped.problems

    def test_nothing_is_thrown_away(self, cfpb: FileMapping) -> None:
        row = cfpb_row(7, Tags="Older American, Something new", Extra="kept")
        kept = cfpb.apply(row).source_data
        carried = {"Complaint ID", "State", "ZIP code", "Consumer complaint narrative"}
        assert kept == {name: value for name, value in row.items() if value and name not in carried}
        assert kept["Consumer disputed?"] == "N/A"
        assert kept["Company"] == "EXAMPLE COLLECTORS, INC."

    def test_without_a_narrative(self, cfpb: FileMapping) -> None:
        mapped = cfpb.apply(cfpb_row(7, **{"Consumer complaint narrative": ""}))
        assert mapped.payload["description"] == (
            "No narrative was published. Debt collection: Attempts to collect debt not owed: Debt is not yours"
        )
        assert mapped.source_data[NOTES] == {"description": "made from Product, Sub-product, Issue, Sub-issue"}

    def test_an_issue_that_is_not_known_goes_by_the_product(self, cfpb: FileMapping) -> None:
        issue = cfpb.apply(cfpb_row(7, Issue="Something new")).payload["issues"][0]
        assert issue == {"category": "BIL", "detail": "Something new: Debt is not yours"}
        issue = cfpb.apply(cfpb_row(7, Issue="Something new", Product="New too")).payload["issues"][0]
        assert issue == {"detail": "Something new: Debt is not yours"}

    @pytest.mark.parametrize(
        ("via", "channel"), [("Postal mail", "LETTER"), ("Pigeon", "REGULATOR"), ("", "REGULATOR")]
    )
    def test_channels(self, cfpb: FileMapping, via: str, channel: str) -> None:
        assert cfpb.apply(cfpb_row(7, **{"Submitted via": via})).payload["channel"] == channel

    def test_an_id_is_needed(self, cfpb: FileMapping) -> None:
        problems = cfpb.apply(cfpb_row(7, **{"Complaint ID": " "})).problems
        assert [(it.name, it.code) for it in problems] == [("external_id", "required")]

    def test_a_column_with_our_name(self, cfpb: FileMapping) -> None:
        assert [it.code for it in cfpb.apply(cfpb_row(7, **{NOTES: "x"})).problems] == ["reserved"]


class TestGeneric:
    def test_amounts_have_their_currency_and_only_with_an_amount(self) -> None:
        mapping = load_mapping("generic")
        row = {"channel": "WEB", "subject": "s", "description": "d", "price": "12.50", "currency": "EUR", "name": "Li"}
        payload = mapping.apply(row).payload
        assert payload["price"] == {"amount": "12.50", "currency": "EUR"}
        assert "loss" not in payload
        assert payload["complainant"] == {"name": "Li"}
        bare = mapping.apply(row | {"price": ""})
        assert "price" not in bare.payload
        assert bare.source_data == {"currency": "EUR"}

    def test_json_lines_take_what_the_api_takes_and_keep_the_rest(self) -> None:
        row = {"channel": "WEB", "external_id": 17, "team_id": "x", "issues": [], "n": 0, "deep": {"a": [1.5, None]}}
        mapped = load_mapping("generic_jsonl").apply(row)
        assert mapped.payload == {"channel": "WEB", "external_id": "17", "issues": []}
        assert mapped.source_data == {"team_id": "x", "n": 0, "deep": {"a": [1.5, None]}}
