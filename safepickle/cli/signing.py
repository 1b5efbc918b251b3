"""The commands about signatures: ``keys``, ``sign``, ``verify``, ``resign``, and the options that ``load`` has of them.

Rules that hold here:

* No command prints a secret, and none takes one as an argument, where other users of the machine could see it.
* ``sign`` and ``resign`` look at an unsigned pickle under a policy first: a signature on what the policy refuses would
  lend it trust.
* Files are written whole or not at all; ``resign`` may be stopped and run again.
* In JSON there is one document on standard output whatever happened; progress goes to a terminal's standard error.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..errors import PolicyError, SafePickleError, counted, quote
from .drawing import Printer, ascii_text, error_json, error_line
from .inputs import UsageError, format_option, open_input, resolve_limits, resolve_policy
from .outcomes import exit_code, outcome, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..limits import Limits
    from ..policy.rules import Policy
    from ..signing.envelope import Context, Header
    from ..signing.keys import Key, KeyRing
    from ..signing.signer import Signer

__all__ = ["codec_options", "context_of", "key_options", "register"]

_EXPECTED = (SafePickleError, UsageError, OSError, MemoryError)

_KEYS = """\
Makes and changes key rings. A key ring is a file for its owner's eyes: one key signs, retired and staged keys
verify, revoked ones do nothing. Keep it apart from the data that it signs.

examples:
  safepickle keys new /etc/app/cache.keys
  safepickle keys rotate /etc/app/cache.keys --stage      (a new key, that readers get first)
  safepickle keys rotate /etc/app/cache.keys --to ID      (it signs from now on)
  safepickle keys revoke /etc/app/cache.keys ID           (what it signed is refused)
  safepickle keys list /etc/app/cache.keys
"""

_SIGN = """\
Signs a pickle, as a stream of chunks that are verified one by one. What the policy refuses is not signed, as far
as that is seen without making anything.

examples:
  safepickle sign report.pkl -o report.spk --keys report.keys --context report
  safepickle sign model.pkl -o model.spk --keys model.keys --unchecked
"""

_VERIFY = """\
Says of each file whether its signature verifies. Nothing is loaded, and a chunk at a time is in memory.

