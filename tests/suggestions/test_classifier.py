"""The model as arithmetic, without a database.

How it can fail: it is not the formula it says it is; the same complaints in another order give another model; a name or a
number of one person is kept; a category with two examples is suggested; memory grows with the text; bytes that were
changed are believed; a word is shown as evidence that speaks against; the figures flatter it, or divide by nothing; a text
is empty, huge, in a script without blanks, or nothing but marks.
"""

import random
from itertools import starmap
from math import log, sqrt
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.suggestions import classifier, evaluation, features
from helpdesk.suggestions.categories import Labels
from helpdesk.suggestions.classifier import Classifier, Damaged, learned, packed, unpacked
from helpdesk.suggestions.counting import Counts, information
from helpdesk.suggestions.evaluation import HeldOut, evaluate, fold_of, interval, sharpest, trial
from helpdesk.suggestions.queries import Example
from helpdesk.suggestions.training import Lesson
from tests.suggestions.examples import SAID, text

Judged = tuple[str, frozenset[str]]


def corpus(count: int = 30) -> list[Judged]:
    return [(category, features.words_of(text(category, number))) for number in range(count) for category in SAID]


def counted(examples: list[Judged], most: int = 1_000) -> Counts:
    counts = Counts(most=most)
    for category, words in examples:
        counts.add(category, words)
    return counts


def model_of(examples: list[Judged]) -> Classifier:
    model = learned(counted(examples))
    assert model is not None
    return model


class TestFormula:
    def test_by_hand(self) -> None:
        """Six of A, five of B; `x` in all of A and one of B, `y` in four of B: with smoothing 0.5 and two words."""
        examples = [("A", frozenset({"xx"}))] * 6 + [("B", frozenset({"yy"}))] * 4 + [("B", frozenset({"xx"}))]
        model = model_of(examples).sharpened(10_000)  # plain naive Bayes
        a = log(6 / 11) + log(6.5 / 7)
        b = log(5 / 11) + log(1.5 / 6)
        judged = model.judge({"xx"})
        assert [item.category for item in judged] == ["A", "B"]
        assert log(judged[0].probability / judged[1].probability) == pytest.approx(a - b)
        (witness,) = model.witnesses("A", {"xx"}, 5)
        assert (witness.here, witness.elsewhere) == (6, 1)
        assert witness.weight == pytest.approx(log(6.5 / 7) - log(1.5 / 6))

    def test_many_words_are_no_certainty(self) -> None:
        """The words together weigh what `sharpness / sqrt(n)` says, so a long text is not a thousand witnesses."""
        model, words = model_of(corpus()), set(SAID["DEL"][0].split())
        plain, known = model.evidence_sums(words)
        judged = {item.category: item.probability for item in model.judge(words)}
        gap = (plain[model.categories.index("DEL")] - plain[model.categories.index("BIL")]) / sqrt(known)
        assert log(judged["DEL"] / judged["BIL"]) == pytest.approx(gap)  # equally frequent

    def test_probabilities_are_shares(self) -> None:
        model = model_of(corpus())
        for words in (set(), {"parcel"}, {"never", "seen"}, set(SAID["DEL"][0].split())):
            judged = model.judge(words)
            assert sum(item.probability for item in judged) == pytest.approx(1)
            shares = [item.probability for item in judged]
            assert shares == sorted(shares, reverse=True)

    def test_an_unknown_text_says_what_is_frequent_and_gives_no_evidence(self) -> None:
        model = model_of([*corpus(10), *[("BIL", frozenset({"fee"}))] * 10])
        assert model.judge({"zzz"})[0].category == "BIL"
        assert model.witnesses("BIL", {"zzz"}, 5) == []

    @pytest.mark.parametrize("number", range(2, 12))
    def test_it_learns_in_both_languages(self, number: int) -> None:
        model = model_of(corpus())
        for category in SAID:
            words = features.words_of(text(category, number + 100))
            best = model.judge(words)[0]
            assert best.category == category
            witnesses = model.witnesses(category, words, 5)
            assert {one.word for one in witnesses} <= words
            assert all(one.weight > 0 for one in witnesses)
            assert [one.weight for one in witnesses] == sorted((one.weight for one in witnesses), reverse=True)

    def test_what_is_typical(self) -> None:
        typical = model_of(corpus()).typical(4)
        assert typical.keys() == SAID.keys()
        for category, words in typical.items():
            assert set(words) <= features.words_of(" ".join(SAID[category]))


