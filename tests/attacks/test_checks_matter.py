"""The list of security checks is held to the sources, to the tests that miss them, and to its page.

What happens when a check is taken out is tried by `checks.py`, which runs for minutes.
"""

from __future__ import annotations

import pytest
from attacks.checks import HERE, PAGE, ROOT, Check, checks, page

CHECKS = checks()


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_the_check_is_there(check: Check) -> None:
    """A check that was moved or rewritten is looked for anew: take it out and see which test misses it."""
    source = (ROOT / "safepickle" / check.file).read_text("utf-8")
    assert check.code in source
    assert check.code != check.instead
    # A source that is none any more would be missed by every test, and tell nothing.
    compile(source.replace(check.code, check.instead), check.file, "exec")
    file, _, test = check.test.partition("::")
    assert f"def {test.partition('[')[0]}(" in (HERE / file).read_text("utf-8")


def test_the_page_is_made_from_the_list() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python tests/attacks/checks.py --page"
