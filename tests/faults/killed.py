"""Real commands that are gone (SIGKILL) at a moment of their own: it always comes, however busy the machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fakes import LIMIT_S

_AT_AN_EVENT = """
import json, os, signal, sys
from console.cli.main import dfos
from console.link.headless import JsonLines
from engine.events import encode

words, write = json.loads(sys.argv.pop(1)), JsonLines.__call__

def written(self, stamped):
    write(self, stamped)
    line = json.dumps(encode(stamped))
    if words and all(word in line for word in words):
        os.kill(os.getpid(), signal.SIGKILL)

JsonLines.__call__ = written
sys.exit(dfos())
"""
_AT_A_CALL = """
import os, signal, sys
from console.cli.main import dfos
from engine.atomic import fs

at, calls = int(sys.argv.pop(1)), 0

def probe(verb, path):
    global calls
    calls += 1
    if calls == at:
        os.kill(os.getpid(), signal.SIGKILL)

with fs.probed(probe):
    code = dfos()
print(calls, file=sys.stderr)
sys.exit(code)
"""


def at_an_event(words: Sequence[str], *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`dfos` with `--json`, killed right after the first event that has all of `words` in its line; never without."""
    return _called(_AT_AN_EVENT, json.dumps(words), command, cwd)


def at_a_call(number: int, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`dfos`, killed before mutating call `number`; 0: never, then the last line of stderr says how many it made."""
    return _called(_AT_A_CALL, str(number), command, cwd)


def _called(script: str, when: str, command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", script, when, *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
