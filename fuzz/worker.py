"""A worker: the process that runs one target, with or without atheris, and tells what it does in lines of JSON.

Every target runs in a process of its own, because the worst findings end the process. The input at work is kept in a
mapped file, so that whoever started the worker can read what killed it.

Rules that hold here:

* The protocol is one JSON object a line on standard output; all else there comes from the fuzzing engine.
* With atheris the package is instrumented before it is first imported; that needs the form that runs as Python.
* The address space is bounded, so that an input that wins takes nothing else with it.
"""

from __future__ import annotations

import json
import mmap
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz import corpus

if TYPE_CHECKING:
    from fuzz.engine import Run

#: What a worker may map, in bytes. Sanitizers and atheris reserve much more than they use.
ADDRESS_SPACE = 4 << 30
#: Room for the input at work.
ROOM = 1 << 20


class LastInput:
    """The input at work, in a file that outlives the process.

    :param path: the file, or "" for none.
    """

    def __init__(self, path: str) -> None:
        self._map: mmap.mmap | None = None
        if path:
            with Path(path).open("w+b") as file:
                file.truncate(ROOM)
                self._map = mmap.mmap(file.fileno(), ROOM)

    def note(self, data: bytes) -> None:
        """Keep *data*."""
        if self._map is not None:
            data = data[: ROOM - 8]
            self._map[: 8 + len(data)] = len(data).to_bytes(8, "little") + data

    @staticmethod
    def read(path: str) -> bytes:
        """Return what was kept last."""
        content = Path(path).read_bytes()
        return content[8 : 8 + int.from_bytes(content[:8], "little")]


def tell(**row: Any) -> None:
    """Write one line of the protocol."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def tell_state(run: Run, *, done: bool = False) -> None:
    """Tell what a run has done so far."""
    tell(
        executions=run.executions, seconds=run.seconds, new=len(run.new), kinds=len(run.kinds), done=done,
        findings=[
            {"target": f.target, "cause": f.cause, "detail": f.detail[:1000], "hex": f.data.hex(),
            "execution": f.execution}
            for f in run.findings.values()
        ],
    )  # fmt: skip


def bound_memory() -> None:
    """Bound the address space, where the platform can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def inputs(kind: str, folders: list[str]) -> list[bytes]:
    """Return the corpus of some folders."""
    found: dict[bytes, None] = {}
    for folder in folders:
        found.update(dict.fromkeys(corpus.read(kind, Path(folder))))
    return list(found)


def plain(options: Any) -> int:
    """Run a target with the engine that needs no coverage."""
    from fuzz.engine import Engine
    from fuzz.targets import load_target
    from fuzz.terms import use_form

    target = load_target(options.target)
    if options.form:
        use_form(options.form)
    if not options.unbounded:
        bound_memory()
    last = LastInput(options.last)
    check = target.check

    def noting(data: bytes) -> Any:
        last.note(data)
        return check(data)

    engine = Engine(target._replace(check=noting), options.seed, report=tell_state, first=options.first,
    known=options.known)
    engine.replay(inputs(target.input, options.corpus))
    replayed = engine.run.executions
    if not engine.done and (options.runs or options.seconds):
        engine.fuzz(executions=options.runs or None, seconds=options.seconds or None)
    if options.save:
        for data in engine.run.new:
            corpus.add(target.input, data, Path(options.save))
    tell(replayed=replayed)
    tell_state(engine.run, done=True)
    return 0


# -- atheris -------------------------------------------------------------------------------------------------------


def by_coverage(options: Any) -> int:
    """Run a target with atheris (libFuzzer): inputs are kept for the branches of the package that they reach."""
    import atheris

    with atheris.instrument_imports(include=["safepickle"], enable_loader_override=False):
        import safepickle
        from fuzz.targets import load_target

        target = load_target(options.target)
    if safepickle.COMPILED:
        tell(problem="atheris sees only the form that runs as Python: put the source tree first on PYTHONPATH")
        return 3
    from fuzz.choices import Choices
    from fuzz.engine import MOST, Run
    from fuzz.findings import attempt
    from fuzz.mutating import mutate

    run = Run(target.name)
    last = LastInput(options.last)
    state = {"told": 0.0}
    started = time.monotonic()

    def one(data: bytes) -> None:
        last.note(data)
        kind, found = attempt(target, data, seconds=0)
        run.executions += 1
        run.seconds = time.monotonic() - started
        if found is not None:
            found = found._replace(execution=run.executions)
            known = run.findings.get(found.key)
            if known is None or len(data) < len(known.data):
                run.findings[found.key] = found
        elif kind not in run.kinds:
            run.kinds.add(kind)
        if run.seconds - state["told"] > 0.3 or found is not None:
            state["told"] = run.seconds
            tell_state(run)

    # libFuzzer leaves the process without a farewell when it is done; whoever started the worker owns the folder.
    folder = Path(options.folder)
    pool = inputs(target.input, options.corpus)
    for data in pool:
        (folder / corpus.file_name(data)).write_bytes(data)
    tell(kind=target.input, given=len(pool))
    arguments = [
        "fuzz", str(folder), f"-seed={options.seed or 1}", f"-max_len={MOST}", "-timeout=30", "-rss_limit_mb=4096",
        f"-artifact_prefix={folder.parent}/crash-",
    ]  # fmt: skip
    if options.seconds:
        arguments.append(f"-max_total_time={max(1, int(options.seconds))}")
    if options.runs:
        arguments.append(f"-runs={options.runs}")
    if target.input == "text":
        arguments.append(f"-dict={Path(__file__).resolve().parent / 'policy.dict'}")

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        if seed % 8 == 0:
            return bytes(atheris.Mutate(data, most))
        return mutate(data, Choices(seed), pool, most)

    extra = {"custom_mutator": mutator} if target.input == "stream" else {}
    atheris.Setup(arguments, one, enable_python_coverage=True, **extra)
    atheris.Fuzz()
    return 0
