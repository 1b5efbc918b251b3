"""The scheduled jobs: each target of the harness is run by one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fuzz.targets import NAMES

WORKFLOW = Path(__file__).resolve().parents[2] / ".github" / "workflows" / "fuzz.yml"


@pytest.mark.skipif(not WORKFLOW.exists(), reason="an sdist has no workflows")
def test_every_target_is_fuzzed_by_a_scheduled_job() -> None:
    text = WORKFLOW.read_text("utf-8")
    listed = re.search(r"target: \[([^\]]*)\]", text)
    assert listed is not None
    here = {name.strip() for name in listed[1].split(",")} | set(re.findall(r"--target (\w+)", text))
    assert here == set(NAMES)
