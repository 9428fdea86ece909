"""A whole account on disk, settings and all, for moveProducts as a command."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from console.cli.main import run
from engine.context import Context
from tests.builders import make_settings
from tests.released import MOVE, RENAME, keen, release_context

CLASSIC = """\
# Section 1
TOOL_MODE        INTER
SPECIAL_PLUGIN   NONE
# Section 2
RAW_TYPE   BIAS             | CALIB   | SELECT
RAW_TYPE   OBJECT           | SCIENCE | NONE
RAW_TYPE   PIXTABLE_OBJECT  | SCIENCE | NONE
RAW_TYPE   IMAGE_FOV        | SCIENCE | NONE
RAW_TYPE   PIXTABLE_REDUCED | SCIENCE | ALL
# Section 3
DELETE     BIAS | BIAS_RESIDUALS
# Section 4
png | YES
gif | NO
# Section 5
RENAME  CALIB   | YES
RENAME  SCIENCE | YES
"""


def account(root: Path, *, mode: str = "auto_all", classic: str = "", **changes: Any) -> Context:
    """An account whose ABs are certified by `mode`; `changes` replace sections, `classic` is a config.moveProducts."""
    context = release_context(root, keen())
    tree = context.tree
    lines = [f"export {name}={value}" for name, value in tree.variables.items()]
    lines.append(f"export DFO_INSTALL_DIR={tree.root}/install")
    (tree.root / ".dfosrc").write_text("\n".join(lines) + "\n")
    sections = {
        "move": {} if classic else MOVE.model_dump(mode="json"),
        "rename": RENAME.model_dump(mode="json"),
        "certification": {"review": ["bias", "combine"], "mode": mode},
        **changes,
    }
    bare = make_settings().model_dump(mode="json", include={"instance", "instrument", "streams", "kinds"})
    text = yaml.safe_dump({**bare, "instance": "MUSE", **{name: value for name, value in sections.items() if value}})
    (tree.config / "dfos.yaml").write_text(text)
    if classic:
        (tree.config / "config.moveProducts").write_text(classic)
    return context


def called(context: Context, *options: str) -> int:
    """`moveProducts` with these options on this account: its exit code."""
    try:
        return run("moveProducts", ["--root", str(context.tree.root), *options])
    except SystemExit as ended:  # a call that argparse refuses
        return int(ended.code or 0)


def asked(events: str, kind: str) -> list[dict[str, Any]]:
    """The events of one kind in the output of `--json`."""
    found = (json.loads(line) for line in events.splitlines() if line.startswith("{"))
    return [event for event in found if event["event"] == kind]


def touched(root: Path) -> Mapping[str, tuple[int, int, bytes]]:
    """Every file and directory of an account: time in ns, inode, content."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[os.fspath(path)] = (status.st_mtime_ns, status.st_ino, content)
    return found
