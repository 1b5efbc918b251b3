"""The command line: ``safepickle`` and ``python -m safepickle``.

Rules that hold here:

* Every command's ``--help`` has an example, and the exit codes are in the main one.
* Nothing heavy is imported before a command needs it.
* An interrupted or unread output is not success: exit codes are never 0 by accident (S12).
"""

from __future__ import annotations

import argparse
import codecs
import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..limits import LIMITS, MIB, Limit
from . import commands, looking, policies, signing
from .formats import kind_option
from .inputs import format_option
from .outcomes import DEFECT, EXIT_CODES, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def _shown_bound(row: Limit) -> str:
    if row.unit == "bytes" and row.default % MIB == 0:
        return f"{row.default // MIB} MiB"
    return f"{int(row.default):_}"


_EXITS = "\n".join(f"  {code:<3} {word:<13} {meaning}" for code, word, meaning in EXIT_CODES)
_LIMITS = "\n".join(f"  {row.name:<14} {_shown_bound(row):<12} {row.meaning} ({row.unit})" for row in LIMITS)

_MAIN = f"""\
exit codes:
{_EXITS}
  With several inputs, the smallest code above 0.

examples:
  safepickle load cache.pkl --policy stdlib
  safepickle check --format json incoming/*.pkl
"""

_LOAD = """\
Loads a pickle under a policy, within limits, and shows the value. What the policy does not name is refused,
and all of it is listed, with the policy line that would allow it.

examples:
  safepickle load settings.pkl
  safepickle load cache.pkl --policy stdlib --policy ./telemetry.toml
  safepickle load big.pkl --limits "max_bytes=1 GiB,max_memory=2 GiB" --format json
  safepickle load model.joblib.gz --as joblib --policy joblib --policy scikit-learn
  safepickle load report.spk --keys report.keys --context report --max-age 7d
"""

_CHECK = """\
Runs the same machine over the files, but imports, calls and sets nothing: it says what load would be refused.
What only an object shows (an array that does not fit its shape), load alone refuses.

examples:
  safepickle check upload.pkl
  safepickle check --policy stdlib --format json cache/*.pkl
"""

_DIS = """\
Prints the opcodes of a pickle, as pickletools does. Nothing is imported or called; what comes from the file
is escaped, and cut short unless --full is given.

examples:
  safepickle dis upload.pkl
  safepickle dis --annotate --all log.pkl
"""

_OPTIMIZE = """\
Writes a pickle of the same value without memo entries that nothing reads. The output file is written whole or
left as it was.

example:
  safepickle optimize model.pkl -o model.small.pkl
"""

_INSPECT = """\
Shows what a pickle asks for as a tree, without importing, calling or setting anything: classes and calls by name,
state, items, persistent ids; then the rights that a policy would have to grant, each with its place.

examples:
  safepickle inspect upload.pkl
  safepickle inspect --format json model.pkl
  safepickle inspect --as torch checkpoint.pt
"""

_POLICY = """\
Writes, checks, explains and compares policy files.

examples:
  safepickle policy learn samples/*.pkl -o telemetry.toml
  safepickle policy lint telemetry.toml --corpus samples/*.pkl
"""

_LEARN = """\
Writes the least policy under which some pickles load: exact globals, only the rights that they use, and constraints of
arguments and state where they were seen often enough. Nothing is imported or called. What is dangerous is marked in the
file and not allowed; then the exit code is 1. Read the file before you trust it.

examples:
  safepickle policy learn cache/*.pkl -o cache.toml
  safepickle policy learn model.pkl --extends numpy -o -
"""

_LINT = """\
Warns of rules that hand over more than they say, of constructors without a bound, of duplicate and shadowed rules and,
with a corpus, of rules that nothing uses. Exit code 9 if there is a warning.

examples:
  safepickle policy lint cache.toml
  safepickle policy lint cache.toml --corpus samples/*.pkl --format json
"""

_EXPLAIN = """\
Says what a policy says of one global: allowed or denied, by which rule, with which constraints; and what is known of
it.

examples:
  safepickle policy explain decimal Decimal --policy stdlib
  safepickle policy explain functools partial --policy ./cache.toml
"""

