import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.ids import ALPHABET
from helpdesk.recovery import voucher_schemas
from helpdesk.recovery.codes import new_code, parse_code


def test_as_somebody_types_it() -> None:
    code = new_code()
    assert parse_code(code) == code
    assert parse_code(code.lower().replace("-", " ").replace("0", "o").replace("1", "l")) == code


@pytest.mark.parametrize(
    "dash", ["\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212", "\ufe63", "\uff0d", "\u3000", "\u00a0"]
)
def test_as_word_processors_and_input_methods_write_it(dash: str) -> None:
    code = new_code()
    assert parse_code(code.replace("-", dash)) == code
    wide = "".join(chr(ord(char) + 0xFEE0) for char in code)
    assert parse_code(wide) == parse_code(wide.lower()) == code


def test_the_example_in_the_document_is_one() -> None:
    example = voucher_schemas.Voucher().fields["code"].metadata["example"]
    assert parse_code(example) == example


@given(st.integers(0, 16), st.sampled_from(ALPHABET))
def test_a_slip_finds_no_other_voucher(place: int, char: str) -> None:
    chars = list(new_code().replace("-", ""))
    if chars[place] != char:
        chars[place] = char
        assert parse_code("".join(chars)) is None


@given(st.text(max_size=40))
def test_anything_at_all(text: str) -> None:
    parsed = parse_code(text)
    assert parsed is None or parse_code(parsed) == parsed
