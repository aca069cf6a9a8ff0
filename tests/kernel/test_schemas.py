"""Payloads: what is let in, what is said of what is not, and the fast dump.

How it can fail: the compiled dump differs from marshmallow's for some schema, some value, or None; text that PostgreSQL
or a reader chokes on gets in; two spellings of one name are two names; a message is a crash (a brace in it is a format);
a pointer does not lead to the field.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import marshmallow as ma
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields

import helpdesk.app
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.http import JSON
from helpdesk.kernel.money import Money
from helpdesk.kernel.openapi import Problem
from helpdesk.kernel.schemas import (
    CommaList,
    Email,
    Line,
    MoneyField,
    Pattern,
    Schema,
    Text,
    Timestamp,
    Whole,
    _compile,
    example_of,
    json_safe,
    problems_of,
)

assert helpdesk.app.__name__  # imported for its effect: every domain's schemas are then known


def all_schemas(kind: type[Schema] = Schema) -> Iterator[type[Schema]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("helpdesk."):
            yield child
        yield from all_schemas(child)


SCHEMAS: Final = sorted(
    (kind for kind in set(all_schemas()) if not kind.__name__.startswith("_") and kind is not Problem),
    key=lambda kind: (kind.__module__, kind.__qualname__),
)
"""Every payload of the API. A leading underscore is for what is no payload; a problem document takes further members."""

QUERIES: Final = [kind for kind in SCHEMAS if kind.__name__.endswith("Query")]
BODIES: Final = [kind for kind in SCHEMAS if kind.__name__.endswith(("In", "Patch"))]
DUMPED: Final = [kind for kind in SCHEMAS if kind not in QUERIES]


def as_python(field: Any, value: Any) -> Any:
    """A JSON example as the program would hold it."""
    if value is None:
        return None
    if isinstance(field, fields.Nested):
        if field.many:
            return [held(field.schema, item) for item in value]
        return held(field.schema, value)
    if isinstance(field, fields.List):
        return [as_python(field.inner, item) for item in value]
    for kind, convert in (
        (Timestamp, parse_rfc3339),
        (fields.UUID, UUID),
        (fields.Date, date.fromisoformat),
        (MoneyField, lambda item: Money.parse(item["amount"], item["currency"])),
    ):
        if isinstance(field, kind):
            return convert(value)
    return value


def held(schema: Any, example: dict[str, Any]) -> dict[str, Any]:
    return {
        field.attribute or name: as_python(field, example[field.data_key or name])
        for name, field in schema.dump_fields.items()
        if (field.data_key or name) in example
    }


def as_json(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=JSON))


class TestDump:
    def test_the_program_has_schemas(self) -> None:
        assert len(DUMPED) > 40
        assert {"Complaint", "Agent", "Customer", "Clock"} <= {kind.__name__ for kind in DUMPED}

    @pytest.mark.parametrize("kind", DUMPED, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
    def test_like_marshmallows_own(self, kind: type[Schema]) -> None:
        schema = kind()
        whole = held(schema, example_of(schema, loading=False))
        nothing = {
            name: None if field.allow_none else whole[field.attribute or name]
            for name, field in schema.dump_fields.items()
            if (field.attribute or name) in whole
        }
        nothing = {(schema.dump_fields[name].attribute or name): value for name, value in nothing.items()}
        for value in (whole, nothing, *([] if "items" in schema.dump_fields else [{}])):  # of {}, it takes the method
            own = as_json(ma.Schema.dump(schema, value))
            assert as_json(schema.dump(value)) == own
            assert list(schema.dump(value)) == list(own)
        assert as_json(schema.dump([whole, nothing], many=True)) == as_json(
            ma.Schema.dump(schema, [whole, nothing], many=True)
        )

    @pytest.mark.parametrize("kind", DUMPED, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
    def test_of_objects_as_of_mappings(self, kind: type[Schema]) -> None:
        schema = kind()
        value = held(schema, example_of(schema, loading=False))
        for name, field in schema.dump_fields.items():
            value.setdefault(field.attribute or name, None)
        assert as_json(schema.dump(SimpleNamespace(**value))) == as_json(schema.dump(value))

    def test_a_field_that_cannot_be_dumped_says_so(self) -> None:
        with pytest.raises(TypeError, match="no dump for CommaList"):
            _compile(type("Odd", (ma.Schema,), {"a": CommaList()})())

    def test_a_missing_attribute_is_an_error(self) -> None:
        """Silence would be a field that is never there."""
        with pytest.raises(AttributeError):
            type("One", (Schema,), {"a": fields.String()})().dump(SimpleNamespace(b=1))


class TestExamples:
    @pytest.mark.parametrize("kind", BODIES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
    def test_a_body_takes_its_own_example(self, kind: type[Schema]) -> None:
        schema = kind()
        schema.load(example_of(schema, loading=True))

    @pytest.mark.parametrize("kind", QUERIES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
    def test_each_parameter_takes_its_own_example(self, kind: type[Schema]) -> None:
        schema = kind()
        given = example_of(schema, loading=True)
        examples = {name: value if isinstance(value, list) else str(value) for name, value in given.items()}
        needed = {name: examples[name] for name, field in schema.load_fields.items() if field.required}
        for name, value in examples.items():
            schema.load(needed | {name: value})

    def test_the_lists_hold_what_they_should(self) -> None:
        assert {"ComplaintIn", "ResolveIn", "CustomerPatch"} <= {kind.__name__ for kind in BODIES}
        assert {"ComplaintQuery", "PageQuery"} <= {kind.__name__ for kind in QUERIES}


def one(field: Any) -> Any:
    return type("One", (Schema,), {"it": field})()


def loaded(field: Any, value: Any) -> Any:
    return one(field).load({"it": value})["it"]


class TestText:
    @given(st.text(st.characters(codec=None), max_size=40))
    def test_only_what_everybody_can_store_and_read(self, text: str) -> None:
        forbidden = any(
            (ord(char) < 32 and char not in "\t\n\r") or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in text
        )
        try:
            found = loaded(Text(), text)
        except ma.ValidationError:
            kinds = {unicodedata.category(char) for char in text if char not in "\u034f\u115f\u1160\u2800\u3164\uffa0"}
            assert forbidden or kinds <= {"Cc", "Cf", "Zs", "Zl", "Zp"}
            return
        assert not forbidden
        assert found == unicodedata.normalize("NFC", text).strip()
        found.encode()

    @pytest.mark.parametrize(
        "unseen",
        ["\u200b", "\u200b\u200d \u2060", "\u00a0\u3000", "\u3164", "\u2800\u2800", "\u202e", "\ufeff", "\x85", "\xad"],
    )
    def test_something_has_to_be_seen_of_it(self, unseen: str) -> None:
        for field in (Text(), Line()):
            with pytest.raises(ma.ValidationError):
                loaded(field, unseen)
        assert loaded(Text(min_length=0), unseen) == unicodedata.normalize("NFC", unseen).strip()
        assert loaded(Text(), f"{unseen}x{unseen}")

    @pytest.mark.parametrize("seen", ["-", "👩\u200d🔬", "م\u200cی", "\U0001fae8", "。"])
    def test_what_can_be_seen(self, seen: str) -> None:
        assert loaded(Text(), seen) == seen

    @pytest.mark.parametrize(
        ("pasted", "line"),
        [
            ("Late\r\nBcc: everybody@example.com", "Late Bcc: everybody@example.com"),
            ("two  blanks \n\t\n stay", "two  blanks stay"),
            ("a\u2028b\u0085c\td", "a b c d"),
            ("\nfirst and last\n", "first and last"),
        ],
    )
    def test_a_line_has_no_breaks(self, pasted: str, line: str) -> None:
        assert loaded(Line(), pasted) == line
        assert loaded(Text(), pasted) == pasted.strip()

    @pytest.mark.parametrize(
        "char", ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", chr(0xD800), chr(0xDFFF)]
    )
    def test_refused(self, char: str) -> None:
        with pytest.raises(ma.ValidationError, match="control characters"):
            loaded(Text(), f"a{char}b")

    def test_one_name_one_spelling(self) -> None:
        assert loaded(Text(), "Jose\u0301 \u212b") == "Jos\u00e9 \u00c5"

    def test_lengths_are_characters_after_stripping(self) -> None:
        assert loaded(Text(max_length=3), "  包裹📦  ") == "包裹📦"
        for text in ("abcd", "   ", ""):
            with pytest.raises(ma.ValidationError, match=r"Length|Longer|Shorter"):
                loaded(Text(max_length=3), text)

    @pytest.mark.parametrize("value", [None, 1, 1.5, [], {}, b"x"])
    def test_only_text(self, value: Any) -> None:
        if value == b"x":  # JSON has no bytes; a caller inside may hand them over
            assert loaded(Text(), value) == "x"
            return
        with pytest.raises(ma.ValidationError):
            loaded(Text(), value)


class TestPattern:
    @pytest.mark.parametrize("given", ["", "d", "DE", "de\n", "\nde", "de\nfr", " de", "d\u0435", "de "])
    def test_is_of_the_whole_text(self, given: str) -> None:
        wanted = fields.String(validate=Pattern("^[a-z]{2}$", error="Write two letters."))
        assert loaded(wanted, "de") == "de"
        with pytest.raises(ma.ValidationError, match="Write two letters"):
            loaded(wanted, given)

    def test_digits_are_those_of_json_schema(self) -> None:
        wanted = fields.String(validate=Pattern(r"^\d{2}$"))
        assert loaded(wanted, "25") == "25"
        with pytest.raises(ma.ValidationError):
            loaded(wanted, "\u0662\u0665")


class TestMoney:
    def test_good(self) -> None:
        assert loaded(MoneyField(), {"amount": "25.00", "currency": "EUR"}) == Money(2500, "EUR")

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "25 EUR",
            25,
            [],
            {},
            {"amount": "1"},
            {"amount": "1", "currency": "EUR", "tip": 1},
            {"amount": 1, "currency": "EUR"},
            {"amount": "1", "currency": None},
            {"amount": "1", "currency": []},
            {"amount": "0", "currency": "EUR"},
            {"amount": "-1", "currency": "EUR"},
            {"amount": "{}", "currency": "{0}"},
        ],
    )
    def test_bad(self, value: Any) -> None:
        with pytest.raises(ma.ValidationError):
            loaded(MoneyField(), value)

    def test_the_message_shows_how(self) -> None:
        with pytest.raises(ma.ValidationError, match=re.escape('{"amount": "25.00", "currency": "EUR"}')):
            loaded(MoneyField(), "25 EUR")

    def test_nothing_where_nothing_is_meant(self) -> None:
        assert loaded(MoneyField(positive=False), {"amount": "0", "currency": "EUR"}).minor == 0
        with pytest.raises(ma.ValidationError, match="Not below zero"):
            loaded(MoneyField(positive=False), {"amount": "-0.01", "currency": "EUR"})

    def test_dump_of_a_pair_and_of_money(self) -> None:
        schema = one(MoneyField())
        for value in (Money(-5, "EUR"), (-5, "EUR")):
            assert schema.dump({"it": value}) == {"it": {"amount": "-0.05", "currency": "EUR"}}


class TestOthers:
    @pytest.mark.parametrize("value", ["ana@example.com", "ana@bücher.example", "o'neil+x@example.co.uk"])
    def test_email(self, value: str) -> None:
        assert loaded(Email(), value) == value

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "ana",
            "ana@",
            "@x.example",
            "a b@x.example",
            "a@x.example\r\nBcc: b@x.example",
            '"\x01"@x.example',
            '"\x7f"@x.example',
            "a@x.example\n",
            "a" * 250 + "@x.example",
            7,
        ],
    )
    def test_not_an_email(self, value: Any) -> None:
        with pytest.raises(ma.ValidationError):
            loaded(Email(), value)

    @pytest.mark.parametrize(("value", "number"), [(3, 3), (3.0, 3)])
    def test_whole(self, value: Any, number: int) -> None:
        assert loaded(Whole(), value) == number

    @pytest.mark.parametrize("value", [2.9, "3", "2.9", True, None, "", "three", float("inf"), float("nan"), []])
    def test_not_whole(self, value: Any) -> None:
        with pytest.raises(ma.ValidationError):
            loaded(Whole(), value)

    @pytest.mark.parametrize(
        "value",
        ["2026-03-02", "", "yesterday", 5, None, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2" * 50],
    )
    def test_not_a_timestamp(self, value: Any) -> None:
        with pytest.raises(ma.ValidationError):
            loaded(Timestamp(), value)

    def test_comma_list(self) -> None:
        assert loaded(CommaList(), " a,,b , 包裹 ,") == ["a", "b", "包裹"]
        assert len(loaded(CommaList(), "x," * 200)) == 200
        for value in ("", " , ", "x," * 201, "a\x00"):
            with pytest.raises(ma.ValidationError):
                loaded(CommaList(), value)

    def test_unknown_fields_are_refused_everywhere(self) -> None:
        for kind in SCHEMAS:
            with pytest.raises(ma.ValidationError) as refused:
                kind().load({"no such field": 1})
            assert "no such field" in refused.value.messages_dict


class Inner(Schema):
    name = Text(required=True)


class Outer(Schema):
    inner = fields.Nested(Inner)
    many = fields.List(fields.Nested(Inner))
    words = fields.List(Text())

    @ma.validates_schema
    def _never(self, data: dict[str, Any], **_: Any) -> None:
        if "words" not in data:
            raise ma.ValidationError("Words are needed.")


class TestProblems:
    def test_pointers_lead_to_the_fields(self) -> None:
        with pytest.raises(ma.ValidationError) as refused:
            Outer().load({"inner": {}, "many": [{"name": "x"}, {"name": " "}], "words": ["a", 1], "a/b~c": 1})
        assert [(item["pointer"], item["code"]) for item in problems_of(refused.value.messages)] == [
            ("/inner/name", "required"),
            ("/many/1/name", "length"),
            ("/words/1", "invalid"),
            ("/a~1b~0c", "unknown_field"),
        ]

    @pytest.mark.parametrize("body", [[], "x", 1, None, True])
    def test_the_whole_has_the_empty_pointer(self, body: Any) -> None:
        with pytest.raises(ma.ValidationError) as refused:
            Outer().load(body)
        assert {item["pointer"] for item in problems_of(refused.value.messages)} == {""}

    def test_a_rule_of_the_whole(self) -> None:
        with pytest.raises(ma.ValidationError) as refused:
            Outer().load({})
        assert problems_of(refused.value.messages) == [
            {"pointer": "", "code": "invalid", "detail": "Words are needed."}
        ]


def test_json_safe() -> None:
    value = {
        1: (UUID(int=0), date(2026, 3, 2), parse_rfc3339("2026-03-02T00:00:00Z")),
        "money": Money(5, "JPY"),
        "set": {"x"},
        "nothing": None,
    }
    assert json_safe(value) == {
        "1": ["00000000-0000-0000-0000-000000000000", "2026-03-02", "2026-03-02T00:00:00Z"],
        "money": {"amount": "5", "currency": "JPY"},
        "set": ["x"],
        "nothing": None,
    }