_SHOW = """\
Prints a policy flattened: one file that means the same and extends nothing.

examples:
  safepickle policy show ./cache.toml
  safepickle policy show stdlib --format json
"""

_DIFF = """\
Says what a second policy would change. Exit code 0: nothing; 10: it allows no more; 9: it may allow more.

examples:
  safepickle policy diff old.toml new.toml
  safepickle policy diff stdlib ./cache.toml --format json
"""

_PACKS = """\
Lists the policies that come with safepickle, or all that one of them allows.

examples:
  safepickle packs
  safepickle packs stdlib
"""


class _Version(argparse.Action):
    """Prints the version; a class, because looking it up takes an import that no other run needs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        from .._forms import COMPILED

        try:
            number = version("safepickle-codec")
        except PackageNotFoundError:
            number = "(not installed)"
        print(f"safepickle {number}, {'compiled' if COMPILED else 'running as Python'}")
        parser.exit(0)


def _encoding(name: str) -> str:
    if name == "bytes":
        return name
    try:
        codecs.lookup(name)
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(f"there is no encoding {ascii(name)[:80]}") from None
    return name


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) <= 18 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"not a number of at least 1: {ascii(text)[:40]}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="safepickle",
        description="Loads, checks, takes apart, signs and verifies pickles, under a policy and within limits.",
        epilog=_MAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    groups = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    command = _command(groups, "load", "load a pickle and show its value", _LOAD)
    command.set_defaults(run=commands.load)
    command.add_argument("file", metavar="FILE", help="the pickle, - for standard input")
    _policy_options(command)
    kind_option(command)
    command.add_argument(
        "--show", type=_positive, default=10_000, metavar="N", help="show at most N parts of a value (10000)"
    )
    signing.key_options(command, required=False, ages=True)

    command = _command(groups, "check", "would it load? says what would be refused", _CHECK)
    command.set_defaults(run=commands.check)
    command.add_argument("files", metavar="FILE", nargs="+", help="pickles, - for standard input")
    _policy_options(command)
    kind_option(command)

    _looking_commands(groups)
    _policy_commands(groups)

    command = _command(groups, "packs", "list the policies that come with safepickle", _PACKS)
    command.set_defaults(run=commands.packs)
    command.add_argument("name", metavar="PACK", nargs="?", help="show all that this one allows")
    format_option(command)
    signing.register(groups, _command, _policy_options)
    return parser


def _looking_commands(groups: Any) -> None:
    command = _command(groups, "inspect", "show what a pickle asks for, as a tree", _INSPECT)
    command.set_defaults(run=looking.inspect)
    command.add_argument("file", metavar="FILE", help="the pickle, - for standard input")
    command.add_argument(
        "--show", type=_positive, default=10_000, metavar="N", help="show at most N parts of a value (10000)"
    )
    _pickle_options(command)
    kind_option(command)

    command = _command(groups, "dis", "print the opcodes of a pickle", _DIS)
    command.set_defaults(run=looking.dis)
    command.add_argument("file", metavar="FILE", help="the pickle, - for standard input")
    command.add_argument("--annotate", action="store_true", help="say what each opcode does")
    command.add_argument("--full", action="store_true", help="print long arguments whole")
    command.add_argument("--all", action="store_true", help="go on with the pickles that follow in the file")
    command.add_argument("--memo", action="store_true", help="keep the memo from one pickle to the next")
    format_option(command)
    _limits_option(command)

    command = _command(groups, "optimize", "write a shorter pickle of the same value", _OPTIMIZE)
    command.set_defaults(run=looking.optimize)
    command.add_argument("file", metavar="FILE", help="the pickle, - for standard input")
    command.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="file to write, - for standard output"
    )
    format_option(command)
    _limits_option(command)


def _policy_commands(groups: Any) -> None:
    parent = _command(groups, "policy", "learn, lint, explain, show and compare policies", _POLICY)
    parent.set_defaults(run=None, parser=parent)
    inner = parent.add_subparsers(title="commands", metavar="COMMAND", dest="policy_command")

    command = _command(inner, "learn", "write the least policy under which some pickles load", _LEARN)
    command.set_defaults(run=policies.learn)
    command.add_argument("files", metavar="FILE", nargs="+", help="pickles, - for standard input")
    command.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="file to write, - for standard output"
    )
    command.add_argument("--name", default="learned", help="the policy's name (learned)")
    command.add_argument(
        "--extends", metavar="PACK", action="append", default=[], help="build on a pack: leave out what it allows"
    )
    command.add_argument("--no-constraints", action="store_true", help="only globals and rights")
    command.add_argument("--keep-going", action="store_true", help="leave out what cannot be read")
    _pickle_options(command)
    kind_option(command)

    command = _command(inner, "lint", "warn of what a policy hands over", _LINT)
    command.set_defaults(run=policies.lint)
    command.add_argument("policies", metavar="PACK|FILE", nargs="+", help="packs or policy files")
    command.add_argument("--corpus", metavar="FILE", nargs="+", default=[], help="pickles that the policy is for")
    _pickle_options(command)
    kind_option(command)

    command = _command(inner, "explain", "say what a policy says of one global", _EXPLAIN)
    command.set_defaults(run=policies.explain)
    command.add_argument("module", metavar="MODULE", help="the module, as in a pickle")
    command.add_argument("name", metavar="NAME", help="the global's name in it")
    _policy_option(command)
    format_option(command)

    command = _command(inner, "show", "print a policy flattened", _SHOW)
    command.set_defaults(run=policies.show)
    command.add_argument("policy", metavar="PACK|FILE", help="a pack or a policy file")
    format_option(command)

    command = _command(inner, "diff", "say what a second policy would change", _DIFF)
    command.set_defaults(run=policies.diff)
    command.add_argument("first", metavar="A", help="a pack or a policy file")
    command.add_argument("second", metavar="B", help="another one")
    format_option(command)


def _command(groups: Any, name: str, summary: str, text: str) -> argparse.ArgumentParser:
    description, _, examples = text.partition("\n\n")
    command: argparse.ArgumentParser = groups.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return command


def _policy_options(command: argparse.ArgumentParser) -> None:
    _policy_option(command)
    _pickle_options(command)


def _policy_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--policy",
        metavar="PACK|FILE",
        action="append",
        default=[],
        help="a pack's name or a policy file (with '/' or '.'); several add up; plain data only without",
    )


def _pickle_options(command: argparse.ArgumentParser) -> None:
    _limits_option(command)
    format_option(command)
    command.add_argument(
        "--encoding",
        type=_encoding,
        default="ASCII",
        help="of Python 2's str: ASCII (default), latin1, bytes, ...",
    )
    command.add_argument("--all", action="store_true", help="several pickles, one after another in the file")


def _limits_option(command: argparse.ArgumentParser) -> None:
    command.epilog = f"{command.epilog or ''}\nlimits and their defaults:\n{_LIMITS}"
    command.add_argument(
        "--limits",
        metavar="NAME=VALUE,...",
        action="append",
        default=[],
        help='change limits, such as max_bytes="64 MiB"; none lifts one',
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _have_streams()
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else UNREADABLE
    if getattr(arguments, "run", None) is None:
        getattr(arguments, "parser", parser).print_help(sys.stderr)
        return UNREADABLE
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output stopped early. What they saw is not the whole answer, so this is not success.
        _drop_output()
        return UNREADABLE
    except OSError as error:
        # Commands report what they cannot read themselves: this is the output, on a full disk for one.
        _drop_output()
        with suppress(OSError):
            print(f"safepickle: the output cannot be written: {error}", file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        return 130
    except Exception:
        traceback.print_exc()
        return DEFECT
    return code


def _have_streams() -> None:
    """Put the null device in the place of standard streams that were closed, which a file of ours would take else.

    For the output it is open to be read: an answer that nobody can get is no success.
    """
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _drop_output() -> None:
    """Keep the interpreter from failing once more when it closes the stream."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
