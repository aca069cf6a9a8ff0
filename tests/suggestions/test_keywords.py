"""The lists of words, and what is suggested from them and from a model together.

How it can fail: a category has no list, or none in one of the languages; a word of a list is never found, since search cuts
texts in another way; a word is found inside another; the evidence is not what stands in the text; a category that is not in
use is suggested; hostile text breaks it or takes for ever.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.suggestions import features, keywords
from helpdesk.suggestions.categories import Labels
from helpdesk.suggestions.suggesting import MOST, Suggestion, suggest
from helpdesk.taxonomy.terms import shipped
from tests.suggestions.examples import SAID
from tests.suggestions.test_classifier import corpus, model_of

CATEGORIES = shipped().codes("category")
ALL = {code: Labels({"en": code}) for code in CATEGORIES}


def by_list(text: str) -> list[keywords.Found]:
    return keywords.judge(text, features.read(text), ALL)


def categories(found: list[Suggestion]) -> list[str]:
    return [one.category for one in found]


class TestLists:
    def test_every_category_has_one_in_both_languages(self) -> None:
        assert keywords.shipped().keys() == set(CATEGORIES)
        for words in keywords.shipped().values():
            english = [word for word in words if word.said.isascii()]
            assert len(english) >= 10
            assert len(words) - len(english) >= 10

    def test_every_word_is_found_where_it_stands(self) -> None:
        for category, words in keywords.shipped().items():
            for word in words:
                plain = word.said.strip('"').removesuffix("*")
                for said in (plain, f"so: {plain.upper()}, they wrote", f"我说{plain}吧"):
                    assert category in {found.category for found in by_list(said)}, (category, word.said, said)

    @pytest.mark.parametrize(
        ("said", "category"),
        [
            ("My parcel has not arrived, the courier says it was delivered.", "DEL"),
            ("They hung up on me, the woman was rude and shouted.", "STF"),
            ("I was charged twice, and a late fee on top of the bill.", "BIL"),
            ("我的包裹破损了。快递员说已经签收。", "DEL"),
            ("客服态度恶劣。还骂人。非常不专业", "STF"),
            ("个人信息泄露。被人冒用身份证办卡", "PRV"),
            ("退款一直不到账。商家不给退", "REF"),
        ],
    )
    def test_what_they_say(self, said: str, category: str) -> None:
        best = by_list(said)[0]
        assert best.category == category
        assert all(word in said for word, _ in best.evidence)
        assert best.points == sum(points for _, points in best.evidence)

    @pytest.mark.parametrize(
        "said", ["", "   ", "hello there", "\u200b\u202e", "🎁" * 1000, "粗", "feebly billow apple"]
    )
    def test_nothing_to_go_by(self, said: str) -> None:
        assert by_list(said) == []

    def test_a_word_counts_once(self) -> None:
        (found,) = by_list("parcel parcel PARCEL")
        assert (found.points, found.evidence) == (1, (("parcel", 1),))

    def test_a_long_text_is_read_to_a_bound(self) -> None:
        filler = "la " * (features.MAX_TEXT // 3)
        assert by_list(filler + " parcel courier") == []
        assert by_list("parcel " + filler * 20)[0].category == "DEL"


class TestTogether:
    def test_without_a_model_the_lists_speak(self) -> None:
        found = suggest("The courier lost my parcel, and the hotline was rude.", None, ALL)
        assert categories(found) == ["DEL", "STF"]
        assert [(one.basis, one.probability) for one in found] == [("rules", None)] * 2

    def test_the_model_speaks_first_and_the_lists_for_what_it_does_not_know(self) -> None:
        model = model_of(corpus())
        found = suggest("The courier lost my Parcel. The woman at the depot was rude and shouted.", model, ALL)
        assert found[0].category == "DEL"
        assert found[0].basis == "model"
        assert found[0].probability is not None
        assert found[0].probability > 0.5
        assert {one.word for one in found[0].evidence} <= {
            "courier",
            "Parcel",
            "depot",
            "the",
            "The",
            "my",
            "and",
            "at",
        }
        assert [(one.category, one.basis) for one in found if one.basis == "rules"] == [("STF", "rules")]
        assert len(found) <= MOST

    def test_what_is_not_in_use_is_never_suggested(self) -> None:
        model = model_of(corpus())
        said = " ".join(SAID["DEL"][0].split()) + " rude"
        left = {code: label for code, label in ALL.items() if code not in {"DEL", "STF"}}
        for known in (model, None):
            assert {"DEL", "STF"}.isdisjoint(categories(suggest(said, known, left)))
        assert suggest(said, model, {}) == []

    def test_no_suggestion_without_a_word_for_it(self) -> None:
        assert suggest("zebra", model_of(corpus()), ALL) == []

    @given(st.text(max_size=300))
    def test_any_text_is_read_and_the_evidence_stands_in_it(self, said: str) -> None:
        for model in (None, _MODEL):
            found = suggest(said, model, ALL)
            assert len(found) <= MOST
            for one in found:
                assert one.evidence
                assert all(item.word in said for item in one.evidence)


_MODEL = model_of(corpus())
