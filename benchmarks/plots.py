"""Pictures of what was measured, as PNG and SVG. Takes matplotlib, which nothing else here needs.

Rules:
- Legible on a light page and on a dark one: no background, text and lines of a middle grey, colours that stand out on
  both; each contestant has a marker of its own, so that they are told apart without colour.
- Ratios are drawn on a logarithmic axis, where twice as fast and twice as slow are equally far from pickle.
- Drawn from the JSON document or the series that the tables are made from, and from nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .contestants import C_PICKLE, CLOUDPICKLE, FIND_CLASS, ITSDANGEROUS, MARSHAL, MSGSPEC, OURS
from .shape import GROUPS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .scaling import Series

GREY: Final = "#858d97"
#: Colour and marker of each contestant.
STYLES: Final = {
    OURS: ("#2f81f7", "o"),
    FIND_CLASS: ("#d29922", "D"),
    ITSDANGEROUS: ("#db61a2", "v"),
    CLOUDPICKLE: ("#a371f7", "^"),
    MSGSPEC: ("#3fb950", "s"),
    MARSHAL: (GREY, "|"),
    C_PICKLE: (GREY, "x"),
}
GROUP_NAMES: Final = {"plain": "plain data", "instances": "instances", "real": "from libraries"}
_FORMATS: Final = ("png", "svg")


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update(
        {
            "font.size": 10, "font.family": "sans-serif", "svg.fonttype": "path", "svg.hashsalt": "safepickle",
            "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY,
            "ytick.color": GREY, "grid.color": GREY, "grid.alpha": 0.25, "axes.spines.top": False,
            "axes.spines.right": False, "axes.facecolor": "none", "figure.facecolor": "none",
        }
    )  # fmt: skip
    from matplotlib import pyplot as plt

    return plt


def _save(figure: Any, folder: str | Path, name: str) -> list[Path]:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for form in _FORMATS:
        path = target / f"{name}.{form}"
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(path, dpi=160, transparent=True, bbox_inches="tight", metadata=metadata)
        paths.append(path)
    return paths


def _group_of(section: str) -> str:
    return next((group for group in GROUPS if section.endswith(f"-{group}")), PLAIN)


def _by_direction(document: Mapping[str, Any]) -> dict[str, dict[tuple[str, str], Mapping[str, Any]]]:
    """Return the ratios by direction, and by group and shape; of loads, what pickle wrote."""
    found: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {"loads": {}, "dumps": {}}
    for row in document["rows"]:
        kind = row["section"].removesuffix(f"-{_group_of(row['section'])}")
        if kind in found:
            found[kind][_group_of(row["section"]), row["shape"]] = row["ratios"]
    return found


def _ticks(axes: Any) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10, 20]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="both", length=0)


def draw_ratios(document: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Draw time as a multiple of pickle's, a dot for each shape and contestant."""
    plt = _pyplot()
    ratios = _by_direction(document)
    keys = sorted(dict.fromkeys((*ratios["loads"], *ratios["dumps"])), key=lambda key: GROUPS.index(key[0]))
    # A gap between groups.
    places: dict[tuple[str, str], float] = {}
    place = 0.0
    for index, key in enumerate(keys):
        place += 1.9 if index and key[0] != keys[index - 1][0] else 1.0
        places[key] = place
    height = 0.245 * place + 1.5
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(10.5, height))
    for panel, direction in zip(panels, ratios, strict=True):
        _ticks(panel)
        panel.set_xlim(0.16, 16)
        panel.axvline(1, color=GREY, linewidth=1.2)
        panel.axvspan(0.16, 1, color=STYLES[OURS][0], alpha=0.06, linewidth=0)
        panel.set_title(f"{direction}", fontsize=13, color=GREY, pad=22)
        panel.annotate("pickle", (1, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
                       textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
        for position, text in ((0.0, "← faster"), (1.0, "slower →")):
            panel.annotate(text, (position, 1), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points",
                           ha="left" if position == 0 else "right", fontsize=9)  # fmt: skip
        panel.grid(axis="both", linewidth=0.6)
        panel.spines[["left", "bottom"]].set_visible(False)
        for name, (colour, marker) in STYLES.items():
            points = [
                (values[name], places[key]) for key, values in ratios[direction].items()
                if name in values and name != C_PICKLE
            ]  # fmt: skip
            if not points:
                continue
            ours = name == OURS
            panel.scatter(
                [value["median"] for value, _ in points], [at for _, at in points], label=name, marker=marker,
                s=52 if ours else 26, color=colour, zorder=4 if ours else 3, alpha=1 if ours else 0.85,
                linewidths=1.6 if marker in "|x" else 0,
            )  # fmt: skip
            if ours:
                for value, at in points:
                    panel.plot([value["low"], value["high"]], [at, at], color=colour, linewidth=2, zorder=4)
    first = panels[0]
    first.set_ylim(place + 0.8, 0.2)
    first.set_yticks([places[key] for key in keys], [key[1].replace("_", " ") for key in keys])
    for group in dict.fromkeys(key[0] for key in keys):
        top = min(places[key] for key in keys if key[0] == group)
        first.annotate(GROUP_NAMES[group], (-0.01, top - 0.85), xycoords=("axes fraction", "data"), ha="right",
                       va="center", fontsize=9, fontweight="bold", annotation_clip=False)  # fmt: skip
    handles = {}
    for panel in panels:
        found, names = panel.get_legend_handles_labels()
        handles |= dict(zip(names, found, strict=True))
    figure.legend(handles.values(), handles, loc="lower center", ncols=len(handles), frameon=False,
                  bbox_to_anchor=(0.5, -0.005), handletextpad=0.3, columnspacing=1.4)  # fmt: skip
    figure.supxlabel("time as a multiple of pickle's", fontsize=10, y=0.36 / height)
    figure.tight_layout(rect=(0, 0.42 / height, 1, 1), w_pad=2.5)
    paths = _save(figure, folder, "speed")
    plt.close(figure)
    return paths


def draw_scaling(series: Sequence[Series], folder: str | Path) -> list[Path]:
    """Draw time and memory against size, a panel for each axis; a straight line of slope 1 is linear."""
    plt = _pyplot()
    axes_names = list(dict.fromkeys(one.axis for one in series))
    columns = min(5, len(axes_names))
    rows = -(-len(axes_names) // columns)
    figure, panels = plt.subplots(
        2 * rows, columns, figsize=(2.35 * columns, 4.3 * rows), sharex=False, squeeze=False
    )
    for index, axis in enumerate(axes_names):
        for unit, offset in (("time", 0), ("memory", 1)):
            panel = panels[2 * (index // columns) + offset][index % columns]
            panel.set_xscale("log")
            panel.set_yscale("log")
            panel.grid(linewidth=0.6)
            panel.tick_params(which="both", length=0, labelsize=7)
            for one in series:
                if one.axis != axis or one.unit != unit:
                    continue
                ours = one.contestant == OURS
                points = [
                    (size, value - one.empty) for size, value in zip(one.sizes, one.values, strict=True)
                    if value > one.empty
                ]  # fmt: skip
                panel.plot(
                    [size for size, _ in points], [value for _, value in points], markersize=3.2 if ours else 0,
                    marker="o" if one.direction == "loads" else "s", linestyle="-" if ours else ":",
                    color=GREY if not ours else STYLES[OURS][0] if one.direction == "loads" else STYLES[FIND_CLASS][0],
                    linewidth=1.4 if ours else 1.1, zorder=3 if ours else 2,
                    label=f"{one.contestant} {one.direction}",
                )  # fmt: skip
            if offset == 0:
                panel.set_title(axis, fontsize=10, color=GREY)
            if index % columns == 0:
                panel.set_ylabel("seconds" if unit == "time" else "bytes", fontsize=8)
    for index in range(len(axes_names), rows * columns):
        for offset in (0, 1):
            panels[2 * (index // columns) + offset][index % columns].set_visible(False)
    handles = {}
    for panel in panels.flat:
        found, names = panel.get_legend_handles_labels()
        handles |= dict(zip(names, found, strict=True))
    figure.legend(handles.values(), handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=8)
    figure.supxlabel("size (what the empty value takes is taken off)", fontsize=9, y=0.035)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    paths = _save(figure, folder, "scaling")
    plt.close(figure)
    return paths
