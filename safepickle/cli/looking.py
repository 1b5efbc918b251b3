"""The commands that look at a pickle without loading it: inspect, dis and optimize.

Rules that hold here:

* Nothing is imported, called or set. ``inspect`` is the machine with the recording gate (S1); it says what a pickle
  asks for, and leaves the verdict to ``check``.
* In text the tree is shown within bounds; JSON has all of it.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from ..errors import counted
from .commands import bounds, run_action
from .drawing import Printer, argument_json, as_text, ascii_text
from .formats import trees
from .inputs import UsageError, open_input, parse_limits, read_all, write_whole
from .viewing import view

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from ..inspection.assembly import Step
    from ..inspection.tree import Tree
    from ..limits import Limits

__all__ = ["dis", "inspect", "optimize"]


def _run(arguments: argparse.Namespace, command: str, action: Callable[[dict[str, Any]], None]) -> int:
    document: dict[str, Any] = {"command": command, "file": arguments.file}
    return run_action(arguments, document, action)


# -- inspect -------------------------------------------------------------------------------------------------


def inspect(arguments: argparse.Namespace) -> int:
    """Show what a pickle asks for."""

    def action(document: dict[str, Any]) -> None:
        document["pickles"] = []
        found = trees(arguments.file, arguments, parse_limits(arguments.limits))
        if arguments.format == "json":
            document["pickles"] = ({**tree.as_json(), "needs": _needs_json(tree)} for tree in found)
            return
        printer = Printer(sys.stdout)
        for tree in found:
            _print_tree(printer, tree, arguments)

    return _run(arguments, "inspect", action)


def _needs_json(tree: Tree) -> list[dict[str, Any]]:
    from ..policy.hazards import hazard_of

    found = []
    for pair, rights in tree.needs().items():
        hazard = hazard_of(*pair)
        found.append(
            {
                "module": pair[0],
                "name": pair[1],
                "rights": list(rights.labels()),
                "hazard": None if hazard is None else hazard._asdict(),
            }
        )
    return found


def _print_tree(printer: Printer, tree: Tree, arguments: argparse.Namespace) -> None:
    from ..inspection.paths import DROPPED, find_paths
    from ..policy.hazards import hazard_of

    print(as_text(view(tree.value, bounds(arguments))))
    calls = {call.callee.pair: call for call in reversed(tree.calls) if hasattr(call.callee, "pair")}
    records = {record.pair: record for record in tree.globals}
    paths = find_paths(tree.value, [*calls.values(), *records.values()])
    needs = tree.needs()
    printer.line(
        f"# {counted(tree.bytes, 'byte')}, protocol {tree.protocol}, {counted(tree.opcodes, 'opcode')},"
        f" {counted(len(tree.calls), 'call')}"
    )
    if needs:
        printer.line("# to load it, a policy has to grant:")
    for pair, rights in needs.items():
        path = paths.get(id(calls.get(pair)), paths.get(id(records[pair]), DROPPED))
        where = f"byte {calls[pair].position if pair in calls else records[pair].position}, {path}"
        shown = ascii_text(f"{pair[0]}:{pair[1]}")
        printer.line(f"#   {shown}  {' '.join(rights.labels())}  ({ascii_text(where)})")
        hazard = hazard_of(*pair)
        if hazard is not None and hazard.kind == "danger":
            printer.line(f"#     WARNING: {hazard.reason}", "bold yellow")
    for count, what in (
        (len(tree.persistent_ids), "persistent ids, for persistent_load to decide on"),
        (len(tree.buffers), "out-of-band buffers"),
        (len(tree.strays), "operations on what is no instance, which nothing allows"),
        (len(tree.nameless()), "calls of what is no global, which nothing allows"),
    ):
        if count:
            printer.line(f"# {count} {what}")


# -- dis and optimize ----------------------------------------------------------------------------------------


def dis(arguments: argparse.Namespace) -> int:
    """Print the opcodes of a pickle."""
    from ..inspection import assembly

    def action(document: dict[str, Any]) -> None:
        document["pickles"] = []
        limits = parse_limits(arguments.limits)
        memo: dict[int, Any] | None = {} if arguments.memo else None
        sources = _sources(arguments, limits, document)
        if arguments.format == "json":
            document["pickles"] = (
                _rows(assembly.steps(source, memo, limits), full=arguments.full) for source in sources
            )
            return
        column = 30 if arguments.annotate else 0
        for source in sources:
            assembly.dis(source, memo=memo, annotate=column, full=arguments.full, limits=limits)

    return _run(arguments, "dis", action)


def _sources(arguments: argparse.Namespace, limits: Limits, document: dict[str, Any]) -> Iterator[Any]:
    """Yield the file at each pickle, to be read to the end of that one; note in the document whether more follows."""
    with open_input(arguments.file) as file:
        source: Any = file if file.seekable() else io.BytesIO(read_all(file, limits))
        while True:
            yield source
            place = source.tell()
            document["more"] = bool(source.read(1))
            if not document["more"]:
                return
            if not arguments.all:
                note = "more bytes follow the pickle; --all goes on"
                print(f"safepickle: {ascii_text(arguments.file)}: {note}", file=sys.stderr)
                return
            source.seek(place)


def _rows(steps: Iterator[Step], *, full: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each opcode; the one that is at fault is shown too."""
    for step in steps:
        yield {
            "position": step.position,
            "opcode": step.instruction.opcode.name,
            "argument": argument_json(step.instruction.argument, full=full),
            "note": step.note or None,
        }
        if step.problem is not None:
            raise step.problem


def optimize(arguments: argparse.Namespace) -> int:
    """Write a shorter pickle of the same value."""
    from ..inspection import optimize as shorten

    def action(document: dict[str, Any]) -> None:
        if arguments.format == "json" and arguments.output == "-":
            raise UsageError("--format json prints to standard output: name a file with -o")
        limits = parse_limits(arguments.limits)
        with open_input(arguments.file) as file:
            before = read_all(file, limits)
        after = shorten(before, limits=limits)
        if arguments.output == "-":
            sys.stdout.buffer.write(after)
            sys.stdout.buffer.flush()
        else:
            write_whole(arguments.output, after)
        document |= {"output": arguments.output, "bytes_in": len(before), "bytes_out": len(after)}
        if arguments.format == "text":
            print(f"safepickle: {len(before)} bytes in, {len(after)} bytes out", file=sys.stderr)

    return _run(arguments, "optimize", action)
