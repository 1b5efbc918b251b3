"""The commands on policies: learn, lint, explain, show and diff.

Rules that hold here:

* None of them imports or calls anything that a policy or a pickle names; ``learn`` and ``lint --corpus`` look at
  pickles through the inert tree.
* A file is written whole or not at all, and not at all where a pickle could not be read, unless the user says so.
* In text, reports go to standard output and errors to standard error. In JSON there is one document on standard output.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import SafePickleError, counted
from .commands import examine, run_action
from .drawing import Printer, ascii_text, denial_lines, denials_json, error_json, error_line
from .formats import trees
from .inputs import UsageError, parse_limits, resolve_policy, write_whole
from .outcomes import DENIED, DIFFERS, FINDINGS, OK, exit_code, worst

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from ..errors import Denial
    from ..inspection.tree import Tree
    from ..policy.learning import Learned
    from ..policy.lint import Corpus, Finding

__all__ = ["diff", "explain", "learn", "lint", "show"]


def _run(arguments: argparse.Namespace, command: str, action: Callable[[dict[str, Any]], int]) -> int:
    return run_action(arguments, {"command": f"policy {command}"}, action)


def _read_corpus(
    names: Sequence[str], arguments: argparse.Namespace, add: Callable[[Tree], None]
) -> list[tuple[str, SafePickleError | OSError]]:
    """Give all trees of some files to *add*, and return the files that cannot be read, with their errors."""
    limits = parse_limits(arguments.limits)
    broken: list[tuple[str, SafePickleError | OSError]] = []
    for name in names:
        try:
            for tree in list(trees(name, arguments, limits)):
                add(tree)
        except (SafePickleError, OSError) as error:
            broken.append((name, error))
    return broken


# -- learn ---------------------------------------------------------------------------------------------------


def learn(arguments: argparse.Namespace) -> int:
    """Write the least policy under which some files load."""
    from ..policy.learning import Learner

    def action(document: dict[str, Any]) -> int:
        if arguments.format == "json" and arguments.output == "-":
            raise UsageError("--format json prints to standard output: name a file with -o")
        learner = Learner(extends=arguments.extends, constraints=not arguments.no_constraints)
        broken = _read_corpus(arguments.files, arguments, learner.add)
        codes = [exit_code(error) for _, error in broken]
        printer = Printer(sys.stderr)
        document |= {"broken": [{"file": name, "error": error_json(error)} for name, error in broken]}
        if arguments.format == "text":
            for name, error in broken:
                printer.line(f"safepickle: {ascii_text(name)}: {error_line(error)}", "red")
        if broken and not (arguments.keep_going and len(broken) < len(arguments.files)):
            if arguments.format == "text":
                more = "" if len(broken) == len(arguments.files) else "; --keep-going leaves out what cannot be read"
                printer.line(f"safepickle: nothing was written{more}", "bold red")
            return worst(codes)
        learned = learner.finish(name=arguments.name)
        if arguments.output == "-":
            sys.stdout.write(learned.text)
        else:
            write_whole(arguments.output, learned.text.encode("ascii"))
        refused = _still_refused(arguments, learned, {name for name, _ in broken})
        document |= _learned_json(learned, arguments.output)
        document |= {"refused": [{"file": name, "denials": denials_json(denials)} for name, denials in refused]}
        if arguments.format == "text":
            _report_learned(printer, learned, arguments.output, arguments.extends)
            for name, denials in refused:
                printer.line(f"  {ascii_text(name)}: still refused", "bold yellow")
                for text, style in denial_lines(denials):
                    printer.line(text, style)
        return worst([*codes, DENIED if learned.withheld or refused else OK])

    return _run(arguments, "learn", action)


def _still_refused(
    arguments: argparse.Namespace, learned: Learned, broken: set[str]
) -> list[tuple[str, list[Denial]]]:
    """Return what is refused of the samples under the result: contracts hold, and what packs constrain."""
    withheld = {(one.module, one.name) for one in learned.withheld}
    found: list[tuple[str, list[Denial]]] = []
    for name in arguments.files:
        if name == "-" or name in broken:
            continue
        verdict = examine(name, arguments, learned.policy, parse_limits(arguments.limits))
        denials = [one for part in verdict.surveys for one in part.denials if one.pair not in withheld]
        if denials:
            found.append((name, denials))
    return found


def _learned_json(learned: Learned, output: str) -> dict[str, Any]:
    own = frozenset(learned.globals)
    return {
        "output": output,
        "pickles": learned.pickles,
        "policy": {"name": learned.policy.name, "fingerprint": learned.policy.fingerprint},
        "globals": [
            {"module": module, "name": name, "rights": list(rule.rights.labels())}
            for (module, name), rule in sorted(learned.policy.rules.items())
            if (module, name) in own
        ],
        "withheld": [one._asdict() for one in learned.withheld],
    }


def _report_learned(printer: Printer, learned: Learned, output: str, extends: Sequence[str]) -> None:
    printer.line(
        f"safepickle: learned {counted(len(learned.globals), 'global')} from {counted(learned.pickles, 'pickle')}"
        + (f", on top of {', '.join(extends)}" if extends else "")
        + ("" if output == "-" else f", written to {ascii_text(output)}")
    )
    for one in learned.withheld:
        where = "" if one.path is None else f" at {ascii_text(one.path)}"
        printer.line(f"  not allowed  {ascii_text(one.module)}:{ascii_text(one.name)}{where}", "bold yellow")
        printer.line(f"    WARNING: {ascii_text(one.reason)}", "bold yellow")


# -- lint ----------------------------------------------------------------------------------------------------


def lint(arguments: argparse.Namespace) -> int:
    """Say what an author of policies should know about them."""
    from ..policy.lint import WARNING, Corpus
    from ..policy.lint import lint as find
    from ..policy.sources import read_source

    def action(document: dict[str, Any]) -> int:
        corpus: Corpus | None = None
        if arguments.corpus:
            corpus = Corpus()
            for name, error in _read_corpus(arguments.corpus, arguments, corpus.add):
                # What a corpus does not say would make rules look unused.
                raise _unreadable(name, error)
        findings: list[Finding] = []
        for name in arguments.policies:
            findings += find(read_source(name), corpus)
        document |= {
            "policies": list(arguments.policies),
            "corpus": None if corpus is None else corpus.pickles,
            "findings": [finding._asdict() for finding in findings],
        }
        if arguments.format == "text":
            _print_findings(findings)
        return FINDINGS if any(finding.level == WARNING for finding in findings) else OK

    return _run(arguments, "lint", action)


def _unreadable(name: str, error: SafePickleError | OSError) -> UsageError:
    return UsageError(f"--corpus: {ascii_text(name)}: {error_line(error)}")


def _print_findings(findings: list[Finding]) -> None:
    printer = Printer(sys.stdout)
    for finding in findings:
        printer.line(ascii_text(str(finding)), "bold yellow" if finding.level == "warning" else "")
    warnings = sum(finding.level == "warning" for finding in findings)
    printer.line(f"{counted(warnings, 'warning')}, {counted(len(findings) - warnings, 'note')}")


# -- explain, show, diff -------------------------------------------------------------------------------------


def explain(arguments: argparse.Namespace) -> int:
    """Say what a policy says of one global, and what is known of it."""
    from ..policy.comparing import explain as explained

    def action(document: dict[str, Any]) -> int:
        policy = resolve_policy(arguments.policy)
        found = explained(policy, arguments.module, arguments.name)
        document |= {"policy": {"name": policy.name, "fingerprint": policy.fingerprint}, **found._asdict()}
        if arguments.format == "text":
            printer = Printer(sys.stdout)
            shown = ascii_text(f"{found.renamed[0]}:{found.renamed[1]}")
            if found.allowed:
                printer.line(f"{shown}: allowed by {policy.name}: {' '.join(found.rights) or 'everything'}", "green")
                rows = [("rule", found.source), ("because", found.reason)]
                rows += [("only if", text) for text in found.constraints]
            else:
                printer.line(f"{shown}: denied by {policy.name}: {found.denied_because}", "bold red")
                rows = [("to let it appear", found.suggestion)]
            for label, text in [*rows, *(("note", note) for note in found.notes)]:
                if text:
                    printer.line(f"  {label}: {ascii_text(text)}")
        return OK if found.allowed else DENIED

    return _run(arguments, "explain", action)


def show(arguments: argparse.Namespace) -> int:
    """Print a policy flattened: one file that means the same and extends nothing."""
    from ..policy.sources import flattened, read_source
    from ..policy.toml_text import comment
    from ..policy.toml_text import document as toml

    def action(document: dict[str, Any]) -> int:
        source = read_source(arguments.policy)
        content = flattened(source)
        fingerprint = source.policy.fingerprint
        document |= {"policy": {"name": source.policy.name, "fingerprint": fingerprint}, "content": content}
        if arguments.format == "text":
            print("\n".join(comment(f"{source.policy.name}, flattened; fingerprint {fingerprint}")))
            sys.stdout.write(toml(content))
        return OK

    return _run(arguments, "show", action)


def diff(arguments: argparse.Namespace) -> int:
    """Say what a second policy would change."""
    from ..policy.comparing import compare

    def action(document: dict[str, Any]) -> int:
        first, second = resolve_policy([arguments.first]), resolve_policy([arguments.second])
        changes = compare(first, second)
        widens = any(change.widens for change in changes)
        document |= {
            "first": {"name": first.name, "fingerprint": first.fingerprint},
            "second": {"name": second.name, "fingerprint": second.fingerprint},
            "changes": [change._asdict() for change in changes],
            "allows_more": widens,
        }
        if arguments.format == "text":
            printer = Printer(sys.stdout)
            for change in changes:
                printer.line(ascii_text(str(change)), "yellow" if change.widens else "")
            verdict = "no difference" if not changes else f"{counted(len(changes), 'change')}; "
            if changes:
                verdict += "the second may allow more" if widens else "the second allows no more"
            printer.line(verdict)
        return OK if not changes else FINDINGS if widens else DIFFERS

    return _run(arguments, "diff", action)
