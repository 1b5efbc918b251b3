"""What was measured, as text, Markdown or JSON.

Rules:
- A ratio never stands without its spread for safepickle, nor a table without its geometric mean and its
  conditions.
- JSON carries everything that the tables show and the seconds behind it; its `schema` number changes with its
  form.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import safepickle

from .comparing import KINDS, TITLES, means
from .contestants import C_PICKLE, OPPONENTS, OURS, REFERENCE
from .shape import GROUPS, INSTANCES, PLAIN, REAL
from .timing import geometric_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .comparing import Row
    from .memory import Peak
    from .timing import Plan, Ratio

SCHEMA: Final = 1
FORMATS: Final = ("text", "json", "markdown")


class Conditions(NamedTuple):
    """What the numbers hold for."""

    form: str
    scale: float
    plan: Plan

    def as_dict(self) -> dict[str, Any]:
        """Return them for the JSON report."""
        return {
            "form": self.form,
            "safepickle": getattr(safepickle, "__version__", None),
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "machine": platform.machine(),
            "system": platform.system(),
            "collector": self.plan.collector,
            "scale": self.scale,
            "seconds_per_row": self.plan.seconds,
            "seconds_per_sample": self.plan.sample,
            "reference": REFERENCE[self.form],
        }

    def lines(self) -> list[str]:
        """Return them in words."""
        python = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
        collector = "on" if self.plan.collector else "off"
        return [
            f"safepickle, {self.form} form, default limits; {python}; garbage collector {collector} for all.",
            f"Time as a multiple of {REFERENCE[self.form]} (less is faster): median of rounds [quartiles].",
        ]


class Table(NamedTuple):
    """A table before it is drawn: a title, a head, rows of cells, and a last row."""

    title: str
    head: list[str]
    rows: list[list[str]]
    foot: list[str]


def sections() -> list[str]:
    """Return the names of all tables, in order; these are also the names that requirements use."""
    return [kind if group == PLAIN else f"{kind}-{group}" for group in GROUPS for kind in KINDS]


_GROUP_TITLES: Final = {
    PLAIN: "plain data, default policy",
    INSTANCES: "instances, under a policy",
    REAL: "what libraries make, under a policy",
}


def _title(section: str) -> str:
    kind, group = next(
        (kind, group)
        for group in GROUPS
        for kind in KINDS
        if section == (kind if group == PLAIN else f"{kind}-{group}")
    )
    return f"{TITLES[kind]}: {_GROUP_TITLES[group]}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _ours(value: Ratio) -> str:
    return f"{value.median:.2f} [{value.low:.2f}-{value.high:.2f}]"


def _cells(ratios: Mapping[str, Ratio], names: Sequence[str]) -> list[str]:
    return [
        "-" if name not in ratios else _ours(ratios[name]) if name == OURS else f"{ratios[name].median:.2f}"
        for name in names
    ]


def _time_table(section: str, rows: Sequence[Row], reference: str) -> Table:
    present = {name for row in rows for name in row.ratios}
    names = [name for name in (OURS, *OPPONENTS) if name in present and name != reference]
    return Table(
        _title(section),
        ["shape", f"{reference} takes", *names],
        [
            [
                row.task.shape.name,
                _time(row.seconds[reference]),
                *_cells(row.ratios, names),
            ]
            for row in rows
        ],
        [
            "geometric mean",
            "",
            *_cells(means(rows), names),
        ],
    )


def _size_table(section: str, rows: Sequence[Row]) -> Table:
    present = {name for row in rows for name in row.sizes}
    names = [name for name in (OURS, *OPPONENTS) if name in present and name != C_PICKLE]
    means_row = [
        f"{geometric_mean([row.sizes[name] / row.sizes[C_PICKLE] for row in rows]):.3f}"
        if all(name in row.sizes for row in rows)
        else "-"
        for name in names
    ]
    return Table(
        f"Bytes as a multiple of {C_PICKLE}'s; {_title(section)}",
        ["shape", f"{C_PICKLE} writes", *names],
        [
            [
                row.task.shape.name,
                f"{row.sizes[C_PICKLE]:,}",
                *(f"{row.sizes[name] / row.sizes[C_PICKLE]:.3f}" if name in row.sizes else "-" for name in names),
            ]
            for row in rows
        ],
        ["geometric mean", "", *means_row],
    )


def by_section(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each table that has any."""
    found = {section: [row for row in rows if row.task.section == section] for section in sections()}
    return {section: members for section, members in found.items() if members}


