"""What a command may import before it answers, proven in a fresh interpreter."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli.main import COMMANDS

HEAVY = {"textual", "astropy", "numpy", "matplotlib", "asyncssh", "aiohttp", "psutil"}
QUICK = HEAVY | {"asyncio", "pydantic", "yaml"}
CLASSIC = ("phoenix", "phoenixCertify_MUSE", "moveProducts", "ingestProducts")


def imported(code: str, directory: Path) -> tuple[int, set[str], str]:
    """Exit code, top-level modules, stdout of a fresh interpreter that runs `code`."""
    script = f"""
import sys, json
code = 0
try:
    {code}
except SystemExit as stop:
    code = stop.code or 0
print("\\n@" + json.dumps([code, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=directory, check=True, timeout=180
    )
    out, _, last = done.stdout.rpartition("@")
    code_, modules = json.loads(last)
    return code_, set(modules), out


@pytest.mark.row(23)
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "-v"])
def test_help_and_version_answer_at_once(name: str, option: str, tmp_path: Path) -> None:
    code, modules, out = imported(f"from console.cli.main import run; code = run({name!r}, [{option!r}])", tmp_path)
    assert code == 0
    assert name.partition(" ")[0] in out
    assert not modules & QUICK


@pytest.mark.parametrize("words", [["--help"], ["-v"], ["-h"]])
def test_the_umbrella_answers_at_once(words: list[str], tmp_path: Path) -> None:
    code, modules, out = imported(f"from console.cli.main import dfos; code = dfos({words!r})", tmp_path)
    assert code == 0 and "dfos" in out
    assert not modules & QUICK


def test_a_wrong_command_is_usage(tmp_path: Path) -> None:
    code, _, _ = imported("from console.cli.main import dfos; code = dfos(['frobnicate'])", tmp_path)
    assert code == 2


@pytest.mark.row(24)
@pytest.mark.parametrize("words", [[], ["-m", "CALIB"], ["-d", "2014-07-12"]])
def test_move_products_needs_mode_and_date(words: list[str], tmp_path: Path) -> None:
    code, _, _ = imported(f"from console.cli.main import run; code = run('moveProducts', {words!r})", tmp_path)
    assert code == 2


@pytest.mark.row(431)
def test_the_headless_path_never_sees_textual(tmp_path: Path) -> None:
    code = "import console.link.running, console.hosting.host, console.link.headless, engine.workflows.phoenix"
    _, modules, _ = imported(code, tmp_path)
    assert not modules & {"textual", "rich", "textual_image"}
    _, modules, _ = imported("import engine.workflows.phoenix", tmp_path)
    assert not modules & {"console", "screens"}


def test_classic_names_are_installed_commands(repository: Path) -> None:
    text = (repository / "pyproject.toml").read_text()
    for name in ("dfos", *CLASSIC):
        assert f"\n{name} = " in text


def sources(repository: Path) -> list[tuple[Path, ast.Module]]:
    found = []
    for package in ("config", "engine", "screens", "console"):
        found += [(path, ast.parse(path.read_text())) for path in (repository / package).rglob("*.py")]
    return found


@pytest.mark.row(435)
def test_no_shell_no_unsafe_yaml_no_prints_in_the_engine(repository: Path) -> None:
    wrong = []
    for path, tree in sources(repository):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            shell = any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords)
            if shell or name in (
                "os.system",
                "os.popen",
                "asyncio.create_subprocess_shell",
                "yaml.load",
                "eval",
                "exec",
            ):
                wrong.append(f"{path}:{node.lineno} {name}")
            if path.is_relative_to(repository / "engine") and name in ("print", "input"):
                wrong.append(f"{path}:{node.lineno} {name} in the engine")
    allowed = ("engine/demo/standin",)  # a program of its own, which prints as esorex does
    assert [line for line in wrong if not any(name in line for name in allowed)] == []


def test_the_engine_reads_no_environment(repository: Path) -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in sources(repository)
        if path.is_relative_to(repository / "engine") and "engine/demo" not in str(path)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("moveProducts", (0, 1, 2, 3, 4, 5, 10, 11, 13, 15, 16, 17, 130)),
        ("renameProducts", (0, 1, 2, 4, 5, 10, 13, 15, 17, 130)),
        ("updateAB", (0, 1, 2, 4, 5, 10, 11, 15, 130)),
        ("ingestProducts", (0, 2, 3, 4, 5, 10, 13, 15, 16, 130)),
        ("cleanupProducts", (0, 1, 2, 4, 5, 10, 13, 15, 16, 17, 130)),
        ("export", (0, 2, 4, 5, 10, 15, 16, 130)),
        ("undo", (0, 2, 3, 4, 5, 10, 15, 130)),
        ("trash", (0, 1, 2, 3, 4, 5, 10, 15, 130)),
        ("phoenix", (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 130)),
        ("phoenixCertify_MUSE", (0, 1, 2, 3, 4, 5, 10, 11, 13, 15, 16, 17, 130)),
    ],
)
def test_the_help_lists_the_exit_codes(name: str, codes: tuple[int, ...]) -> None:
    import re
    from importlib import import_module

    text = import_module(f"console.cli.{COMMANDS[name][0]}").parser().format_help()
    told = " ".join(text[text.index("exit codes:") :].split())
    assert tuple(int(code) for code in re.findall(r"(?:[:;] )(\d+) ", told)) == codes
