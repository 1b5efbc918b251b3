"""The command line of the harness: `python -m fuzz COMMAND`.

Exit codes: 0 nothing was found, 1 something was, 2 the command line is wrong,
3 the harness itself could not do its work.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fuzz import corpus
from fuzz.ledger import LEDGER, add, page, read, write_page
from fuzz.running import WORK, Order, Progress, Result, carry_out_all, has_atheris, write_findings
from fuzz.targets import NAMES

FOUND, WRONG, FAILED = 1, 2, 3


def _targets(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(options.target)) or NAMES


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    cells = [list(columns), *([_cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def _cell(value: Any) -> str:
    return f"{value:,}" if type(value) is int else str(value)


def report(results: list[Result], options: argparse.Namespace) -> int:
    """Print what came of a run, and return the exit code."""
    places = write_findings(results, Path(options.findings))
    rows = [{**result.row(), "found": len(result.findings)} for result in results]
    if options.format == "json":
        print(json.dumps({"results": rows, "corpus_bytes": corpus.size()}, indent=1))
    else:
        print(
            _table(
                rows,
                ("target", "form", "engine", "executions", "replayed", "rate", "coverage", "kinds", "new", "found"),
            )
        )
        total = sum(result.executions for result in results)
        print(f"{total:,} executions, {len(places)} findings, {sum(r.new for r in results)} new corpus entries")
        for result in results:
            if result.problem:
                print(f"NOT RUN: {result.target}: {result.problem}")
            for row in result.findings:
                print(
                    f"FOUND {row['target']}: {row['cause']}\n      {row['detail'][:300]!a}\n"
                    f"      {row.get('folder', '')}"
                )
    if any(result.problem for result in results):
        return FAILED
    return FOUND if any(result.findings for result in results) else 0


def _folders() -> tuple[str, ...]:
    return (str(corpus.HERE), str(WORK / "corpus"))


def run(options: argparse.Namespace) -> int:
    """Fuzz."""
    engine = options.engine if options.engine != "auto" else "atheris" if has_atheris() else "plain"
    site = ""
    if engine == "native":
        from fuzz.native import UnavailableError, build

        try:
            site = str(build(WORK / "native", lambda text: print(text, file=sys.stderr)))
        except UnavailableError as error:
            print(error, file=sys.stderr)
            return FAILED
    names = _targets(options)
    seconds = options.minutes * 60 * options.jobs / len(names) if not options.runs else 0.0
    orders = [
        Order(
            target=name, engine=engine, seed=options.seed, seconds=seconds, runs=options.runs, form=options.form,
            corpus=() if options.no_corpus else _folders(), save="" if options.no_save else str(WORK / "corpus"),
            unbounded=options.unbounded, most=options.most, variants=options.variants, site=site,
        )
        for name in names
    ]  # fmt: skip
    note = (lambda _result: None) if not options.ledger else lambda result: add(result, Path(options.ledger))
    return report(carry_out_all(orders, options.jobs, Progress(), note), options)


def ledger(options: argparse.Namespace) -> int:
    """Print what has been run in all, by target."""
    rows = read(Path(options.ledger))
    if options.format == "json":
        print(json.dumps({"rows": rows, "executions": sum(row["executions"] for row in rows)}, indent=1))
    else:
        print(page(rows))
    if options.page:
        write_page(rows)
    return 0


def replay(options: argparse.Namespace) -> int:
    """Run the corpus, or some files, through the targets, in every form there is."""
    from fuzz.terms import FORMS

    forms = [options.form] if options.form else list(FORMS)
    if options.form and options.form not in FORMS:
        print(f"there is no {options.form} form here (there are: {', '.join(FORMS)})", file=sys.stderr)
        return FAILED
    if options.files:
        return _replay_files(options, forms)
    orders = [
        Order(target=name, form=form, corpus=(options.corpus,), unbounded=options.unbounded)
        for form in forms for name in _targets(options)
    ]  # fmt: skip
    results = carry_out_all(orders, options.jobs, Progress())
    if not options.files and not any(result.executions for result in results) and not any(r.problem for r in results):
        print(f"nothing was replayed: there is no corpus in {options.corpus}", file=sys.stderr)
        return FAILED
    return report(results, options)


def _replay_files(options: argparse.Namespace, forms: list[str]) -> int:
    from fuzz.findings import attempt
    from fuzz.targets import load_target
    from fuzz.terms import use_form

    rows = []
    for form in forms:
        use_form(form)
        for path in options.files:
            data = Path(path).read_bytes()
            for name in _targets(options):
                kind, found = attempt(load_target(name), data)
                rows.append({
                    "file": path, "target": name, "form": form,
                    "outcome": ascii(kind) if found is None else found.cause,
                    "detail": "" if found is None else found.detail, "found": found is not None,
                })  # fmt: skip
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            mark = "FOUND" if row["found"] else "ok   "
            print(
                f"{mark} {row['target']:12} {row['form']:8} {row['file']}: "
                f"{str(row['outcome'])[:160]} {ascii(row['detail'])[1:300]}"
            )
    return FOUND if any(row["found"] for row in rows) else 0


def minimise(options: argparse.Namespace) -> int:
    """Minimise one input for one target, or the corpus."""
    if options.file:
        return _minimise_file(options)
    from fuzz.selecting import minimise_corpus

    rows = minimise_corpus(extra=WORK / "corpus", progress=sys.stderr.isatty())
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        print(_table(rows, ("kind", "before", "after", "bytes", "left_out")))
    if corpus.size() > corpus.MOST_BYTES:
        print(f"the corpus has {corpus.size():,} bytes, more than {corpus.MOST_BYTES:,}", file=sys.stderr)
        return FOUND
    return 0


def _minimise_file(options: argparse.Namespace) -> int:
    from fuzz.findings import attempt
    from fuzz.findings import minimise as smaller
    from fuzz.targets import load_target

    if len(options.target) != 1:
        print("minimise FILE needs exactly one --target", file=sys.stderr)
        return WRONG
    target = load_target(options.target[0])
    data = Path(options.file).read_bytes()
    found = attempt(target, data)[1]
    if found is None:
        print(f"{options.file} is no finding of {target.name}", file=sys.stderr)
        return FAILED
    shortest = smaller(target, found)
    row = {
        "target": target.name,
        "cause": found.cause,
        "before": len(data),
        "after": len(shortest),
        "hex": shortest.hex(),
    }
    print(
        json.dumps(row, indent=1)
        if options.format == "json"
        else f"{found.cause}\n{len(data)} -> {len(shortest)} bytes\n{shortest.hex()}"
    )
    return FOUND


def coverage(options: argparse.Namespace) -> int:
    """Measure what of the package the corpus reaches."""
    from fuzz.measuring import measure

    return measure(Path(options.html), least=options.least, as_json=options.format == "json")


def compare(options: argparse.Namespace) -> int:
    """Hold the corpus against other unpicklers and scanners."""
    from fuzz.comparing import compare_all

    return compare_all(
        Path(options.venvs), limit=options.limit, as_json=options.format == "json", only=options.only, page=options.page
    )


def faults(options: argparse.Namespace) -> int:
    """Take checks out of a copy of the package; the harness must find every one."""
    from fuzz.planting import plant_all

    return plant_all(options)


def seeds(options: argparse.Namespace) -> int:
    """Gather the seeds: attacks, vectors and real files of the tests."""
    from fuzz.selecting import gather

    rows = gather(Path(options.into))
    print(json.dumps(rows, indent=1) if options.format == "json" else _table(rows, ("source", "inputs", "new")))
    return 0


def targets(options: argparse.Namespace) -> int:
    """List the targets and their invariants."""
    from fuzz.targets import load_target

    rows = [load_target(name)._asdict() for name in NAMES]
    if options.format == "json":
        print(json.dumps([{key: row[key] for key in ("name", "invariant", "input")} for row in rows], indent=1))
    else:
        for row in rows:
            print(f"{row['name']:13}{row['input']:8} {row['invariant']}")
    return 0


def worker(options: argparse.Namespace) -> int:
    """Run one target; started by the other commands."""
    from fuzz import worker as module
    from fuzz.native import load_driver

    load_driver()
    if options.engine == "hunt":
        from fuzz.planting import hunting

        return hunting(options)
    if options.engine == "native":
        from fuzz.native import natively

        return natively(options)
    return module.by_coverage(options) if options.engine == "atheris" else module.plain(options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(function: Any, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            function.__name__, help=(function.__doc__ or "").split("\n")[0], description=function.__doc__,
            epilog=f"example: python -m fuzz {example}",
        )  # fmt: skip
        sub.set_defaults(function=function)
        sub.add_argument("--format", choices=("text", "json"), default="text", help="how results are printed")
        return sub

    def choice(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--target",
            action="append",
            default=[],
            choices=NAMES,
            metavar="NAME",
            help="this target only; may be repeated",
        )
        sub.add_argument("--findings", default=str(WORK / "findings"), help="folder that findings are written to")
        sub.add_argument("--form", default="", choices=("", "python", "compiled"), help="this form of the package only")
        sub.add_argument("--jobs", type=int, default=1, help="workers at a time")

    sub = command(run, "run --minutes 10 --target decode --jobs 2")
    choice(sub)
    sub.add_argument("--minutes", type=float, default=1.0, help="for all targets together, per job")
    sub.add_argument("--runs", type=int, default=0, help="executions of each target, instead of minutes")
    sub.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs (engine `plain`)")
    sub.add_argument(
        "--engine", choices=("auto", "atheris", "plain", "native"), default="auto",
        help="auto: atheris where it is installed; native: libFuzzer on the compiled form, needs clang",
    )  # fmt: skip
    sub.add_argument("--most", type=int, default=0, help="longest input of engine `native`")
    sub.add_argument(
        "--variants", type=int, default=8,
        help="engine `native`: so many variants are run before each input of libFuzzer's, at a third of its price",
    )  # fmt: skip
    sub.add_argument("--ledger", default="", metavar="FILE", help=f"add the executions to this file, as {LEDGER.name}")
    sub.add_argument("--no-corpus", action="store_true", help="begin with nothing")
    sub.add_argument("--no-save", action="store_true", help="keep no new corpus entries")
    sub.add_argument("--unbounded", action="store_true", help="no bound on the address space (sanitizers need that)")
    sub = command(replay, "replay --form compiled; replay --target decode crash.bin")
    choice(sub)
    sub.add_argument("files", nargs="*", help="inputs; without any, the corpus")
    sub.add_argument("--corpus", default=str(corpus.HERE), help="another corpus")
    sub.add_argument("--unbounded", action="store_true", help="no bound on the address space (sanitizers need that)")
    sub = command(minimise, "minimise --target decode crash.bin")
    sub.add_argument("file", nargs="?", help="an input; without one, the corpus is minimised")
    sub.add_argument("--target", action="append", default=[], choices=NAMES, metavar="NAME")
    sub = command(coverage, "coverage --html htmlcov")
    sub.add_argument("--html", default=str(WORK / "coverage"), help="folder of the HTML report")
    sub.add_argument("--least", type=float, default=0.0, help="fail below so many per cent of lines")
    sub = command(compare, "compare --venvs .venvs")
    sub.add_argument("--venvs", default=str(WORK / "venvs"), help="folder of the others' virtual environments")
    sub.add_argument("--limit", type=int, default=0, help="streams to compare at most; 0 for all")
    sub.add_argument("--only", action="append", default=[], help="this tool only; may be repeated")
    sub.add_argument("--page", action="store_true", help="write the table into docs/fuzzing.md")
    sub = command(faults, "faults --runs 3000 --seed 1")
    sub.add_argument("names", nargs="*", help="planted faults by number or name; all without any")
    sub.add_argument("--runs", type=int, default=3000, help="executions of each target at most")
    sub.add_argument("--seed", type=int, default=1)
    sub.add_argument("--corpus", action="store_true", help="replay the corpus first")
    sub.add_argument("--page", action="store_true", help="write the table into docs/fuzzing.md")
    sub = command(seeds, "seeds")
    sub.add_argument("--into", default=str(WORK / "corpus"), help="corpus that they are added to")
    command(targets, "targets")
    sub = command(ledger, "ledger --page")
    sub.add_argument("--ledger", default=str(LEDGER), metavar="FILE", help="the file that `run --ledger` adds to")
    sub.add_argument("--page", action="store_true", help="write the table into docs/fuzzing.md")
    sub = command(worker, "worker --target decode --runs 100")
    sub.add_argument("--target", required=True)
    sub.add_argument("--engine", choices=("atheris", "hunt", "native", "plain"), default="plain")
    sub.add_argument("--form", default="")
    sub.add_argument("--seed", type=int, default=1)
    sub.add_argument("--seconds", type=float, default=0.0)
    sub.add_argument("--runs", type=int, default=0)
    sub.add_argument("--corpus", action="append", default=[])
    sub.add_argument("--save", default="")
    sub.add_argument("--last", default="")
    sub.add_argument("--most", type=int, default=0)
    sub.add_argument("--variants", type=int, default=0)
    sub.add_argument("--folder", default="", help="libFuzzer's own corpus, kept by whoever started the worker")
    sub.add_argument("--first", action="store_true")
    sub.add_argument("--known", action="append", default=[])
    sub.add_argument("--unbounded", action="store_true")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command."""
    options = parser().parse_args(arguments)
    return int(options.function(options))


if __name__ == "__main__":
    sys.exit(main())
