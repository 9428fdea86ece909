"""The commands: `dfos`, and the classic tool names.

Nothing heavy is imported here: `--help`, `-h` and `-v` answer at once. Each command lives in its
own module with `parser()` and `main(argv)`.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

from console import VERSION

# name -> (module, what it does); order as in the help
COMMANDS = {
    "console": ("console", "open the console on this account; starts the engine if none runs"),
    "demo": ("demo", "build a demo account and take its ABs from raw frames to the archive"),
    "status": ("status", "where everything stands, in a few lines"),
    "forecast": ("forecast", "what a pool will take before it starts: hours, memory, disk"),
    "why": ("why", "why an AB is not running"),
    "questions": ("questions", "the questions that wait for an answer"),
    "answer": ("answer", "answer a question, and let what waited for it go on"),
    "retry": ("retry", "run ABs again, with everything that depends on them"),
    "streams": ("streams", "how many ABs run at once; change it, or back to the configured number"),
    "jobs": ("jobs", "what waits in JOBS_INGEST and JOBS_EXPORT; run one, take one out"),
    "journal": ("journal", "what was moved, renamed, undone; finish what was cut"),
    "vcal": ("vcal", "the virtual calibrations: AB, age, and what became of each"),
    "undo": ("undo", "take the last createAB, move, rename or update of a MODE and DATE back"),
    "trash": ("trash", "what is in the trash; bring it back, delete what has expired"),
    "verify": ("verify", "does everything that was released of a date still stand as it was?"),
    "doctor": ("doctor", "all that is missing in this account, in one go"),
    "oca": ("oca", "check a rule file; explain what the rules make of a file, and why"),
    "config": ("config", "explain a setting, show the schema, import classic files"),
    "serve": ("serve", "the engine as a process of its own (the console starts it by itself)"),
    "createJob": ("create_job", "the job files of a date, or of one AB and all that depends on it"),
    "exec": ("execute", "carry out a job file: execAB_..., execQC_..., JOBS_NIGHT, JOBS_AUTO"),
    "phoenix": ("phoenix", "create, process, certify and move the ABs of a date or run"),
    "createAB": ("create", "make the ABs of a date from the headers of its raw files"),
    "filterRaw": ("filter_raw", "raw files that are unclassified, empty or unwanted"),
    "refreshVCAL": ("refresh_vcal", "make virtual calibrations anew from their ABs, beside VCAL"),
    "processAB": ("process", "run ABs by name, also such that ran before"),
    "processQC": ("process_qc", "measure, score and report the ABs of a date, or one AB"),
    "qcflag": ("qcflag", "what the score bits of a QCFLAG say"),
    "phoenixCertify_MUSE": ("certify", "certify the products of a run"),
    "moveProducts": ("move", "move certified products to their final names and places"),
    "renameProducts": ("rename", "give moved products their final names, or their PIPEFILE names back"),
    "updateAB": ("update", "final names and places into the ABs of a date"),
    "ingestProducts": ("ingest", "deliver moved products to the archive"),
    "cleanupProducts": ("cleanup", "replace archived FITS files by their headers"),
    "export": ("export", "logs and plots to the web servers"),
    "hostkey": ("host_key", "which web servers are trusted: list, add, remove host keys"),
}


def dfos(argv: list[str] | None = None) -> int:
    """The umbrella command `dfos`."""
    _streams()
    words = sys.argv[1:] if argv is None else argv
    if words[:1] in (["-v"], ["--version"]):
        print(f"dfos {VERSION}")
        return 0
    ahead: list[str] = []
    if len(words) > 1 and words[0] == "--root":
        ahead, words = words[:2], words[2:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if words[0] not in COMMANDS:
        print(f"dfos: '{words[0]}' is no command; dfos --help lists them", file=sys.stderr)
        return 2
    return run(words[0], words[1:] + ahead)


def usage() -> str:
    """The help text of the umbrella."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        (
            "usage: dfos [--root DIR] COMMAND [options]",
            "",
            "Association blocks from raw frames to archived products.",
            "",
            "commands:",
            *lines,
            "",
            "dfos COMMAND -h explains a command. The account is --root DIR, else $DFOS_ROOT, else the",
            "directory you stand in (or one above it) that holds a .dfosrc, else your home directory.",
            "exit codes: 0 clean, 1 some ABs failed, 2 usage or configuration, 3 an answer is needed,",
            "            4 busy, 5 unfinished journal, 10 and above other trouble, 130 interrupted",
        )
    )


def run(name: str, argv: list[str]) -> int:
    """Carry out one command; errors become one clear message and the exit code of the table."""
    _streams()
    _children()
    if "-v" in argv or "--version" in argv:
        print(f"{name} {VERSION}")
        return 0
    try:
        module = import_module(f"console.cli.{COMMANDS[name][0]}")
        return int(module.main(argv))
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as trouble:
        text, code = _told(trouble)
        if code is None:
            raise
        for line in text.splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        return int(code)


def _told(trouble: Exception) -> tuple[str, int | None]:
    """What is said of trouble, and the exit code; None for a fault of ours."""
    if isinstance(trouble, OSError):
        from engine.errors import DfosError, of_system

        return (text := of_system(trouble)), DfosError.exit_code if text else None
    return str(trouble), getattr(trouble, "exit_code", None)


def _streams() -> None:
    """A stream that was closed by the caller takes what is said to it and forgets it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - lives as long as the process


def _children() -> None:
    """Who started us may have told the system to forget children as they end: nobody could say how a recipe ended."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def phoenix() -> int:
    """The classic command `phoenix`."""
    return run("phoenix", sys.argv[1:])


def process_ab() -> int:
    """The classic command `processAB`."""
    return run("processAB", sys.argv[1:])


def phoenix_certify_muse() -> int:
    """The classic command `phoenixCertify_MUSE`."""
    return run("phoenixCertify_MUSE", sys.argv[1:])


def move_products() -> int:
    """The classic command `moveProducts`."""
    return run("moveProducts", sys.argv[1:])


def rename_products() -> int:
    """The classic command `renameProducts`."""
    return run("renameProducts", sys.argv[1:])


def ingest_products() -> int:
    """The classic command `ingestProducts`."""
    return run("ingestProducts", sys.argv[1:])


def cleanup_products() -> int:
    """The classic command `cleanupProducts`."""
    return run("cleanupProducts", sys.argv[1:])


def update_ab() -> int:
    """The classic command `updateAB`."""
    return run("updateAB", sys.argv[1:])


def create_ab() -> int:
    """The classic command `createAB`."""
    return run("createAB", sys.argv[1:])


def filter_raw() -> int:
    """The classic command `filterRaw`."""
    return run("filterRaw", sys.argv[1:])


def refresh_vcal() -> int:
    """The classic command `refreshVCAL`."""
    return run("refreshVCAL", sys.argv[1:])


def create_job() -> int:
    """The classic command `createJob`."""
    return run("createJob", sys.argv[1:])


def process_qc() -> int:
    """The classic command `processQC`."""
    return run("processQC", sys.argv[1:])