examples:
  safepickle verify report.spk --keys report.keys --context report --max-age 7d
  safepickle verify --keys cache.keys --format json cache/*.spk
"""

_RESIGN = """\
Signs the files of a folder again with the key that signs now, so that an older one can be revoked. Times stay as
they are. Files that the key has signed already are verified and left alone: a run that was stopped is taken up
by running it again.

examples:
  safepickle resign cache/ --keys cache.keys --pattern "*.spk"
  safepickle resign cache/ --keys cache.keys --context-name --unsigned --policy stdlib
"""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|d|w)?\Z")
_UNITS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


# -- options -------------------------------------------------------------------------------------------------


def _duration(text: str) -> float:
    match = _DURATION.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"not a time: {ascii(text)[:40]} (write seconds, or 10m, 2h, 7d)")
    return float(match[1]) * _UNITS[match[2]]


def key_options(command: argparse.ArgumentParser, *, required: bool, ages: bool) -> None:
    """Add the options that say which keys and what for."""
    command.add_argument(
        "--keys",
        metavar="FILE|env:NAME",
        required=required,
        help="the key ring: a file, or the environment variable that holds its text",
    )
    command.add_argument("--purpose", metavar="TEXT", help="what the keys are used for here (pickle)")
    command.add_argument(
        "--context",
        metavar="TEXT",
        action="append",
        default=[],
        help="what it is bound to, such as a cache's key; several are several parts",
    )
    if ages:
        command.add_argument(
            "--max-age", metavar="TIME", type=_duration, help="refuse what was signed longer ago, such as 90s, 2h, 7d"
        )


def context_of(arguments: argparse.Namespace) -> Context:
    """Return the context that the command line names."""
    return tuple(arguments.context) if arguments.context else None


def codec_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says about keys as keyword arguments of a codec.

    :raises UsageError: for options about signatures without ``--keys``.
    """
    if arguments.keys is None:
        if arguments.purpose is not None or arguments.context or arguments.max_age is not None:
            raise UsageError("--purpose, --context and --max-age are about signatures: they need --keys")
        return {}
    return {"keys": _ring(arguments.keys), "purpose": arguments.purpose, "max_age": arguments.max_age}


def _ring(name: str) -> KeyRing:
    from ..signing.keys import KeyRing

    if name.startswith("env:"):
        return KeyRing.from_env(name.removeprefix("env:"))
    return KeyRing.from_file(name)


def _signer(arguments: argparse.Namespace, limits: Limits | None = None) -> Signer:
    from ..signing.signer import DEFAULT_PURPOSE, Signer

    purpose = DEFAULT_PURPOSE if arguments.purpose is None else arguments.purpose
    try:
        if limits is None:
            return Signer(_ring(arguments.keys), purpose=purpose)
        return Signer(_ring(arguments.keys), purpose=purpose, max_bytes=limits.bound("max_bytes"))
    except ValueError as error:
        if isinstance(error, SafePickleError):
            raise
        raise UsageError(f"--purpose: {error}") from None


def register(
    groups: Any,
    add: Callable[[Any, str, str, str], argparse.ArgumentParser],
    policy_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add the commands to the command line."""
    command = add(groups, "keys", "make, rotate, retire, revoke and list keys", _KEYS)
    actions = command.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    from ..signing.algorithms import ALGORITHMS

    for name, (summary, examples, run) in _ACTIONS.items():
        text = "\n".join(("examples:", *(f"  safepickle keys {name} {example}" for example in examples)))
        action = add(actions, name, summary, f"{summary}\n\n{text}\n")
        action.set_defaults(run=_keys, change=run)
        action.add_argument("file", metavar="FILE", help="the key ring")
        if name in ("retire", "revoke"):
            action.add_argument("id", metavar="ID", help="the key")
        if name in ("new", "rotate"):
            action.add_argument("--id", metavar="ID", help="the new key's id (day and random digits)")
            action.add_argument("--algorithm", choices=tuple(ALGORITHMS), help="what the new key is for")
        if name == "rotate":
            way = action.add_mutually_exclusive_group()
            way.add_argument("--stage", action="store_true", help="add a key that only verifies for now")
            way.add_argument("--to", metavar="ID", help="let this key of the ring sign")
        format_option(action)

    command = add(groups, "sign", "sign a pickle", _SIGN)
    command.set_defaults(run=sign)
    command.add_argument("file", metavar="FILE", help="the pickle")
    command.add_argument("-o", "--output", metavar="OUT", required=True, help="file to write")
    key_options(command, required=True, ages=False)
    command.add_argument("--unchecked", action="store_true", help="sign whatever it is, under no policy")
    policy_options(command)

    command = add(groups, "verify", "verify signatures, without loading", _VERIFY)
    command.set_defaults(run=verify)
    command.add_argument("files", metavar="FILE", nargs="+", help="signed files, - for standard input")
    key_options(command, required=True, ages=True)
    format_option(command)

    command = add(groups, "resign", "sign the files of a folder with the present key", _RESIGN)
    command.set_defaults(run=resign)
    command.add_argument("folder", metavar="FOLDER", help="the folder; with all folders in it")
    key_options(command, required=True, ages=False)
    command.add_argument("--pattern", metavar="GLOB", default="*", help="which files, such as '*.spk' (all)")
    command.add_argument(
        "--context-name", action="store_true", help="each file's context ends with its path in the folder, with /"
    )
    command.add_argument("--unsigned", action="store_true", help="sign unsigned pickles too, if the policy allows them")
    policy_options(command)


# -- reports -------------------------------------------------------------------------------------------------


def _finish(arguments: argparse.Namespace, error: BaseException | None, code: int, **content: Any) -> int:
    """Print the JSON document or the error, and return the exit code."""
    if arguments.format == "json":
        from .commands import print_json

        shown = None if error is None else error_json(error)
        print_json(command=arguments.command, **content, error=shown, outcome=outcome(code), exit_code=code)
    elif error is not None:
        from .commands import report_error

        report_error(Printer(sys.stderr), getattr(arguments, "file", None), error)
    return code


def _instant(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s after 1970"


# -- keys ----------------------------------------------------------------------------------------------------


def _key_json(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "algorithm": key.algorithm.name,
        "state": key.state,
        "created": key.created,
        "changed": key.changed,
    }


def _keys(arguments: argparse.Namespace) -> int:
    from ..signing.keyfiles import write_ring
    from ..signing.keys import KeyRing

    arguments.command = f"keys {arguments.action}"
    ring: KeyRing | None = None
    error: BaseException | None = None
    try:
        if arguments.action == "new":
            changed_ring: KeyRing = _new(arguments)
            write_ring(arguments.file, changed_ring, new=True)
        else:
            before = KeyRing.from_file(arguments.file)
            changed_ring = arguments.change(before, arguments)
            if changed_ring != before:
                write_ring(arguments.file, changed_ring, instead_of=before)
        ring = changed_ring
    except _EXPECTED as caught:
        error = caught
    code = exit_code(error)
    if ring is not None and arguments.format == "text":
        for key in ring:
            changed = "" if key.changed == key.created else f", {key.state} since {_instant(key.changed)}"
            print(f"{key.id:<24} {key.state:<8} {key.algorithm.name:<12} made {_instant(key.created)}{changed}")
        if not ring.can_sign:
            print("safepickle: no key of this ring signs", file=sys.stderr)
    return _finish(
        arguments, error, code, file=arguments.file, keys=None if ring is None else [_key_json(key) for key in ring]
    )


def _new(arguments: argparse.Namespace) -> KeyRing:
    from ..signing.keys import DEFAULT_ALGORITHM, KeyRing

    return KeyRing.generate(arguments.id, algorithm=arguments.algorithm or DEFAULT_ALGORITHM)


def _rotate(ring: KeyRing, arguments: argparse.Namespace) -> KeyRing:
    from ..signing.keys import Key

    if arguments.to is not None:
        if arguments.id is not None or arguments.algorithm is not None:
            raise UsageError("--to names a key of the ring; --id and --algorithm are for a new one")
        return ring.promote(arguments.to)
    algorithm = arguments.algorithm or (ring.signing_key.algorithm.name if ring.can_sign else None)
    key = Key.generate(arguments.id, algorithm=algorithm) if algorithm else Key.generate(arguments.id)
    return ring.stage(key) if arguments.stage else ring.rotate(key)


#: By name: what it does, arguments as an example, and the change.
_ACTIONS: dict[str, tuple[str, tuple[str, ...], Callable[[KeyRing, argparse.Namespace], KeyRing]]] = {
    "new": (
        "Make a key ring with one new key, which signs.",
        ("cache.keys", "cache.keys --id 2026-spring --algorithm blake2b"),
        lambda ring, _: ring,
    ),
    "rotate": (
        "Let a new key sign; the one that did is retired, and verifies.",
        ("cache.keys", "cache.keys --stage", "cache.keys --to 2026-spring"),
        _rotate,
    ),
    "retire": (
        "Let a key verify only.",
        ("cache.keys 2026-spring",),
        lambda ring, arguments: ring.retire(arguments.id),
    ),
    "revoke": (
        "Let a key do nothing any more: what it signed is refused.",
        ("cache.keys 2026-spring",),
        lambda ring, arguments: ring.revoke(arguments.id),
    ),
    "list": ("Show the keys and their states; no secrets.", ("cache.keys",), lambda ring, _: ring),
}


# -- sign, verify --------------------------------------------------------------------------------------------


def _admit(file: IO[bytes], arguments: argparse.Namespace, policy: Policy, limits: Limits) -> None:
    """Look at an unsigned pickle under the policy, importing and calling nothing.

    :raises SafePickleError: if it would be refused.
    """
    from ..decoding.unpickler import survey
    from ..errors import TrailingDataError

    while True:
        found = survey(file, policy=policy, limits=limits, encoding=arguments.encoding)
        if found.denials:
            raise PolicyError(found.denials, policy=policy.name) from found.error
        if found.error is not None:
            raise found.error
        place = file.tell()
        if not file.read(1):
            return
        if not arguments.all:
            raise TrailingDataError("bytes follow the pickle")
        file.seek(place)


def _most(arguments: argparse.Namespace, limits: Limits) -> int | None:
    """Return how many bytes of a file show that it has too many; None for a file of any number of pickles."""
    return None if arguments.all else limits.bound("max_bytes") + 1


def sign(arguments: argparse.Namespace) -> int:
    """Sign a pickle."""
    from ..signing.files import whole_file
    from ..signing.resigning import private_copy, sign_file

    error: BaseException | None = None
    header: Header | None = None
    try:
        policy = resolve_policy(arguments.policy)
        limits = resolve_limits(arguments.limits, policy)
        signer = _signer(arguments)
        with Path(arguments.file).open("rb") as file:
            if arguments.unchecked:
                with whole_file(arguments.output) as target:
                    sign_file(file, target, signer, context_of(arguments))
            else:
                with private_copy(file, arguments.output, _most(arguments, limits)) as copy:
                    _admit(copy, arguments, policy, limits)
                    copy.seek(0)
                    with whole_file(arguments.output) as target:
                        sign_file(copy, target, signer, context_of(arguments))
        with Path(arguments.output).open("rb") as file:
            header = signer.read_header(file.read(256))
    except _EXPECTED as caught:
        error = caught
    if header is not None and arguments.format == "text":
        print(f"{ascii_text(arguments.output)}: signed by {header.key_id}")
    return _finish(
        arguments, error, exit_code(error), file=arguments.file, output=arguments.output, header=_header_json(header)
    )


def _header_json(header: Header | None) -> dict[str, Any] | None:
    from ..signing.envelope import describe

    return None if header is None else describe(header)


class _Verdict(NamedTuple):
    file: str
    header: Header | None
    error: BaseException | None

    def as_json(self) -> dict[str, Any]:
        code = exit_code(self.error)
        return {
            "file": self.file,
            "outcome": outcome(code),
            "exit_code": code,
            "header": _header_json(self.header),
            "error": None if self.error is None else error_json(self.error),
        }


def verify(arguments: argparse.Namespace) -> int:
    """Verify files without loading them."""
    from ..signing.streams import verify_file

    error: BaseException | None = None
    verdicts: list[_Verdict] = []
    printer = Printer(sys.stdout)
    try:
        signer = _signer(arguments)
    except _EXPECTED as caught:
        error = caught
    else:
        for name in arguments.files:
            try:
                with open_input(name) as file:
                    header = verify_file(file, signer, context_of(arguments), max_age=arguments.max_age)
                verdicts.append(_Verdict(name, header, None))
            except _EXPECTED as caught:
                verdicts.append(_Verdict(name, None, caught))
            if arguments.format == "text":
                _print_verdict(printer, verdicts[-1])
    code = exit_code(error) if error is not None else worst(exit_code(verdict.error) for verdict in verdicts)
    return _finish(arguments, error, code, files=[verdict.as_json() for verdict in verdicts])


def _print_verdict(printer: Printer, verdict: _Verdict) -> None:
    name = ascii_text(verdict.file)
    if verdict.header is not None:
        when = _instant(verdict.header.created / 1e6)
        printer.line(f"{name}: ok: signed by {verdict.header.key_id} at {when}", "green")
    elif verdict.error is not None:
        printer.line(f"{name}: {outcome(exit_code(verdict.error))}: {error_line(verdict.error)}", "bold red")


# -- resign --------------------------------------------------------------------------------------------------


class _Bar:
    """A bar on a terminal's standard error; nothing elsewhere."""

    WIDTH = 30

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = sys.stderr.isatty()

    def step(self, name: str) -> None:
        """Show that a file is next."""
        if self._shown:
            full = self.WIDTH * self._done // max(1, self._total)
            bar = "#" * full + "-" * (self.WIDTH - full)
            line = f"\r\033[K[{bar}] {self._done}/{self._total} {ascii_text(name)[-40:]}"
            print(line, end="", file=sys.stderr, flush=True)
        self._done += 1

    def end(self) -> None:
        """Take the bar away."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the regular files in a folder, in order; links are not followed, temporary files of ours are not taken."""
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and not path.is_symlink() and not (path.name.startswith(".") and path.name.endswith(".tmp")):
            yield path


def resign(arguments: argparse.Namespace) -> int:
    """Sign the files of a folder with the present key."""
    error: BaseException | None = None
    counts: dict[str, int] = {}
    failures: list[_Verdict] = []
    codes: list[int] = []
    try:
        policy = resolve_policy(arguments.policy)
        limits = resolve_limits(arguments.limits, policy)
        signer = _signer(arguments, limits)
        _ = signer.keys.signing_key  # or it is said here, once
        folder = Path(arguments.folder)
        if not folder.is_dir():
            raise UsageError(f"{quote(arguments.folder, 200)} is not a folder")
        files = list(_files(folder, arguments.pattern))
    except (*_EXPECTED, ValueError, NotImplementedError) as caught:
        error = UsageError(f"--pattern: {caught}") if type(caught) in (ValueError, NotImplementedError) else caught
        return _finish(arguments, error, exit_code(error), folder=arguments.folder, counts=counts, failures=[])
    bar = _Bar(len(files))
    try:
        for path in files:
            name = path.relative_to(folder).as_posix()
            bar.step(name)
            verdict = _resign_one(path, name, signer, arguments, policy, limits, counts)
            codes.append(exit_code(verdict.error))
            if verdict.error is not None:
                failures.append(verdict)
    finally:
        bar.end()
    if arguments.format == "text":
        printer = Printer(sys.stdout)
        for failure in failures:
            _print_verdict(printer, failure)
        summary = ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "nothing signed"
        printer.line(f"{counted(len(files), 'file')}: {summary}" + (f", {len(failures)} failed" if failures else ""))
    shown = [failure.as_json() for failure in failures]
    return _finish(arguments, None, worst(codes), folder=arguments.folder, counts=counts, failures=shown)


def _resign_one(
    path: Path,
    name: str,
    signer: Signer,
    arguments: argparse.Namespace,
    policy: Policy,
    limits: Limits,
    counts: dict[str, int],
) -> _Verdict:
    from ..signing.resigning import resign_file

    context: Sequence[str] = arguments.context
    if arguments.context_name:
        context = [*context, name]

    def admit(file: BinaryIO) -> None:
        _admit(file, arguments, policy, limits)

    try:
        what = resign_file(
            path,
            signer,
            tuple(context) or None,
            admit=admit if arguments.unsigned else None,
            most=_most(arguments, limits),
        )
    except _EXPECTED as caught:
        return _Verdict(str(path), None, caught)
    counts[what] = counts.get(what, 0) + 1
    return _Verdict(str(path), None, None)
