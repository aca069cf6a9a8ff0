"""Text as search sees it, and what is typed into the search field.

How it can fail: two spellings of one word are two words; a script without blanks is one endless word; a place in the
original is off by one; a query that is no query breaks; the query and the text are cut differently, so that what is
there is not found.
"""

import contextlib
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpdesk.complaints import search_text
from helpdesk.complaints.search_highlights import LONGEST, MOST, Finder, Source
from helpdesk.complaints.search_language import MAX_TERMS, read
from helpdesk.complaints.search_text import GAP, MAX_PLACES, OVERLAP, Weighted, digits, fold, segments, spans, tokens

WORDS = [
    ("Über", "uber"),
    ("CAFÉ", "cafe"),
    ("naïve", "naive"),
    ("Straße", "strasse"),
    ("ﬁnal", "final"),
    ("Ёлка", "елка"),
    ("Άνθρωπος", "ανθρωποσ"),
    ("مُحَمَّد", "محمد"),
    ("שָׁלוֹם", "שלום"),
    ("\uff26\uff55\uff4c\uff4c", "full"),
    ("so\u00adft", "soft"),
    ("ze\u200bro", "zero"),
    ("İstanbul", "istanbul"),
]


@pytest.mark.parametrize(("written", "folded"), WORDS)
def test_spellings_of_one_word(written: str, folded: str) -> None:
    assert fold(written) == folded
    assert [token.text for token in tokens(written)] == [folded]
    assert fold(unicodedata.normalize("NFD", written)) == folded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("配送延迟", ["配送", "送延", "延迟", "迟"]),
        ("新品", ["新品", "品"]),
        ("了", ["了"]),
        ("カタカナ", ["カタ", "タカ", "カナ", "ナ"]),
        ("ｶﾞｽ", ["ガス", "ス"]),
        ("배송이 늦", ["배송", "송이", "이", "늦"]),
        ("iPhone手机2台", ["iphone", "手机", "机", "2", "台"]),
        ("ช้า", ["ช้", "้า", "า"]),
        ("li.wei@example.com", ["li", "wei", "example", "com"]),
        ("हिन्दी", ["हिन्दी"]),
        ("🎉 —…!", []),
        ("a_b", ["a", "b"]),
    ],
)
def test_how_text_is_cut(text: str, expected: list[str]) -> None:
    assert [token.text for token in tokens(text)] == expected


ANY = st.text(
    alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("aéßéー配送ｶﾞ배ช้\u200b\u0301 \uff21"),
    max_size=60,
)


@given(ANY)
def test_folding_what_is_folded_changes_nothing(text: str) -> None:
    folded = fold(text)
    assert [token.text for token in tokens(folded)] == [token.text for token in tokens(text)]


PIECES = ["a", "Z", "é", " ", "配", "送", "カ", "ﾃﾞ", "배", "송", "Ж", "9", ".", "-", "ß", "ﬁ", "\u200b", "e\u0301"]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_places_in_the_original_are_those_of_the_tokens(text: str) -> None:
    found = list(spans(text))
    assert [span.token for span in found] == list(tokens(text))
    for span in found:
        assert fold(text[span.start : span.end]) == span.token.text


@given(ANY, ANY, ANY)
def test_a_part_of_a_text_is_found_in_it_by_the_query_for_it(before: str, part: str, after: str) -> None:
    """The oracle is the text itself; marks and letters at the seams may make other words of it."""
    text = f"{before} {part} {after}"
    assume(any(True for _ in tokens(part.replace('"', " "))))
    query = read('"' + part.replace('"', " ") + '"')
    assume(all(not token.pair for token in query.wanted[0].tokens) or " " not in part)
    there = list(spans(text))
    inside = [token.text for token in tokens(text)]
    assume(all(token.text in inside for token in tokens(part)))
    if [span.token for span in there] == list(tokens(text)):
        assert any(query.wanted[0].stands_at(there, place) is not None for place in range(len(there)))


