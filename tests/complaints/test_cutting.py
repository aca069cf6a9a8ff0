"""Taking something out of a text, and out of its copies.

How it can fail: it is still there, in other capitals, with another line break, between tags; something else goes with
it; a mark tells how long it was; ranges overlap, are empty or lie outside; a long text keeps the machine busy.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.complaints import cutting
from helpdesk.complaints.cutting import MARK, Cut, NotThere


class TestStrings:
    def test_every_occurrence_however_it_is_written(self) -> None:
        cut = cutting.strings("Card 4111 1111, CARD 4111\n1111, card 4111  1111.", ["card 4111 1111"])
        assert (cut.left, cut.count) == (f"{MARK}, {MARK}, {MARK}.", 3)

    def test_signs_are_signs(self) -> None:
        assert cutting.strings("a.b axb (c) \\d", ["a.b", "(c)", "\\d"]).left == f"{MARK} axb {MARK} {MARK}"

    @pytest.mark.parametrize("wanted", [["not there"], ["is", "nowhere"]])
    def test_not_there(self, wanted: list[str]) -> None:
        with pytest.raises(NotThere) as refused:
            cutting.strings("it is here", wanted)
        assert refused.value.place == len(wanted) - 1

    def test_elsewhere(self) -> None:
        cut = cutting.strings("now", ["before"], lambda one: one == "before")
        assert (cut.left, cut.count) == ("now", 0)

    @given(text=st.text(max_size=80), wanted=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3))
    def test_nothing_of_it_is_left(self, text: str, wanted: list[str]) -> None:
        parts = [part for one in wanted for part in one.split()]
        try:
            cut = cutting.strings(text, [one for one in wanted if one.strip()] or ["\x00"])
        except NotThere:
            return
        left = cut.left.replace(MARK, "\x00")
        assert not any(Cut("", (one,), 1).holds(left) for one in wanted if one.strip() and one.isascii()), parts


class TestRanges:
    def test_overlapping_and_out_of_order(self) -> None:
        cut = cutting.spans("0123456789", [(6, 8), (1, 3), (2, 4)])
        assert (cut.left, cut.removed, cut.count) == (f"0{MARK}45{MARK}89", ("123", "67"), 2)
        assert cutting.spans("长城x", [(0, 2)]).left == f"{MARK}x"
        assert cutting.spans("abc", [(0, 3)]).left == MARK

    @pytest.mark.parametrize("one", [(0, 0), (2, 1), (-1, 2), (0, 4), (3, 4), (10**9, 10**9 + 1)])
    def test_not_within(self, one: tuple[int, int]) -> None:
        with pytest.raises(NotThere) as refused:
            cutting.spans("abc", [(0, 1), one])
        assert refused.value.place == 1

    @given(st.text(min_size=1, max_size=40), st.data())
    def test_what_is_outside_stays(self, text: str, data: st.DataObject) -> None:
        place = st.integers(0, len(text))
        ranges = data.draw(
            st.lists(st.tuples(place, place).filter(lambda one: one[0] < one[1]), min_size=1, max_size=4)
        )
        kept = "".join(sign for at, sign in enumerate(text) if not any(start <= at < end for start, end in ranges))
        assert "".join(cutting.spans(text, ranges).left.split(MARK)) == "".join(kept.split(MARK))


class TestCopies:
    def test_of_a_part(self) -> None:
        cut = cutting.strings("My card is 4111 1111.", ["4111 1111"])
        assert cut.is_in("> card 4111\n1111")
        assert cut.out_of("x 4111  1111 y") == f"x {MARK} y"
        assert not cut.is_in("4111 1112")
        assert not cut.is_in("card")
        assert cutting.in_html(cut, "<p>4111 <b>1111</b></p>")
        assert not cutting.in_html(cut, "4111 1111 plain")

    def test_of_the_whole(self) -> None:
        cut = cutting.whole("Your parcel was late.\n\nWe are sorry.")
        assert cut.is_in("We are  sorry.")
        assert cut.out_of("We are sorry.") == MARK
        assert cut.out_of("Something else.") == "Something else."
        assert not cut.holds("sorry")  # a word of a list may be a word of the text
        assert cut.quoted_in("As we said:\n> Your parcel was late.")
        assert not cut.quoted_in("We are here.")

    def test_json(self) -> None:
        value = {"a": ["x", {"b": "secret"}], "c": 7, "d": None}
        assert list(cutting.leaves(value)) == ["x", "secret"]
        assert cutting.mapped(value, str.upper) == {"a": ["X", {"b": "SECRET"}], "c": 7, "d": None}

    def test_long_ones(self) -> None:
        text = "word " * 20_000
        cut = cutting.whole(text)
        assert cut.is_in(text)
        assert cut.out_of(text) == MARK
        part = cutting.spans(text, [(0, 50_000)])
        assert part.holds(text)
        assert len(part.left) == 50_000 + len(MARK)