def _text(table: Table) -> list[str]:
    lines = [table.head, *table.rows, table.foot]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]

    def draw(line: list[str]) -> str:
        first = line[0].ljust(widths[0])
        return "  ".join(
            [first, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [table.title, rule, draw(table.head), rule, *map(draw, table.rows), rule, draw(table.foot), ""]


def _markdown(table: Table) -> list[str]:
    def draw(line: list[str]) -> str:
        return "| " + " | ".join(line) + " |"

    bold = [cell and f"**{cell}**" for cell in table.foot]
    align = "| --- |" + " ---: |" * (len(table.head) - 1)
    return [f"**{table.title}**", "", draw(table.head), align, *map(draw, table.rows), draw(bold), ""]


def _draw(lines: Sequence[str], tables: Sequence[Table], form: str) -> str:
    markdown = form == "markdown"
    out = [*lines, ""]
    for table in tables:
        out += (_markdown if markdown else _text)(table)
    return "\n".join(out).rstrip() + "\n"


def _json(conditions: Conditions, **content: Any) -> str:
    document = {"schema": SCHEMA, "conditions": conditions.as_dict(), **content}
    return json.dumps(document, indent=1) + "\n"


def times_report(rows: Sequence[Row], conditions: Conditions, form: str) -> str:
    """Return the report of a run that measured time."""
    found = by_section(rows)
    if form != "json":
        tables = [_time_table(name, members, REFERENCE[conditions.form]) for name, members in found.items()]
        tables += [_size_table(name, members) for name, members in found.items() if name.startswith("dumps")]
        return _draw(conditions.lines(), tables, form)
    return _json(
        conditions,
        rows=[
            {
                "section": row.task.section,
                "shape": row.task.shape.name,
                "rounds": row.rounds,
                "seconds": dict(row.seconds),
                "ratios": {name: value_of(one) for name, one in row.ratios.items()},
                "sizes": dict(row.sizes),
            }
            for row in rows
        ],
        geometric_means={
            section: {name: value_of(one) for name, one in means(members).items()}
            for section, members in found.items()
        },
    )


def value_of(one: Ratio) -> dict[str, float]:
    """Return a ratio for the JSON report."""
    return {"median": one.median, "low": one.low, "high": one.high}


def peaks_report(peaks: Sequence[Peak], conditions: Conditions, form: str) -> str:
    """Return the report of a run that measured peak memory."""
    reference = REFERENCE[conditions.form]
    if form == "json":
        return _json(
            conditions,
            peaks=[
                {"section": one.task.section, "shape": one.task.shape.name, "bytes": dict(one.peaks)}
                for one in peaks
            ],
        )
    tables = []
    for section in sections():
        members = [one for one in peaks if one.task.section == section]
        if not members:
            continue
        present = {name for one in members for name in one.peaks}
        names = [name for name in (OURS, *OPPONENTS) if name in present and name != reference]
        means_row = [
            f"{geometric_mean([one.ratio(name, reference) for one in members]):.2f}"
            if all(name in one.peaks for one in members)
            else "-"
            for name in names
        ]
        tables.append(
            Table(
                _title(section),
                ["shape", f"{reference} takes", *names],
                [
                    [
                        one.task.shape.name,
                        f"{one.peaks[reference] / 1e6:.1f} MB",
                        *(
                            f"{one.ratio(name, reference):.2f}" if name in one.peaks else "-"
                            for name in names
                        ),
                    ]
                    for one in members
                ],
                ["geometric mean", "", *means_row],
            )
        )
    lines = [
        conditions.lines()[0],
        f"Peak memory of one call over what the process had before, as a multiple of {reference}'s.",
    ]
    return _draw(lines, tables, form)
