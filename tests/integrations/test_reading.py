"""Whatever the bytes are: nothing raises, every line belongs to one record, and numbers are those of the file."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.integrations.errors import UnusableFile
from helpdesk.integrations.reading import (
    MAX_RECORD_BYTES,
    Position,
    Record,
    Refusal,
    examine,
    open_csv,
    open_jsonl,
    read_csv,
    read_jsonl,
)

HEADER = b"a,b,c\n"
_COLUMNS = ("a", "b", "c")


def read(body: bytes, encoding: str = "utf-8") -> list[Record | Refusal]:
    """Records after the header `a,b,c`."""
    file = io.BytesIO(HEADER + body)
    opening = open_csv(file, encoding, _COLUMNS)
    return list(read_csv(file, encoding, opening.columns, opening.start))


def shown(items: list[Record | Refusal]) -> list[Any]:
    return [(it.line, list(it.values.values()) if isinstance(it, Record) else it.code) for it in items]


class TestLines:
    def test_a_quoted_field_spans_lines_and_the_next_record_has_its_own_number(self) -> None:
        body = b'1,"two\nlines, ""quoted""\r\n",3\n4,5,6\n'
        found = read(body)
        assert shown(found) == [(2, ["1", 'two\nlines, "quoted"\r\n', "3"]), (5, ["4", "5", "6"])]
        assert found[-1].after == Position(5, len(HEADER) + len(body))

    def test_empty_lines_are_no_records(self) -> None:
        assert shown(read(b"\n1,2,3\n\r\n\n4,5,6")) == [(3, ["1", "2", "3"]), (6, ["4", "5", "6"])]

    def test_reading_goes_on_at_any_position(self) -> None:
        body = b'1,"x\ny",3\n4,5,6\n7,8\n"9\n",9,9\n'
        whole = read(body)
        for place, item in enumerate(whole):
            rest = list(read_csv(io.BytesIO(HEADER + body), "utf-8", _COLUMNS, item.after))
            assert rest == whole[place + 1 :]

    def test_byte_order_mark(self) -> None:
        file = io.BytesIO(b"\xef\xbb\xbf" + HEADER + b"1,2,3\n")
        opening = open_csv(file, "utf-8", _COLUMNS)
        assert opening.columns == _COLUMNS
        assert opening.start == Position(1, 3 + len(HEADER))
        assert shown(list(read_csv(file, "utf-8", opening.columns, opening.start))) == [(2, ["1", "2", "3"])]


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"1,2\n", "columns"),
            (b"1,2,3,4\n", "columns"),
            (b"1,\xff\xfe,3\n", "undecodable"),
            (b"1,a\x00b,3\n", "control_character"),
            (b"1,a\x1bb,3\n", "control_character"),
            (b"1,a\x7fb,3\n", "control_character"),
            (b'1,"two"x,3\n', "quoting"),
            (b"1,a\rb,3\n", "quoting"),
            (b'1,"never closed,3\n', "unterminated_quote"),
            (b"1," + b"x" * 200_000 + b",3\n", "too_long"),
            (b"1," + b"x" * (3 * MAX_RECORD_BYTES) + b",3\n", "too_long"),
        ],
    )
    def test_one_bad_record_costs_no_other(self, body: bytes, code: str) -> None:
        found = read(b"1,2,3\n" + body + b"4,5,6\n7,8,9\n")
        assert shown(found) == [(2, ["1", "2", "3"]), (3, code), (4, ["4", "5", "6"]), (5, ["7", "8", "9"])]

    def test_a_stray_quote_does_not_swallow_records_that_have_quotes_themselves(self) -> None:
        found = read(b'1,"open,3\n4,"five, six",6\n7,"eight\nnine",9\n')
        assert shown(found) == [(2, "quoting"), (3, ["4", "five, six", "6"]), (4, ["7", "eight\nnine", "9"])]

    def test_a_file_cut_off_in_a_narrative_is_one_refusal(self) -> None:
        found = read(b'1,2,3\n4,"Dear Sirs,\n\nI write\nbecause')
        assert shown(found) == [(2, ["1", "2", "3"]), (3, "unterminated_quote")]
        assert isinstance(found[1], Refusal)
        assert "The file ends (line 6)" in found[1].detail
        assert "lines 3 to 6" in found[1].detail
        assert found[1].excerpt.startswith('4,"Dear Sirs')

    def test_a_long_swallowed_stretch_is_given_back(self) -> None:
        lines = b"".join(b"%d,%s,3\n" % (number, b"x" * 1000) for number in range(1500))
        found = read(b'1,"open,3\n' + lines)
        assert shown(found[:2]) == [(2, "too_long"), (3, ["0", "x" * 1000, "3"])]
        assert len(found) == 1501

    def test_excerpts_can_be_stored(self) -> None:
        (found,) = read(b"1,a\x00b\xff,3\n")
        assert isinstance(found, Refusal)
        assert "\x00" not in found.excerpt
        found.excerpt.encode()

    def test_hostile_quotes_are_read_in_linear_time(self) -> None:
        """Each line opens a quote whether it is read from inside one or from outside."""
        found = read((b"a" * 100 + b'","\n') * 40_000)
        assert sum(isinstance(item, Record) for item in found) == 0
        assert found[-1].after.line == 40_001


class TestHeader:
    def test_lines_before_it_are_reported(self) -> None:
        opening = open_csv(io.BytesIO(b"Archive: x.zip\n  inflating: y\n" + HEADER), "utf-8", ("c", "a"))
        assert opening.preamble == ((1, "Archive: x.zip"), (2, "  inflating: y"))
        assert opening.start.line == 3

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "empty"),
            (b"x,y\n1,2\n", "nearest is line 1; it has no column 'a', 'b', 'c'"),
            (b"x\na,b\n", "nearest is line 2; it has no column 'c'"),
            (b"a,b,c,a\n", "more than one column named 'a'"),
            (b"a,b,c,\n", "Column 4 of the header in line 1 has no name"),
            (b"a,b,c,\xff\n", "cannot be decoded"),
            (HEADER.decode().encode("utf-16"), "no column"),
            (b"x" * (2 * MAX_RECORD_BYTES), "longer than"),
        ],
    )
    def test_without_one_the_file_cannot_be_used(self, content: bytes, told: str) -> None:
        with pytest.raises(UnusableFile, match=told.replace("(", r"\(")):
            open_csv(io.BytesIO(content), "utf-8", _COLUMNS)


class TestJsonLines:
    def read(self, content: bytes) -> list[Record | Refusal]:
        file = io.BytesIO(content)
        return list(read_jsonl(file, "utf-8", open_jsonl(file).start))

    def test_each_line_by_itself(self) -> None:
        content = b'\xef\xbb\xbf{"a": "1"}\n\n{"a": \n[1]\n{"a": "\\u0000"}\n{"a": {"b": ["\\u001b"]}}\n{"a": "\\ud800"}\n{"a": "\xff"}\n{"a": "\\u00e9"}'
        assert shown(self.read(content)) == [
            (1, ["1"]),
            (3, "not_json"),
            (4, "not_an_object"),
            (5, "control_character"),
            (6, "control_character"),
            (7, "not_json"),
            (8, "undecodable"),
            (9, ["é"]),
        ]

    def test_an_over_long_line(self) -> None:
        content = b'{"a": "' + b"x" * (2 * MAX_RECORD_BYTES) + b'"}\n{"a": "2"}\n'
        assert shown(self.read(content)) == [(1, "too_long"), (2, ["2"])]


class TestEncodings:
    def test_gb18030_where_it_is_declared(self, tmp_path: Path) -> None:
        path = tmp_path / "gb.csv"
        path.write_bytes("a,b,c\n包裹,“迟到”,投诉\n".encode("gb18030"))
        assert examine(path, ("utf-8",)).encoding == "utf-8"
        facts = examine(path, ("utf-8", "gb18030"))
        assert facts.encoding == "gb18030"
        with path.open("rb") as file:
            opening = open_csv(file, facts.encoding, _COLUMNS)
            found = list(read_csv(file, facts.encoding, opening.columns, opening.start))
        assert shown(found) == [(2, ["包裹", "“迟到”", "投诉"])]

    def test_utf_8_goes_first(self, tmp_path: Path) -> None:
        path = tmp_path / "utf.csv"
        path.write_text("a,b,c\n包裹,迟到,投诉\n", encoding="utf-8")
        assert examine(path, ("utf-8", "gb18030")).encoding == "utf-8"

    def test_neither_fits(self, tmp_path: Path) -> None:
        path = tmp_path / "odd.csv"
        path.write_bytes(b"a,b,c\n1,\xff\xff,3\n")
        assert examine(path, ("utf-8", "gb18030")).encoding == "utf-8"


def _spans(items: list[Record | Refusal], start: Position) -> Iterator[tuple[Position, Position]]:
    for item in items:
        yield start, item.after
        start = item.after


_NASTY = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b"\x00", b"\xff", b"\xef\xbb\xbf"])).map(
        b"".join
    ),
)


class TestRandomBytes:
    @settings(max_examples=300, deadline=None)
    @given(_NASTY, st.sampled_from(["utf-8", "gb18030"]))
    def test_csv_never_raises_and_loses_no_byte(self, body: bytes, encoding: str) -> None:
        found = read(body, encoding)
        lines = (HEADER + body).count(b"\n") + (not (HEADER + body).endswith(b"\n"))
        for begins, ends in _spans(found, Position(1, len(HEADER))):
            assert begins.line < ends.line <= lines
            assert begins.byte < ends.byte <= len(HEADER + body)
        rest = (HEADER + body)[found[-1].after.byte if found else len(HEADER) :]
        assert not rest.strip(b"\r\n")  # only empty lines belong to no record

    @settings(max_examples=200, deadline=None)
    @given(_NASTY)
    def test_json_lines_never_raise(self, body: bytes) -> None:
        file = io.BytesIO(body)
        for item in read_jsonl(file, "utf-8", open_jsonl(file).start):
            assert item.after.byte <= len(body)

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.lists(
                st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from('",\n\t')),
                min_size=3,
                max_size=3,
            ).filter(any),
            max_size=20,
        )
    )
    def test_what_was_written_is_read(self, rows: list[list[str]]) -> None:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rows)
        found = read(out.getvalue().encode())
        assert [list(item.values.values()) for item in found if isinstance(item, Record)] == rows
        expected = 2
        for item, row in zip(found, rows, strict=True):
            assert item.line == expected
            expected += 1 + sum(cell.count("\n") for cell in row)
