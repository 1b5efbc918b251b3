"""The commands: each takes the parsed command line and returns an exit code.

Rules that hold here:

* ``load`` and ``check`` go through the machine and nothing else (S1).
* In text, values and reports go to standard output and errors to standard error. In JSON there is one
  document on standard output whatever happened, with the error in it.
* What needs the machine or policy files is imported when a command does, so that ``--help`` is quick.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..errors import (
    EmptyInputError,
    FormatError,
    KeyRingError,
    PolicyError,
    PolicyFileError,
    SafePickleError,
    counted,
    quote,
)
from .drawing import (
    Printer,
    as_json,
    as_text,
    ascii_text,
    denial_lines,
    denials_json,
    error_json,
    error_line,
)
from .formats import is_pickle, load_as, one_after_another, survey_as, with_hint
from .inputs import (
    UsageError,
    open_input,
    read_all,
    resolve_limits,
    resolve_policy,
)
from .json_text import Document
from .outcomes import DENIED, OK, UNREADABLE, exit_code, outcome, worst
from .viewing import Bounds, Part, view

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from ..codec import Codec
    from ..decoding.unpickler import Survey
    from ..limits import Limits
    from ..policy.rules import Policy

__all__ = [
    "EXPECTED",
    "Verdict",
    "bounds",
    "check",
    "examine",
    "load",
    "packs",
    "print_json",
    "report_error",
    "run_action",
]

#: What ends one input without ending the command. SystemExit: an allowed callable must not choose our exit
#: code.
EXPECTED = (SafePickleError, UsageError, OSError, MemoryError, SystemExit)
#: Globals that ``check`` names on the line of a file.
_MOST_GLOBALS = 20


# -- load ----------------------------------------------------------------------------------------------------


def load(arguments: argparse.Namespace) -> int:
    """Load a file under a policy and show what was loaded."""
    policy: Policy | None = None
    values: list[Part] = []
    error: BaseException | None = None
    try:
        policy = resolve_policy(arguments.policy)
        limits = resolve_limits(arguments.limits, policy)
        shown = bounds(arguments)
        with open_input(arguments.file) as file:
            for value in _values(file, arguments, policy, limits):
                values.append(view(value, shown))
                if arguments.format == "text":
                    _print_value(values.pop(), many=arguments.all)
    except BrokenPipeError:
        raise  # nobody reads our output any more: main() ends it
    except EXPECTED as caught:
        error = caught
    code = exit_code(error)
    if arguments.format == "json":
        print_json(
            command="load",
            file=arguments.file,
            policy=_policy_json(policy),
            pickles=[{"value": as_json(part)} for part in values],
            error=None if error is None else error_json(error),
            outcome=outcome(code),
            exit_code=code,
        )
    elif error is not None:
        report_error(Printer(sys.stderr), arguments.file, error)
    return code


def _values(file: BinaryIO, arguments: argparse.Namespace, policy: Policy, limits: Limits) -> Iterator[Any]:
    from ..codec import Codec
    from .signing import codec_options

    if not is_pickle(arguments):
        yield load_as(arguments.kind, file, policy, limits)
        return
    codec = Codec(policy=policy, limits=limits, **codec_options(arguments))
    if codec.keys is not None:
        yield from _signed_values(file, arguments, codec)
        return
    if not arguments.all:
        data = read_all(file, limits)
        try:
            value = codec.loads(data, encoding=arguments.encoding)
        except FormatError as error:
            raise with_hint(error, data) from None
        yield value
        return
    yield from one_after_another(lambda: codec.load(file, encoding=arguments.encoding))


def _signed_values(file: BinaryIO, arguments: argparse.Namespace, codec: Codec) -> Iterator[Any]:
    from .signing import context_of

    context = context_of(arguments)
    if not arguments.all:
        yield codec.load(file, encoding=arguments.encoding, context=context)
        return
    unpickler = codec.Unpickler(file, encoding=arguments.encoding, context=context)  # type: ignore[call-arg]
    yield from one_after_another(unpickler.load)


def bounds(arguments: argparse.Namespace) -> Bounds:
    """Return how much of a value is shown."""
    return Bounds(
        parts=arguments.show,
        items=max(1, arguments.show // 10),
        characters=max(1, arguments.show // 10),
    )


def _print_value(part: Part, *, many: bool) -> None:
    print(as_text(part))
    if many:
        print()


# -- check ---------------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What a policy says of one file."""

    file: str
    surveys: tuple[Survey, ...]
    error: BaseException | None

    @property
    def code(self) -> int:
        if any(survey.denials for survey in self.surveys):
            return DENIED
        errors = [survey.error for survey in self.surveys if survey.error is not None]
        if self.error is None and not errors and not self.surveys:
            return UNREADABLE
        return worst([exit_code(self.error), *map(exit_code, errors)])


