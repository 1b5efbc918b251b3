"""Chooses what the corpus is made of: seeds gathered from the tests, and the few inputs that differ in what they reach.

Rules that hold here:

* An input is kept if, small ones first, it reaches a line or a branch of the package that no smaller one has reached,
  or some target sees a kind of outcome in it that no smaller one has shown.
* Seeds come from the project's tests: attacks, differentials, vectors of other picklers, real files. Those are loaded
  as data; only the modules that build them are run.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz import ROOT, corpus
from fuzz.marking import Marks, mark

if TYPE_CHECKING:
    from fuzz.targets import Target

#: Entries longer than this are kept only if no shorter one shows the same; none is longer than `LONGEST`.
LONGEST = 40_000
#: Targets whose outcomes tell nothing new about an input, or that take long.
_MUTE = frozenset({"costs", "leaks", "forms"})


def minimise_corpus(*, extra: Path, progress: bool) -> list[dict[str, Any]]:
    """Choose anew from the corpus of the repository and another one; return what came of each kind.

    The package must not have been imported: what is run is marked.
    """
    marks = mark()
    from fuzz.targets import NAMES, load_target

    rows = []
    for kind in corpus.KINDS:
        targets = [load_target(name) for name in NAMES if name not in _MUTE]
        targets = [target for target in targets if target.input == kind]
        known = corpus.read(kind)
        candidates = sorted({*known, *corpus.read(kind, extra)}, key=lambda data: (len(data), data))
        if not targets or not candidates:
            continue
        causes: Counter[str] = Counter()
        short = [data for data in candidates if len(data) <= LONGEST]
        kept = list(_chosen(targets, short, causes, marks, progress=progress))
        for data in kept:
            corpus.add(kind, data)
        corpus.keep_only(kind, kept)
        rows.append({"kind": kind, "before": len(candidates), "after": len(kept), "bytes": sum(map(len, kept))})
        rows[-1]["left_out"] = sum(causes.values())
        for cause, count in causes.most_common():
            sys.stderr.write(f"left out, a finding: {count} of {cause}\n")
    return rows


def _chosen(
    targets: list[Target], candidates: list[bytes], causes: Counter[str], marks: Marks, *, progress: bool
) -> Iterator[bytes]:
    from fuzz.findings import attempt

    seen: set[Hashable] = set()
    for number, data in enumerate(candidates):
        if progress and number % 50 == 0:
            sys.stderr.write(f"\r{number:,} of {len(candidates):,}")
        fresh = False
        for target in targets:
            kind, found = attempt(target, data, seconds=0)
            if found is not None:
                # A corpus passes its own replay; what is found goes through `run`.
                causes[f"{target.name}: {found.cause}"] += 1
                fresh = False
                marks.new()
                break
            for part in _parts(kind):
                if (target.name, part) not in seen:
                    seen.add((target.name, part))
                    fresh = True
        if marks.new() or fresh:
            yield data
    if progress:
        sys.stderr.write("\r\x1b[2K")


def _parts(kind: Any) -> Iterator[Hashable]:
    """Give the outcomes of one input one by one: their combinations are too many."""
    if isinstance(kind, tuple) and kind and all(isinstance(part, tuple) for part in kind):
        yield from enumerate(kind)
    else:
        yield kind


# -- seeds ---------------------------------------------------------------------------------------------------------


def gather(into: Path) -> list[dict[str, Any]]:
    """Add the seeds to a corpus; return how many there are of each source."""
    # Not before: `minimise` has to mark the package before anything imports it.
    from fuzz import seeds

    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    rows = []
    for source, kind, inputs in (
        ("tests/attacks", "stream", _attacks()),
        ("tests/vectors", "stream", _vectors()),
        ("tests/inspection", "stream", _inspected()),
        ("fuzz/idioms", "stream", _idioms()),
        ("policies", "text", _policies()),
        ("fuzz/seeds", "stream", iter(seeds.streams())),
        ("fuzz/seeds", "text", iter(seeds.texts())),
        ("choices", "choices", _choices()),
    ):
        found = {data for data in inputs if len(data) <= LONGEST}
        rows.append(
            {"source": source, "inputs": len(found), "new": sum(corpus.add(kind, data, into) for data in found)}
        )
    return rows


def _attacks() -> Iterator[bytes]:
    from attacks import streams, streams_objects, test_app, test_differentials

    for attack in (*streams.ATTACKS, *streams_objects.MORE_ATTACKS):
        yield attack.data.replace(b"attacks.canary", b"fuzz.samples")
        yield attack.data
    for answer in test_differentials.ANSWERS:
        yield answer.data
    for row in (*test_app.RIGHTS, *test_app.BUILDS, *test_app.LIVE, *test_app.AFTER):
        yield from (part for part in row if type(part) is bytes)


def _vectors() -> Iterator[bytes]:
    from vectors import loading

    for group in ("plain", "stdlib", "classes", "python2", "special", "library", "by_hand", "real"):
        for found in loading.vectors(group).values():
            # Of all who wrote a value alike, one of each protocol will do; `run` finds the rest.
            yield from {vector.protocol: vector.data for vector in found}.values()


def _inspected() -> Iterator[bytes]:
    from inspection import streams

    for table in (streams.WELL_FORMED, streams.MALFORMED, streams.ILL_BUILT):
        yield from table.values()


def _idioms() -> Iterator[bytes]:
    from fuzz.assembly import pickled
    from fuzz.idioms import IDIOMS

    for protocol in (0, 2, 5):
        for idiom in IDIOMS:
            yield pickled(idiom, proto=protocol or None)


def _policies() -> Iterator[bytes]:
    for path in sorted((ROOT / "policies").glob("*.toml")):
        yield path.read_bytes()
    yield from (text.encode() for text in _TEXTS)


def _choices() -> Iterator[bytes]:
    draw = random.Random(1)
    for size in (0, 1, 4, 16, 64, 200):
        for _ in range(60):
            yield draw.randbytes(size)


_TEXTS = (
    "", "schema = 1", "schema = 2", 'schema = 1\nname = "x"\nextends = ["stdlib"]', 'schema = 1\nextends = ["../x"]',
    '[globals]\n"a:b" = ["call"]', 'schema = 1\nname = "x"\n[globals]\n"a.b:C.D" = ["new", "build"]',
    'schema = 1\nname = "x"\n[globals]\n"os:system" = ["call"]',
    'schema = 1\nname = "x"\n[globals]\n"os:system" = ["call", "known-gadget"]',
    'schema = 1\nname = "x"\n[globals]\n"a:*" = ["call"]',
    'schema = 1\nname = "x"\n[globals]\n"a:__class__" = ["call"]',
    'schema = 1\nname = "x"\n[limits]\nmax_bytes = "64 MiB"\nmax_depth = 5',
    'schema = 1\nname = "x"\n[limits]\nmax_bytes = -1',
    'schema = 1\nname = "x"\n[[allow]]\nmodule = "a"\nnames = ["B"]\nrights = ["call"]\nreason = "because"',
    'schema = 1\nname = "x"\n[[allow]]\nmodule = "a"\nnames = []\nrights = []',
    'schema = 1\nname = "x"\n[[alias]]\nfrom = "a:B"\nto = "c:D"',
    'schema = 1\nname = "x"\n[[alias]]\nfrom = "a:*"\nto = "c:*"',
    'schema = 1\nname = "x"\n[[deny]]\nmodule = "a"\nnames = ["B"]\nreason = "no"',
    'schema = 1\nname = "x"\nunknown = 1', "= 1", "[[allow", 'schema = "1"', "\0", "\ufeffschema = 1",
)  # fmt: skip
