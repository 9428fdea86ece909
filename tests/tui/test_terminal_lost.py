"""A console whose terminal goes away ends by itself, also when nobody sends it a signal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from console.account import open_tree
from console.link import wire
from engine.demo.account import DemoSpec, build_account
from tests.engines import attached, end_engine, heard

HANG_S = 180


@pytest.mark.row(339)
def test_a_lost_terminal_ends_the_console_and_not_the_engine(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    tree = open_tree(root, {})
    master, slave = pty.openpty()
    with ExitStack() as stack, os.fdopen(master, "rb", buffering=0) as terminal:
        stack.callback(end_engine, tree)
        console = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-P", "-m", "console", "console", "--root", str(root)],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env={**os.environ, "TERM": "xterm-256color"},
                start_new_session=True,  # no controlling terminal: no SIGHUP will come
            )
        )
        stack.callback(console.kill)
        os.close(slave)
        seen = b""
        while b"MUSE_DEEP_DEMO" not in seen:
            ready, _, _ = select.select([terminal], [], [], HANG_S)
            assert ready, seen[-500:]
            seen += terminal.read(65536)
        engine = stack.enter_context(attached(tree))  # from now on it does not end for want of a console
        terminal.close()
        assert console.wait(timeout=HANG_S) == 129
        engine.sendall(wire.pack({"id": 1, "verb": "quit", "arguments": {}}))
        assert b"the engine ends" in heard(engine, b'"reply":1'), "it was there, and goes when told"