def check(arguments: argparse.Namespace) -> int:
    """Say of each file whether it would load, importing and calling nothing."""
    policy: Policy | None = None
    verdicts: list[Verdict] = []
    error: BaseException | None = None
    printer = Printer(sys.stdout)
    try:
        policy = resolve_policy(arguments.policy)
        limits = resolve_limits(arguments.limits, policy)
    except EXPECTED as caught:
        error = caught
    else:
        for name in arguments.files:
            verdict = examine(name, arguments, policy, limits)
            verdicts.append(verdict)
            if arguments.format == "text":
                _print_verdict(printer, verdict)
    code = exit_code(error) if error is not None else worst(verdict.code for verdict in verdicts)
    if arguments.format == "json":
        print_json(
            command="check",
            policy=_policy_json(policy),
            files=[_verdict_json(verdict) for verdict in verdicts],
            error=None if error is None else error_json(error),
            outcome=outcome(code),
            exit_code=code,
        )
    elif error is not None:
        report_error(Printer(sys.stderr), None, error)
    elif len(verdicts) > 1:
        printer.line(_summary(verdicts))
    return code


def examine(name: str, arguments: argparse.Namespace, policy: Policy, limits: Limits) -> Verdict:
    """Survey the pickles of a file, importing and calling nothing."""
    from ..decoding.unpickler import survey

    surveys: list[Survey] = []
    try:
        with open_input(name) as file:
            if not is_pickle(arguments):
                surveys.append(survey_as(arguments.kind, file, policy, limits))
            elif not arguments.all:
                data = read_all(file, limits)
                one = survey(data, policy=policy, limits=limits, encoding=arguments.encoding)
                if isinstance(one.error, FormatError):
                    one = one._replace(error=with_hint(one.error, data))
                surveys.append(one)
            else:
                surveys += _survey_all(file, arguments, policy, limits)
    except EXPECTED as error:
        return Verdict(name, tuple(surveys), error)
    return Verdict(name, tuple(surveys), None)


def _survey_all(
    file: BinaryIO, arguments: argparse.Namespace, policy: Policy, limits: Limits
) -> Iterator[Survey]:
    """Survey the pickles of a file in turn, behind a refused one too, up to the first that cannot be read."""
    from ..decoding.unpickler import survey

    source: Any = file if file.seekable() else io.BytesIO(read_all(file, limits))
    place = start = source.tell()
    while True:
        source.seek(place)
        one = survey(source, policy=policy, limits=limits, encoding=arguments.encoding)
        if place > start and isinstance(one.error, EmptyInputError):
            return
        yield one
        place += one.bytes
        if one.error is not None or one.bytes == 0:
            return


def _print_verdict(printer: Printer, verdict: Verdict) -> None:
    code = verdict.code
    file = ascii_text(verdict.file)
    if code == OK:
        printer.line(f"{file}: ok: {_counts(verdict)}", "green")
        return
    printer.line(f"{file}: {outcome(code)}", "bold red")
    for number, survey in enumerate(verdict.surveys, 1):
        if survey.denials and len(verdict.surveys) > 1:
            printer.line(f"  pickle {number}:")
        for line, style in denial_lines(survey.denials):
            printer.line(line, style)
        if survey.error is not None and not isinstance(survey.error, PolicyError):
            printer.line(f"  {type(survey.error).__name__}: {error_line(survey.error)}", "red")
    if verdict.error is not None:
        printer.line(f"  {type(verdict.error).__name__}: {error_line(verdict.error)}", "red")


def _counts(verdict: Verdict) -> str:
    opcodes = sum(survey.opcodes for survey in verdict.surveys)
    calls = sum(survey.calls for survey in verdict.surveys)
    names = sorted({f"{module}:{name}" for survey in verdict.surveys for module, name in survey.globals})
    text = f"{counted(opcodes, 'opcode')}, {counted(calls, 'call')}"
    if names:
        text += f", globals: {ascii_text(', '.join(names[:_MOST_GLOBALS]))}"
    if len(names) > _MOST_GLOBALS:
        text += f" and {len(names) - _MOST_GLOBALS} more"
    return text


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "file": verdict.file,
        "outcome": outcome(verdict.code),
        "exit_code": verdict.code,
        "pickles": [
            {
                "opcodes": survey.opcodes,
                "calls": survey.calls,
                "globals": [{"module": module, "name": name} for module, name in survey.globals],
                "denials": denials_json(survey.denials),
                "error": None if survey.error is None else error_json(survey.error),
            }
            for survey in verdict.surveys
        ],
        "error": None if verdict.error is None else error_json(verdict.error),
    }