class TestWhatIsKept:
    def test_nothing_of_fewer_than_three_complaints(self) -> None:
        examples = corpus(10)
        for place in (0, 1):
            examples[place] = (examples[place][0], examples[place][1] | {"schmidtmann"})
        model = model_of(examples)
        assert "schmidtmann" not in model.words
        assert min(sum(found.values()) for found in model.words.values()) >= classifier.LEAST_COMPLAINTS
        examples[2] = (examples[2][0], examples[2][1] | {"schmidtmann"})
        assert "schmidtmann" in model_of(examples).words

    def test_a_word_of_categories_with_too_few_examples(self) -> None:
        """In four complaints, of which two are of categories that are not learned: it is in too few that are."""
        rare = [("COM", frozenset({"hotline"}))] * 2
        model = model_of([*corpus(10), *rare, *[("DEL", frozenset({"hotline"}))] * 2])
        assert "COM" not in model.categories
        assert "hotline" not in model.words

    def test_no_numbers_no_fillers_no_single_characters(self) -> None:
        said = "Order 4711 of 2026-03-01, card XXXX XXXX, ref AB12cd; a I 我 ٣٤٥ ④ ok 第三方"
        assert features.words_of(said) == {"order", "of", "card", "ref", "ok", "第三", "三方"}

    def test_the_people_on_it_are_left_out(self) -> None:
        words = features.words_of("Li Wei of Acme Ltd wrote from li.wei@acme.example about a parcel, 王小明")
        left = features.without(words, ["Li Wei", "li.wei@acme.example", None, "王小明"])
        assert left == {"of", "ltd", "wrote", "from", "about", "parcel"}

    def test_too_few_examples_of_a_category(self) -> None:
        model = model_of([*corpus(5), *[("COM", frozenset({"hotline"}))] * 4])
        assert model.categories == ("BIL", "DEL", "PRV")

    def test_one_category_alone_is_nothing_to_tell_apart(self) -> None:
        assert learned(counted([("DEL", frozenset({"parcel"}))] * 100)) is None
        assert learned(Counts()) is None

    def test_complaints_without_a_common_word_are_nothing_to_learn_from(self) -> None:
        numbers = [
            ("DEL" if number % 2 else "BIL", features.words_of(f"{number} {number * 7}")) for number in range(60)
        ]
        assert learned(counted(numbers)) is None
        alone = [(category, frozenset({f"word{chr(97 + place)}"})) for place, (category, _) in enumerate(numbers[:26])]
        assert learned(counted(alone)) is None

    def test_the_vocabulary_is_capped_by_what_tells(self, monkeypatch: pytest.MonkeyPatch) -> None:
        counts = counted(corpus())
        monkeypatch.setattr(classifier, "MOST_WORDS", 10)
        model = learned(counts)
        assert model is not None
        assert len(model.words) == 10
        fillers = features.words_of(" ".join([SAID["DEL"][1], *SAID["DEL"], *SAID["BIL"], *SAID["PRV"]]))
        assert set(model.words) <= fillers
        assert information(counts, "parcel") > information(counts, "the")

    def test_memory_is_bounded(self) -> None:
        chance = random.Random(1)
        counts = Counts(most=500)
        for number in range(2_000):
            rare = {f"w{chance.randrange(10**9)}x" for _ in range(20)}
            counts.add("DEL" if number % 2 else "BIL", {"parcel" if number % 2 else "fee", "often", *rare})
            assert len(counts.words) <= 500 + 22
        assert (counts.words["often"], counts.of("parcel", "DEL"), counts.of("fee", "BIL")) == (2_000, 1_000, 1_000)
        assert all(set(found) <= set(counts.words) for found in counts.by_category.values())


class TestBytes:
    def test_the_same_complaints_in_any_order_give_the_same_bytes(self) -> None:
        examples = corpus()
        wanted = model_of(examples).content
        for seed in range(3):
            random.Random(seed).shuffle(examples)
            assert model_of(examples).content == wanted

    def test_they_come_back_as_they_were(self) -> None:
        model = model_of(corpus()).sharpened(150)
        assert unpacked(*packed(model.content)) == model

    @settings(max_examples=60)
    @given(st.data())
    def test_changed_ones_are_not_believed(self, data: st.DataObject) -> None:
        packet, checksum = packed(model_of(corpus(5)).content)
        place = data.draw(st.integers(0, len(packet) - 1))
        changed = bytearray(packet)
        changed[place] ^= data.draw(st.integers(1, 255))
        if place == 1:
            return  # zlib's own hint of how hard it tried
        with pytest.raises(Damaged):
            unpacked(bytes(changed), checksum)

    @pytest.mark.parametrize("cut", [0, 1, 100])
    def test_nor_are_cut_ones(self, cut: int) -> None:
        packet, checksum = packed(model_of(corpus(5)).content)
        with pytest.raises(Damaged):
            unpacked(packet[:cut], checksum)

    def test_another_format_is_refused(self) -> None:
        content = model_of(corpus(5)).content.replace(b'"format":1', b'"format":9')
        with pytest.raises(Damaged, match="format 9"):
            unpacked(*packed(content))


