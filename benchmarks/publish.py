"""The command `python -m benchmarks publish`: the table in README.md and the pictures in docs/, from one measurement.

Rules:
- The text between the two markers in README.md is replaced whole; nothing else of the file is touched, and a file
  without the markers is an error.
- Table and picture come from the same document, which `--save` keeps; `--from` takes one that was kept.

    python -m benchmarks publish                        # measures, a few minutes; writes README.md and docs/images
    python -m benchmarks publish --from ratios.json --no-plots

Exit codes: 0 written; 2 usage, no matplotlib, or nothing that could be measured.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .comparing import KINDS
from .contestants import C_PICKLE, FIND_CLASS, ITSDANGEROUS, MARSHAL, OURS, PYTHON_PICKLE
from .report import SCHEMA
from .shape import GROUPS, PLAIN
from .timing import geometric_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN: Final = "<!-- speed: written by `python -m benchmarks publish` -->"
END: Final = "<!-- /speed -->"
_HEADS: Final = {
    "loads": "`loads`",
    "loads-own": "`loads`, own bytes",
    "dumps": "`dumps`",
}
_GROUPS: Final = {
    "plain": "plain data, default policy",
    "instances": "instances of one class or some, under a policy",
    "real": "what libraries make, under a policy",
}
#: Whose means stand beside ours.
_BESIDE: Final = (FIND_CLASS, ITSDANGEROUS, MARSHAL, PYTHON_PICKLE)


def _section(kind: str, group: str) -> str:
    return kind if group == PLAIN else f"{kind}-{group}"


def _mean(document: dict[str, Any], section: str, name: str) -> str:
    found = document["geometric_means"].get(section, {}).get(name)
    return "" if found is None else f"{found['median']:.2f}"


def _sizes(document: dict[str, Any], group: str) -> list[tuple[str, float]]:
    rows = (row for row in document["rows"] if row["section"] == _section("dumps", group))
    return [(row["shape"], row["sizes"][OURS] / row["sizes"][C_PICKLE]) for row in rows]


def summary(document: dict[str, Any]) -> list[str]:
    """Return the table of means, in Markdown."""
    lines = ["| geometric mean | " + " | ".join(_HEADS.values()) + " | size |", "| --- |" + " ---: |" * 4]
    for group in GROUPS:
        sizes = [value for _, value in _sizes(document, group)]
        if not sizes:
            continue
        cells = [_mean(document, _section(kind, group), OURS) for kind in KINDS]
        lines.append(f"| **{_GROUPS[group]}** | " + " | ".join(cells) + f" | {geometric_mean(sizes):.2f} |")
        for name in _BESIDE:
            cells = [_mean(document, _section(kind, group), name) for kind in KINDS]
            if any(cells):
                lines.append(f"| {name} | " + " | ".join(cells) + " | |")
    return lines


def details(document: dict[str, Any]) -> list[str]:
    """Return the table of all shapes, in Markdown."""
    lines = ["| shape | " + " | ".join(_HEADS.values()) + " | size |", "| --- |" + " ---: |" * 4]
    found = {(row["section"], row["shape"]): row["ratios"][OURS]["median"] for row in document["rows"]}
    for group in GROUPS:
        for shape, size in _sizes(document, group):
            values = [found.get((_section(kind, group), shape)) for kind in KINDS]
            cells = ["" if value is None else f"{value:.2f}" for value in values]
            lines.append(f"| {shape.replace('_', ' ')} | " + " | ".join(cells) + f" | {size:.2f} |")
    return lines


def block(document: dict[str, Any]) -> str:
    """Return what stands between the markers."""
    conditions = document["conditions"]
    where = f"{conditions['implementation']} {conditions['python']}, {conditions['system']} on {conditions['machine']}"
    return "\n".join(
        [
            BEGIN,
            f"Time and size as a multiple of C `pickle`'s; below 1 is faster, or smaller. {where}.",
            "",
            *summary(document),
            "",
            "![Time of loads and dumps as a multiple of pickle's, shape by shape](docs/images/speed.svg)",
            "",
            "<details><summary>Shape by shape</summary>",
            "",
            *details(document),
            "",
            "</details>",
            END,
        ]
    )


def replaced(text: str, new: str) -> str:
    """Return a text with what stands between the markers replaced.

    :raises ValueError: if the markers are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the markers are not there: {BEGIN} and {END}")
    return text[: text.index(BEGIN)] + new + text[text.index(END) + len(END) :]


def _measure(seconds: str) -> dict[str, Any]:
    from .__main__ import main as measure

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = measure(["--format", "json", "--seconds", seconds])
    if code:
        raise ValueError("the measurement failed")
    document: dict[str, Any] = json.loads(output.getvalue())
    return document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks publish",
        description="Write the table in README.md and the pictures, from one measurement.",
        epilog="example:\n  python -m benchmarks publish --seconds 2 --save ratios.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--readme", type=Path, default=Path("README.md"), metavar="FILE", help="(%(default)s)")
    parser.add_argument("--plots", type=Path, default=Path("docs/images"), metavar="FOLDER", help="(%(default)s)")
    parser.add_argument("--no-plots", action="store_true", help="only the table")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="a document that was kept")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the document")
    parser.add_argument("--seconds", default="1", help="for each row (default %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if not asked.no_plots and find_spec("matplotlib") is None:
        parser.error("matplotlib is not installed (pip install '.[bench]'), or say --no-plots")
    try:
        replaced(asked.readme.read_text("utf-8"), "")
        document = json.loads(asked.source.read_text("utf-8")) if asked.source else _measure(asked.seconds)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"not a report of this version (schema {SCHEMA})")
        new = block(document)
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"{type(error).__name__}: {error}")
    if asked.save:
        asked.save.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    if not asked.no_plots:
        from .plots import draw_ratios

        for path in draw_ratios(document, asked.plots):
            print(path)
    asked.readme.write_text(replaced(asked.readme.read_text("utf-8"), new), "utf-8")
    print(asked.readme)
    return 0


if __name__ == "__main__":
    sys.exit(main())