def _summary(verdicts: list[Verdict]) -> str:
    counts: dict[str, int] = {}
    for verdict in verdicts:
        word = outcome(verdict.code)
        counts[word] = counts.get(word, 0) + 1
    return f"{counted(len(verdicts), 'file')}: " + ", ".join(f"{count} {word}" for word, count in counts.items())


# -- packs ---------------------------------------------------------------------------------------------------


def packs(arguments: argparse.Namespace) -> int:
    """List the policy packs, or what one of them allows."""
    from ..policy.packs import load_pack, pack_names
    from ..policy.sources import read_source

    def action(document: dict[str, Any]) -> None:
        if arguments.name is None:
            policies = {name: load_pack(name) for name in pack_names()}
            about = {name: read_source(name).content.get("description", "") for name in policies}
            document["packs"] = [
                {**_pack_json(policy), "pack": name, "description": about[name]} for name, policy in policies.items()
            ]
            if arguments.format == "text":
                for name, policy in policies.items():
                    print(f"{name:<12} {counted(len(policy.rules), 'global'):>11}  {ascii_text(about[name])}")
        else:
            policy = load_pack(arguments.name)
            document |= {"pack": arguments.name, **_pack_json(policy), "rules": _rules_json(policy)}
            if arguments.format == "text":
                print(f"# {policy.name}: {len(policy.rules)} globals, fingerprint {policy.fingerprint}")
                for (module, name), rule in sorted(policy.rules.items()):
                    print(f"{module}:{name}  {' '.join(rule.rights.labels())}")

    return run_action(arguments, {"command": "packs"}, action)


def _pack_json(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "globals": len(policy.rules), "fingerprint": policy.fingerprint}


def _rules_json(policy: Policy) -> list[dict[str, Any]]:
    return [
        {"module": module, "name": name, "rights": list(rule.rights.labels()), "reason": rule.reason}
        for (module, name), rule in sorted(policy.rules.items())
    ]


# -- shared --------------------------------------------------------------------------------------------------


def run_action(
    arguments: argparse.Namespace, document: dict[str, Any], action: Callable[[dict[str, Any]], int | None]
) -> int:
    """Run a command: *action* fills in the JSON document, prints the text, and returns an exit code if it is not 0.

    What it puts in as an iterator is made while it is written, and may fail as the action itself.
    """
    error: BaseException | None = None
    written = Document(sys.stdout.write) if arguments.format == "json" else None
    try:
        code = action(document) or OK
        if written is not None:
            written.add(document)
    except BrokenPipeError:
        raise
    except EXPECTED as caught:
        error, code = caught, exit_code(caught)
    if written is not None:
        shown = None if error is None else error_json(error)
        written.add({**document, "error": shown, "outcome": outcome(code), "exit_code": code})
        written.end()
    elif error is not None:
        sys.stdout.flush()
        report_error(Printer(sys.stderr), document.get("file"), error)
    return code


def report_error(printer: Printer, file: str | None, error: BaseException) -> None:
    """Print an error with all that it refuses."""
    # A system's error names its file itself.
    shown = (
        ""
        if file is None or isinstance(error, (UsageError, OSError, PolicyFileError, KeyRingError))
        else f"{ascii_text(file)}: "
    )
    if isinstance(error, PolicyError):
        count = len({(denial.module, denial.name) for denial in error.denials})
        what = counted(count, "global")
        printer.line(f"safepickle: {shown}policy {quote(error.policy)} refuses {what}", "bold red")
        for line, style in denial_lines(error.denials):
            printer.line(line, style)
        if isinstance(error.__cause__, SafePickleError):
            printer.line(f"  and then: {error_line(error.__cause__)}", "red")
        return
    printer.line(f"safepickle: {shown}{error_line(error)}", "bold red")


def _policy_json(policy: Policy | None) -> dict[str, str] | None:
    return None if policy is None else {"name": policy.name, "fingerprint": policy.fingerprint}


def print_json(**document: Any) -> None:
    """Print the one document of a command."""
    written = Document(sys.stdout.write)
    written.add(document)
    written.end()