class TestLanguage:
    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("late parcel", "('late') & ('parcel')"),
            ('"late parcel"', "('late' <1> 'parcel')"),
            ("late*", "('late':*)"),
            ('"late par"*', "('late' <1> 'par':*)"),
            ("迟*", "('迟':*)"),
            ("XPE9-W*", "('xpe9' <1> 'w':*)"),
            ("tag:lä*", "('#la':*)"),
            ("re:parcel", "('re' <1> 'parcel')"),
            ("tags:", "('tags')"),
            ('re:"late parcel"', "('re') & ('late' <1> 'parcel')"),
            ('from:"li wei"', "('li':B <1> 'wei':B)"),
            ("late -parcel", "('late') & !('parcel')"),
            ("subject:late", "('late':A)"),
            ("tag:late", "('#late')"),
            ('late -Tag:"late par"*', "('late') & !('#late' <1> '#par':*)"),
            ("FROM:li.wei@example.com", "('li':B <1> 'wei':B <1> 'example':B <1> 'com':B)"),
            ("配送延迟", "('配送' <1> '送延' <1> '延迟')"),
            ("迟", "('迟':*)"),
            ("手机app", "('手机' <2> 'app')"),
            ('un"balanced', "('un' <1> 'balanced')"),
            ('"open', "('open')"),
            ("it's", "('it' <1> 's')"),
            ("'); DROP TABLE", "('drop') & ('table')"),
        ],
    )
    def test_reads(self, typed: str, said: str) -> None:
        assert read(typed).all_of == said

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("late -parcel", "('late' | '#late')"),
            ('"late parcel"', "('late' <1> 'parcel' | '#late' <1> '#parcel')"),
            ("subject:late tag:par*", "('late':A) | ('#par':*)"),
        ],
    )
    def test_ranks_a_tag_as_a_tag(self, typed: str, said: str) -> None:
        assert read(typed).any_of == said

    @pytest.mark.parametrize("typed", ["", '""', "-late", "—", "🎉", "* *", ":", "\u200b", "- -", "a " * 21])
    def test_refuses_with_a_reason(self, typed: str) -> None:
        with pytest.raises(ValueError, match=r"Give at least|at most"):
            read(typed)

    @pytest.mark.parametrize("typed", ["l*", "late -p*", '"p"*', "subject:7*", "é*"])
    def test_refuses_a_beginning_of_one_letter(self, typed: str) -> None:
        with pytest.raises(ValueError, match="at least 2 letters"):
            read(typed)

    @pytest.mark.parametrize("typed", ["7K3M-9QX2-TAM", "7k3m9qx2tam", "7K3M 9QX2 TAM"])
    def test_a_reference_is_known_as_one(self, typed: str) -> None:
        from helpdesk.kernel.ids import parse_reference

        assert read(typed).reference == parse_reference(typed)

    @given(st.text(max_size=200) | st.text(alphabet="ab\"-*: 配送'&|!<>()\\", max_size=60))
    def test_every_text_is_a_query_or_a_reason(self, typed: str) -> None:
        with contextlib.suppress(ValueError):
            query = read(typed)
            assert 0 < len(query.wanted) + len(query.unwanted) <= MAX_TERMS


class TestSegments:
    def test_almost_every_complaint_is_one(self) -> None:
        found = segments([Weighted("Late parcel", "A")], [Weighted("It was late.", "C"), Weighted("Sorry.", "D")])
        assert len(found) == 1
        assert found[0].places["late"] == ["11A", f"{11 + 1 + GAP + 3}C"]

    def test_a_long_text_is_spread_and_the_head_is_in_each(self) -> None:
        found = segments([Weighted("Kopf", "A")], [Weighted(" ".join(f"w{n}" for n in range(30_000)), "C")])
        assert len(found) > 2
        assert all("kopf" in segment.places and segment.last <= MAX_PLACES for segment in found)
        assert set().union(*(segment.places for segment in found)) == {"kopf", *(f"w{n}" for n in range(30_000))}

    def test_a_phrase_across_a_border_is_in_the_second(self) -> None:
        words = [f"w{n}" for n in range(30_000)]
        found = segments([], [Weighted(" ".join(words), "C")])
        first = max(found[0].places, key=lambda word: int(found[0].places[word][-1][:-1]))
        at = words.index(first)
        assert all(word in found[1].places for word in words[at - OVERLAP + 1 : at + 2])

    def test_a_head_that_fills_a_segment_leaves_room(self) -> None:
        found = segments([Weighted("x " * 20_000, "B")], [Weighted("here", "C")])
        assert any("here" in segment.places for segment in found)

    @pytest.mark.parametrize(
        ("phone", "token"),
        [("+86 10 5555-0100", "861055550100"), ("\uff11\uff12\uff13\uff14\uff15", "12345"), ("12", "")],
    )
    def test_a_telephone_number_is_one_token(self, phone: str, token: str) -> None:
        assert digits(phone) == token


class TestFragments:
    def shown(self, typed: str, *texts: str) -> list[str]:
        found = Finder(read(typed)).fragments([Source("description", "C", text) for text in texts])
        return ["".join(f"[{part.text}]" if part.match else part.text for part in item.parts) for item in found]

    def test_marks_the_original(self) -> None:
        assert self.shown("uber cafe", "Das Über-Café <b>") == ["Das [Über]-[Café] <b>"]
        assert self.shown("配送延迟", "因为配送延迟了。") == ["因为[配送延迟]了。"]
        assert self.shown('"late parcel"', "A late, late parcel.") == ["A late, [late parcel]."]
        assert self.shown("par*", "Parcels") == ["[Parcels]"]

    def test_shows_the_place_in_a_long_text(self) -> None:
        (shown,) = self.shown("needle", "hay " * 5_000 + "needle" + " hay" * 5_000)
        assert "[needle]" in shown
        assert len(shown) <= 3 * LONGEST
        assert shown.startswith("…")
        assert shown.endswith("…")

    def test_few_of_many(self) -> None:
        assert len(self.shown("a", *["a"] * 10)) == MOST

    def test_only_where_the_field_fits(self) -> None:
        assert self.shown("subject:late", "late") == []

    @given(ANY, st.sampled_from(["a", "配送", "é", "ー"]))
    def test_parts_put_together_are_the_text(self, text: str, typed: str) -> None:
        for fragment in Finder(read(typed)).fragments([Source("subject", "A", text)]):
            whole = "".join(part.text for part in fragment.parts)
            assert whole == text
            assert any(part.match for part in fragment.parts)


def test_the_marks_of_words_do_not_hold_unspaced_ones() -> None:
    assert not set(search_text._marks()) & set("ช้")