class TestFigures:
    def test_by_hand(self) -> None:
        model = model_of(corpus(10))
        held = [
            HeldOut(0, "DEL", frozenset({"parcel"}), "DEL"),
            HeldOut(0, "DEL", frozenset({"parcel"}), None),
            HeldOut(1, "BIL", frozenset({"parcel"}), "BIL"),
            HeldOut(1, "COM", frozenset({"fee"}), "BIL"),  # not learned: always wrong
        ]
        found = evaluate([trial(model, held[:2]), trial(model, held[2:])], 100)
        assert (found.count, found.right, found.by_rules) == (4, 2, 2)
        assert found.baseline == 1  # all are equally frequent, and BIL is the first
        assert found.among == 3
        assert found.per_category == {"BIL": (1, 0, 1), "COM": (1, 0, 0), "DEL": (2, 2, 3)}
        assert found.confused == [("BIL", "DEL", 1), ("COM", "BIL", 1)]
        assert found.macro_f1 == pytest.approx((0 + 0 + 4 / 5) / 3)

    def test_of_none_there_are_none(self) -> None:
        told = evaluate([trial(model_of(corpus(10)), [])], 100).as_data()
        assert (told["accuracy"], told["accuracy_low"], told["baseline"], told["macro_f1"]) == (None, None, None, None)

    @pytest.mark.parametrize(
        ("right", "count", "low", "high"),
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_wilson(self, right: int, count: int, low: float, high: float) -> None:
        """Against Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3."""
        assert interval(right, count) == (low, high)

    def test_the_parts_are_alike_and_always_the_same(self) -> None:
        ids = [UUID(int=number) for number in range(2_000)]
        dealt = [fold_of(one) for one in ids]
        assert dealt == [fold_of(one) for one in ids]
        assert all(330 < dealt.count(fold) < 470 for fold in range(evaluation.FOLDS))

    def test_nobody_is_tried_by_a_model_that_knows_them(self) -> None:
        """The words of each part are of that part alone: who has not learned from it can only guess."""
        tried = [
            HeldOut(fold, category, frozenset({f"{category}{'vwxyz'[fold]}", "both"}), None)
            for fold in range(evaluation.FOLDS)
            for category in ("DEL", "BIL")
            for _ in range(10)
        ]
        made = Lesson({}, tried=tried).learn()
        assert made is not None
        assert (made.figures.count, made.figures.right, made.figures.baseline) == (100, 50, 50)
        assert all(made.model.judge(one.words)[0].category == one.category for one in tried)  # as if it had peeped
        assert made.examples == {"DEL": 50, "BIL": 50}

    def test_only_the_newest_are_tried_and_all_are_learned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evaluation, "MOST", 10)
        lesson = Lesson({"DEL": Labels({}), "BIL": Labels({})})
        for number in range(60):
            category = "DEL" if number % 2 else "BIL"
            lesson.add([Example(UUID(int=number), None, SAID[category][0], category, ())])
        assert (lesson.size, len(lesson.tried)) == (60, 10)
        made = lesson.learn()
        assert made is not None
        assert (made.size, made.figures.count, made.figures.right) == (60, 10, 10)

    def test_the_sharpness_is_the_one_that_fits(self) -> None:
        """Held-out complaints that say what was learned ask for a sharp one, those with random words for a blunt one."""
        examples, chance = corpus(60), random.Random(3)
        model = model_of(examples)
        clear = list(starmap(lambda category, words: HeldOut(0, category, words, None), corpus(40)))
        noise = [HeldOut(0, chance.choice(list(SAID)), one.words, None) for one in clear]
        assert sharpest([trial(model, clear)]) == 300  # the first of those at which seven words count in full
        assert sharpest([trial(model, noise)]) == evaluation.GRID[0]
        assert sharpest([trial(model, clear[:10])]) == classifier.SHARPNESS  # too few to tell
