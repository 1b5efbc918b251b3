"""A pack of an installed package is read when it is named and from its own folder, and no code of the package runs.

The input is a series of choices: distributions beside each other, what they offer under which names, and which of the
files are there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from fuzz import scratch, terms
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, failure
from safepickle.errors import PolicyFileError
from safepickle.policy import packs
from safepickle.policy.offered import GROUP
from safepickle.policy.rules import Policy
from safepickle.policy.sources import read_source

INPUT = "choices"
#: Everything that reading a file imports late has been imported by then.
BEFORE = terms.FORMS

_FOLDER = scratch.folder("offered")
_NAMES = ("acme", "other", "stdlib")
#: What an entry point says, where that is, and whether it is a file that can be a pack's.
_OFFERS: tuple[tuple[str, str, bool], ...] = (
    ("acme_pack.policies:one.toml", "acme_pack/policies/one.toml", True),
    ("acme_pack:one.toml", "acme_pack/one.toml", True),
    ("acme_pack.policies:policy", "acme_pack/policies/policy", False), ("acme_pack", "acme_pack/x.toml", False),
)  # fmt: skip
_FILES: tuple[tuple[str, bool], ...] = (
    ('schema = 1\nname = "offered"\n[globals]\n"acme:Thing" = ["new"]\n', True), ("schema = 2\n", False),
    ('schema = 1\nextends = ["nothing"]\n', False),
)  # fmt: skip
#: Code of the package, which is never to run.
_LANDMINE = "import fuzz.landmine\n"
_count = [0]
# The finders import what they read metadata with when they first do.
_ = [(one.name, one.entry_points) for one in list(distributions())[:1]]


def _distribution(place: Path, number: int, offers: list[tuple[str, str]]) -> None:
    info = place / f"dist{number}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist{number}\nVersion: 1\n", "ascii")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in offers)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "ascii")


def check(data: bytes) -> Any:
    """Install, name and read."""
    draw = ByteChoices(data)
    # A folder of its own each time: the finders keep what they saw of one.
    _count[0] += 1
    root = _FOLDER / str(_count[0])
    offers = [_offered(draw, root / f"site{number}", number) for number in range(draw.below(3))]
    name = draw.pick(_NAMES)
    path = [str(root / f"site{number}") for number in range(len(offers))]
    before = list(sys.path)
    # Nothing else is installed: the finders read all of it for each name.
    sys.path[:] = [*path, *(entry for entry in before if "site-packages" not in entry)]
    known = dict(packs._CACHE)
    try:
        return _named(name, [row for rows in offers for row in rows if row[0] == name])
    finally:
        sys.path[:] = before
        packs._CACHE.clear()
        packs._CACHE.update(known)


def _offered(draw: Choices, place: Path, number: int) -> list[tuple[str, str, bool, str]]:
    rows: list[tuple[str, str, str]] = []
    # Two offers may be of one file: what was written last is there.
    valid_files: dict[str, bool] = {}
    for name in {draw.pick(_NAMES): None for _ in range(draw.below(3))}:
        value, file, fine = draw.pick(_OFFERS)
        content, valid = draw.pick(_FILES)
        target = place / file
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in (place / "acme_pack", target.parent):
            (folder / "__init__.py").write_text(_LANDMINE, "ascii")
        there = draw.below(4) > 0
        if there:
            target.write_text(content, "ascii")
            valid_files[file] = valid and "extends" not in content
        rows.append((name, value, file if fine else ""))
    _distribution(place, number, [(name, value) for name, value, _ in rows])
    return [(name, value, valid_files.get(file, False), f"dist{number}") for name, value, file in rows]


def _named(name: str, rows: list[tuple[str, str, bool, str]]) -> Any:
    if name == "stdlib":
        if Policy.packs("stdlib").lookup("acme", "Thing") is not None:
            raise Finding("a package's pack takes the place of one that is shipped")
        if read_source("stdlib").policy != Policy.packs("stdlib"):
            raise Finding("a pack's source is of another policy")
        return "shipped"
    fine = len({(value, dist) for _, value, _, dist in rows}) == 1 and rows[0][2]
    ways: tuple[Callable[[], Policy], ...] = (lambda: Policy.packs(name), lambda: read_source(name).policy)
    for attempt in ways:
        packs._CACHE.pop(name, None)
        try:
            policy = attempt()
        except PolicyFileError as error:
            failure(error)
            if fine:
                raise Finding("a pack that is offered is not read", str(error)) from error
            continue
        if not fine:
            raise Finding("a pack that is not offered, or not there, or twice, is read", str(rows))
        if policy.lookup("acme", "Thing") is None:
            raise Finding("another file than the one that is offered is read")
    if any(module.startswith("acme_pack") for module in sys.modules) or "fuzz.landmine" in sys.modules:
        raise Finding("code of a package runs because its pack is named")
    return "read" if fine else "refused", len(rows)
