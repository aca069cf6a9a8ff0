"""References that people read aloud, and ids that sort by time.

How it can fail: a slip on the telephone finds somebody else's complaint; a reference is refused for the way it was
typed; ids made by two threads at once are the same or out of order.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.ids import ALPHABET, check_character, new_id, new_reference, parse_reference

SAMPLES: Final = ["0000000000", "ZZZZZZZZZZ", "0123456789", "A1B2C3D4E5", "7K3M9QX2TA", "VWXYZ00000"]

bodies = st.text(ALPHABET, min_size=10, max_size=10)


def whole(body: str) -> str:
    return body + check_character(body)


def grouped(chars: str) -> str:
    return f"{chars[:4]}-{chars[4:8]}-{chars[8:]}"


class TestCheckCharacter:
    @pytest.mark.parametrize("body", SAMPLES)
    def test_every_single_wrong_character_is_found(self, body: str) -> None:
        """Also the check character itself: 11 places, 31 wrong characters each."""
        right = whole(body)
        found = [
            right[:place] + wrong + right[place + 1 :]
            for place in range(11)
            for wrong in ALPHABET
            if wrong != right[place]
        ]
        assert len(found) == 11 * 31
        assert [slip for slip in found if parse_reference(slip) is not None] == []

    def test_every_swap_of_two_neighbours_is_found(self) -> None:
        """Every pair of different characters, at every place, the last (with the check character) among them."""
        for place, (first, second) in itertools.product(range(9), itertools.permutations(ALPHABET, 2)):
            right = whole(f"{'7K3M9QX2TA'[:place]}{first}{second}{'7K3M9QX2TA'[place + 2 :]}")
            slip = right[:place] + second + first + right[place + 2 :]
            assert parse_reference(slip) is None, (right, slip)

    @given(bodies)
    def test_swap_with_the_check_character_is_found(self, body: str) -> None:
        right = whole(body)
        if right[-1] != right[-2]:
            assert parse_reference(right[:-2] + right[-1] + right[-2]) is None

    @given(bodies)
    def test_appending_the_check_character_gives_zero(self, body: str) -> None:
        """What makes the scheme checkable in one pass: the quasigroup has `x * x = 0`."""
        assert check_character(whole(body)) == "0"


class TestParse:
    @given(bodies)
    def test_a_reference_is_itself(self, body: str) -> None:
        assert parse_reference(grouped(whole(body))) == grouped(whole(body))

    @given(bodies, st.data())
    def test_however_it_was_typed(self, body: str, data: st.DataObject) -> None:
        written = "".join(
            data.draw(st.sampled_from(["", " ", "-", "--"])) + data.draw(st.sampled_from(_spellings(char)))
            for char in whole(body)
        )
        assert parse_reference(f" {written} ") == grouped(whole(body))

    @given(st.text())
    def test_anything_else_is_nothing(self, text: str) -> None:
        found = parse_reference(text)
        assert found is None or parse_reference(found) == found

    @pytest.mark.parametrize("dash", ["", "-", "\uff0d", "\u2010", "\u2013", "\u2212", "\u3000", "\u2014\u2014"])
    def test_as_an_input_method_for_chinese_writes_it(self, dash: str) -> None:
        """Full-width letters and digits, and whatever dash or blank it puts between them."""
        right = whole("7K3M9QX2TA")
        wide = [chr(ord(char) + 0xFEE0) for char in right]
        assert parse_reference(dash.join(["".join(wide[:4]), "".join(wide[4:8]), "".join(wide[8:])])) == grouped(right)

    @pytest.mark.parametrize("text", ["", "-", "7K3M-9QX2-TA", "\x00" * 11, "U" * 11, "\u4e5d" * 11, "0" * 12])
    def test_not_one(self, text: str) -> None:
        assert parse_reference(text) is None


def _spellings(char: str) -> list[str]:
    return [char, char.lower(), *{"0": ["O", "o"], "1": ["I", "i", "L", "l"]}.get(char, [])]


class TestNew:
    def test_reference_is_well_formed_and_random(self) -> None:
        made = [new_reference() for _ in range(2_000)]
        assert all(parse_reference(reference) == reference for reference in made)
        assert len(set(made)) == len(made)
        for place in range(10):  # 2 000 draws of 32: one that never comes has a chance of e^-62
            assert {reference.replace("-", "")[place] for reference in made} == set(ALPHABET)

    def test_ids_are_uuid7_in_order(self) -> None:
        made = [new_id() for _ in range(10_000)]
        assert made == sorted(made)
        assert len(set(made)) == len(made)
        assert {(type(item), item.version) for item in made} == {(UUID, 7)}

    def test_ids_of_many_threads_are_different(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)))
        assert len({item for part in made for item in part}) == 16_000
