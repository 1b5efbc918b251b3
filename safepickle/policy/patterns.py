r"""Patterns for text in policies: a subset of regular expressions that cannot be made to run for ever.

Rules that hold here:

* A pattern is matched against the whole text, never searched for in it, and text of more than ``MAX_TEXT``
  characters is refused before it is looked at.
* The subset: literals, ``.``, classes ``[...]``, ``\d \w \s`` and the like (ASCII), ``(?:...)``, ``|``, and the
  quantifiers ``? * + {m,n}``. In a group that is repeated stands no ``|`` and no quantifier but ``{n}``; no
  look-around, no back-references, no captures, no flags. That leaves the repetitions that follow each other, and their
  choices multiply: the product is at most ``MAX_CHOICES``, so that the worst text takes tens of milliseconds.
* What is refused is refused when the policy is read, with the reason.
"""

from __future__ import annotations

import re

__all__ = ["MAX_CHOICES", "MAX_PATTERN", "MAX_TEXT", "compile_pattern"]

#: Longest pattern, in characters.
MAX_PATTERN = 200
#: Longest text that a pattern is matched against.
MAX_TEXT = 256
#: Most ways to match that a pattern may offer: three open repetitions one after the other, a little over.
MAX_CHOICES = 20_000_000

_CLASS = r"\[\^?\]?(?:\\.|[^\]\\])*\]"
#: As text: compiled when the first pattern of a policy is read.
_TOKEN = (
    rf"(?P<open>\(\?:)|(?P<close>\))|(?P<choice>\|)|(?P<repeat>[*+?]|\{{[0-9]{{1,4}}(?:,[0-9]{{0,4}})?\}})"
    rf"|(?P<atom>{_CLASS}|\\[dDwWsS]|\\[^A-Za-z0-9\n]|[^\\\[\](){{}}|*+?^$])"
)


def compile_pattern(pattern: str, longest: int | None = None) -> re.Pattern[str]:
    """Return the compiled pattern; use its ``fullmatch``.

    :param longest: longest text that will be matched, if the policy says so.
    :raises ValueError: if the pattern is not one of the subset.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of more than {MAX_PATTERN} characters")
    _Reader(pattern, min(MAX_TEXT, MAX_TEXT if longest is None else longest)).read()
    try:
        return re.compile(pattern, re.ASCII | re.DOTALL)
    except (re.error, OverflowError) as error:
        raise ValueError(f"not a pattern: {str(error)[:80]}") from None


class _Group:
    """What is known of a group that is open: whether it may be repeated, and whether it just was given an atom."""

    def __init__(self) -> None:
        self.has_choice = False
        self.has_repeat = False


class _Reader:
    """Goes over a pattern once and counts the choices that it offers."""

    def __init__(self, pattern: str, longest: int) -> None:
        self.pattern = pattern
        self.longest = longest
        self.choices = 1

    def read(self) -> None:
        """Raise ValueError for what is not in the subset."""
        groups = [_Group()]
        closed: _Group | None = None
        repeatable = False
        position = 0
        pieces = re.compile(_TOKEN)
        while position < len(self.pattern):
            token = pieces.match(self.pattern, position)
            if token is None:
                raise ValueError(
                    f"{self.pattern[position : position + 3]!a} is outside the subset of patterns: literals, "
                    "classes in brackets, (?:...), | and the quantifiers ? * + {m,n}; the whole text is matched, "
                    "without ^ and $"
                )
            position = token.end()
            kind = token.lastgroup
            if kind == "open":
                groups.append(_Group())
                repeatable = False
            elif kind == "close":
                if len(groups) == 1:
                    raise ValueError("a closing parenthesis too many")
                closed = groups.pop()
                groups[-1].has_choice |= closed.has_choice
                groups[-1].has_repeat |= closed.has_repeat
                repeatable = True
            elif kind == "choice":
                groups[-1].has_choice = True
                self._multiply(2)
                repeatable = False
            elif kind == "atom":
                closed = None
                repeatable = True
            else:
                if not repeatable:
                    raise ValueError("a quantifier with nothing before it, or after another quantifier")
                if token[0] != "?" and closed is not None and (closed.has_repeat or closed.has_choice):
                    raise ValueError("a repeated group with a quantifier or | inside can take for ever")
                width = self._width(token[0])
                groups[-1].has_repeat |= width > 1
                self._multiply(width)
                repeatable = False
        if len(groups) > 1:
            raise ValueError("a parenthesis that is not closed")

    def _width(self, quantifier: str) -> int:
        """Return how many counts a quantifier may choose from."""
        if quantifier == "?":
            return 2
        if quantifier in "*+":
            return self.longest + 1
        low, comma, high = quantifier[1:-1].partition(",")
        if not comma:
            return 1
        return max(1, min(int(high) if high else self.longest, self.longest) - int(low) + 1)

    def _multiply(self, factor: int) -> None:
        self.choices *= factor
        if self.choices > MAX_CHOICES:
            raise ValueError(
                "too many ways to match: use fewer open repetitions (three are fine), bounds such as {1,20}, or "
                "a max_length"
            )
