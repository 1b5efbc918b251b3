"""Patterns: what the subset takes, what it refuses, and that no text makes one run for long."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.policy.patterns import MAX_PATTERN, MAX_TEXT, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("[a-z]+", "abc", "abC"),
        ("a|b", "b", "ab"),
        ("(?:ab){2,3}", "abab", "ab"),
        (r"\d{4}-\d{2}", "2024-05", "2024-5"),
        (r"\d", "1", "\N{ARABIC-INDIC DIGIT ONE}"),
        ("[a-z]+(?:-[0-9]{2})?", "x-12", "x-1"),
        ("[a-z]+(?:-[a-z]+)?", "x-y", "x-"),
        (r"\.\[[\]x]", ".[x", ".[y"),
        ("[^]]", "a", "]"),
        (".*", "a\nb", None),
        ("", "", "a"),
        ("a", "a", "a\n"),
        (r"[\w.+-]+@[\w-]+\.[\w.]+", "me@example.org", "me"),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, yes: str, no: str | None) -> None:
    match = compile_pattern(pattern).fullmatch
    assert match(yes)
    assert no is None or not match(no)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(?:a+)+", "(?:a|a)*", "(?:a?)*", "(?:(?:ab?))+", "(?:a*){3}", "(?:a{1,2}){1,9}", "a**", "a+?", "a++",
        "^a", "a$", r"\1", r"(a)\1", "(?=a)", "(?<!a)", "(?P<n>a)", "(?i)a", "(?>a)", r"\b", r"\Z", r"\u0041",
        "(?:a", "a)", "*", "|*", "a{3,2}", "a{99999}", "a{1,2}{3}", "[z-a]", "[a", "a" * (MAX_PATTERN + 1),
        "a*a*a*a*", "a?" * 25, "(?:a|b)" * 25,
    ],
)  # fmt: skip
def test_what_is_outside_the_subset_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_pattern(pattern)


def test_a_shorter_text_leaves_room_for_more_repetitions() -> None:
    assert compile_pattern("a*a*a*a*", 50)
    with pytest.raises(ValueError, match="max_length"):
        compile_pattern("a*a*a*a*", 100)


PARTS = ["a", "ab", ".", "[ab]", "a*", "[ab]+", "a?", "(?:ab)*", "(?:a|b)", "b{1,3}", r"\w", "(?:a*)*", "(?:a|a)*"]


@given(st.lists(st.sampled_from(PARTS), max_size=6))
def test_no_text_takes_long(parts: list[str]) -> None:
    """The worst texts are the long ones that nearly match: with a nested repetition let in this would never end."""
    try:
        match = compile_pattern("".join(parts) + "c").fullmatch
    except ValueError:
        return
    for text in ("a" * MAX_TEXT, "ab" * (MAX_TEXT // 2)):
        assert match(text) is None


@given(st.lists(st.sampled_from(["a", "b", "[ab]", "a*", "b+", "a?", "(?:ab){0,2}", "(?:a|bb)"]), max_size=4))
def test_the_subset_means_what_re_means(parts: list[str]) -> None:
    try:
        match = compile_pattern("".join(parts)).fullmatch
    except ValueError:
        return
    for length in range(4):
        for letters in itertools.product("ab", repeat=length):
            text = "".join(letters)
            assert bool(match(text)) == bool(re.fullmatch("".join(parts), text))
