"""A console whose terminal goes away ends by itself, also when nobody sends it a signal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.demo.account import DemoSpec, build_account


@pytest.mark.row(339)
def test_a_lost_terminal_ends_the_console_and_not_the_engine(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "console", "console", "--root", str(root)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,  # no controlling terminal: no SIGHUP will come
    ) as console:
        os.close(slave)
        seen = b""
        while b"MUSE_DEEP_DEMO" not in seen:
            ready, _, _ = select.select([master], [], [], 180)
            assert ready, seen[-500:]
            seen += os.read(master, 65536)
        os.close(master)
        assert console.wait(timeout=180) == 129
    engine = int(json.loads((root / "monitor/ENGINE/lock").read_text())["pid"])
    os.kill(engine, signal.SIGTERM)  # it was there, and goes when told
