"""Formal languages: membership against brute force on plain Python strings, and training data."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from rnn2vec import FormalLanguage, RNN2VecError
from rnn2vec.tasks.formal_language import BOS, EOS, all_languages, to_text

LENGTH, MAX_N = 42, 10
TOKENS = "abcd<>"
"""Tokens as characters: BOS is ``<``, EOS is ``>``."""


def as_tokens(texts: list[str]) -> np.ndarray:
    """Windows written as text to ``[K, length]`` tokens."""
    return np.array([[TOKENS.index(character) for character in text] for text in texts])


def written(shifts: tuple[int, int, int], n: int, length: int = LENGTH) -> str:
    """The window that shows the string of a given n, cut off where it ends."""
    mb, mc, md = shifts
    return ("<" + "a" * n + "b" * (n + mb) + "c" * (n + mc) + "d" * (n + md)).ljust(length, ">")[:length]


def member_windows(shifts: tuple[int, int, int], length: int = LENGTH, max_n: int = MAX_N) -> set[str]:
    """Every window that a language accepts: whole strings of any n, and the beginnings of long training strings."""
    members = set()
    for n in range(2 * length):
        whole = 1 + 4 * n + sum(shifts) <= length
        if n + min(0, *shifts) >= 0 and (whole or n < max_n):
            members.add(written(shifts, n, length))
    return members


MEMBERS = {shifts: member_windows(shifts) for shifts in itertools.product(range(-3, 3), repeat=3)}
EVERY_MEMBER = sorted(set().union(*MEMBERS.values()))


def corrupted(text: str, draw: random.Random, count: int) -> list[str]:
    """Copies with one token changed, most often near the end of the string, where mistakes are least obvious."""
    copies = []
    for _ in range(count):
        end = text.find(">") if ">" in text else len(text)
        place = draw.choice([draw.randrange(len(text)), min(end, len(text) - 1), max(0, end - 1)])
        other = draw.choice([token for token in TOKENS if token != text[place]])
        copies.append(text[:place] + other + text[place + 1 :])
    return copies


@pytest.mark.parametrize("mb", range(-3, 3))
def test_accepts_the_members_and_nothing_else(mb: int) -> None:
    draw = random.Random(mb)
    random_windows = ["<" + "".join(draw.choices(TOKENS, k=LENGTH - 1)) for _ in range(50)]
    for shifts in ((mb, mc, md) for mc in range(-3, 3) for md in range(-3, 3)):
        members = MEMBERS[shifts]
        windows = EVERY_MEMBER + random_windows
        for text in sorted(members):
            windows = windows + corrupted(text, draw, 30)
        expected = np.array([text in members for text in windows])
        language = FormalLanguage(*shifts)
        np.testing.assert_array_equal(language.accept(as_tokens(windows)), expected, err_msg=str(language))
        assert expected.sum() >= len(members) >= 7


@pytest.mark.parametrize("length", [3, 4, 5, 6, 7])
def test_accepts_exactly_the_members_among_all_short_windows(length: int) -> None:
    """All windows up to six tokens, and those of seven whose last is EOS."""
    texts = ["<" + "".join(rest) for rest in itertools.product(TOKENS, repeat=min(length - 1, 5))]
    texts = [text.ljust(length, ">") for text in texts]
    for shifts in itertools.product((-1, 0, 1), repeat=3):
        if 4 * max(0, -min(shifts)) + sum(shifts) + 2 > length:
            continue
        members = member_windows(shifts, length, 4)
        found = FormalLanguage(*shifts, length, 4).accept(as_tokens(texts))
        assert {text for text, accepted in zip(texts, found, strict=True) if accepted} == members & set(texts)


@pytest.mark.parametrize("language", all_languages(20, 5, (-1, 0, 1, 2)), ids=str)
def test_small_windows_of_the_demo(language: FormalLanguage) -> None:
    members = member_windows(language.shifts, 20, 5)
    candidates = sorted(set().union(*(member_windows(s, 20, 7) for s in itertools.product(range(-1, 3), repeat=3))))
    expected = [text in members for text in candidates]
    np.testing.assert_array_equal(language.accept(as_tokens(candidates)), expected)


def test_a_window_cut_off_is_accepted_if_it_begins_like_a_training_string() -> None:
    language = FormalLanguage(2, 2, 2)
    cut, too_long = written((2, 2, 2), 9), written((2, 2, 2), 10)
    assert cut.count("d") == 10  # n = 9 does not fit: it has eleven
    assert language.accept(as_tokens([cut, too_long])).tolist() == [True, False]
    ends_early = cut[:-1] + ">"
    assert not language.accept(as_tokens([ends_early]))[0]  # nine d, and it claims to be done


def test_a_string_that_just_fills_the_window_is_whole() -> None:
    language = FormalLanguage(1, 0, 0)
    exact = written((1, 0, 0), 10)  # 41 letters after BOS, n beyond training
    assert exact.count("d") == 10
    assert exact[-1] == "d"
    assert language.accept(as_tokens([exact])).all()


@pytest.mark.parametrize("junk", ["a", "d", "<", "abcd", ">a"])
def test_nothing_but_eos_may_follow_eos(junk: str) -> None:
    language = FormalLanguage(0, 0, 0)
    good = "<aabbccdd>"
    assert language.accept(as_tokens([good.ljust(LENGTH, ">")])).all()
    bad = [(good + junk).ljust(LENGTH, ">"), good.ljust(LENGTH - len(junk), ">") + junk]
    assert not language.accept(as_tokens(bad)).any()


def test_bos_comes_first_and_once() -> None:
    language = FormalLanguage(0, 0, 0)
    good = written((0, 0, 0), 3)
    assert not language.accept(as_tokens(["a" + good[1:], ">" + good[1:], good[1:] + ">", "<" + good[:-1]])).any()


def test_accept_keeps_leading_axes_and_takes_any_integers() -> None:
    language = FormalLanguage(-2, 1, 0)
    texts = [written((-2, 1, 0), n) for n in (2, 5, 9)] + [written((0, 0, 0), n) for n in (2, 5, 9)]
    windows = as_tokens(texts).reshape(2, 3, LENGTH)
    for dtype in (np.int8, np.uint8, np.int64):
        assert language.accept(windows.astype(dtype)).tolist() == [[True] * 3, [False] * 3]
    assert bool(language.accept(windows[0, 0])) is True


@pytest.mark.parametrize("length", [LENGTH - 1, LENGTH + 1])
def test_windows_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(RNN2VecError, match=rf"windows have 42 tokens; got an array of shape \[3, {length}\]"):
        FormalLanguage(0, 0, 0).accept(np.full((3, length), EOS))


@pytest.mark.parametrize("language", all_languages(), ids=str)
def test_training_strings(language: FormalLanguage) -> None:
    numbers = range(max(0, -min(language.shifts)), MAX_N)
    expected = [written(language.shifts, n) for n in numbers]
    np.testing.assert_array_equal(language.training_strings, as_tokens(expected))
    assert language.accept(language.training_strings).all()


def test_all_languages_are_the_papers() -> None:
    languages = all_languages()
    assert [language.shifts for language in languages] == list(itertools.product(range(-3, 3), repeat=3))
    assert {(language.length, language.max_n) for language in languages} == {(42, 10)}
    assert languages[0].parameters == {"mb": -3, "mc": -3, "md": -3}


def test_sample_draws_training_strings_and_shifts_the_targets() -> None:
    language = FormalLanguage(-2, 0, 1)
    inputs, targets = language.sample(4000, np.random.default_rng(0))
    assert inputs.shape == targets.shape == (4000, LENGTH - 1)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert (inputs[:, 0] == BOS).all()
    windows = np.concatenate([inputs, targets[:, -1:]], axis=1)
    drawn, counts = np.unique((windows == 0).sum(1), return_counts=True)
    assert drawn.tolist() == list(range(2, 10))
    assert np.abs(counts - 500).max() < 4.5 * (500 * 7 / 8) ** 0.5  # uniform in n
    assert language.accept(windows).all()


def test_sample_depends_on_the_generator_alone() -> None:
    language = FormalLanguage(0, 0, 0)
    first, again, other = (language.sample(20, np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sampled_batches_are_copies() -> None:
    language = FormalLanguage(0, 0, 0)
    inputs, _ = language.sample(5, np.random.default_rng(0))
    inputs[:] = -1
    assert language.accept(language.training_strings).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 2, 2, 7), "8 tokens for .*; got a length of 7"),
        ((-3, 0, 0, 10), "11 tokens"),
        ((-3, 0, 0, 42, 3), "from n = 3 on; max_n must be larger, got 3"),
        ((0, 0, 0, 42, 0), "from n = 0 on"),
        ((0.5, 0, 0), r"mb is a whole number; got 0.5"),
        ((0, float("nan"), 0), "mc is a whole number"),
        ((0, 0, "1"), r"md is a whole number; got '1'"),
    ],
)
def test_a_language_without_strings_is_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(RNN2VecError, match=message):
        FormalLanguage(*arguments)


def test_the_shortest_window_is_enough() -> None:
    assert FormalLanguage(2, 2, 2, 8, 1).training_strings.tolist() == [[BOS, 1, 1, 2, 2, 3, 3, EOS]]
    assert FormalLanguage(-3, 0, 0, 11, 4).training_strings.tolist() == [[BOS, 0, 0, 0, 2, 2, 2, 3, 3, 3, EOS]]


def test_text() -> None:
    assert str(FormalLanguage(-1, 0, 2)) == "a^n b^(n-1) c^n d^(n+2)"
    assert to_text(FormalLanguage(-1, 0, 2).string(2)) == "aabccdddd"
    assert to_text(as_tokens(["<ab<c>d"])[0]) == "ab<c"
    assert to_text(as_tokens(["<abc"])[0]) == "abc"
