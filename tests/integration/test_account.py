"""An account is found, its directories resolved once; what is wrong is listed in one go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import ConfigTrouble
from config.tree import DIRECTORIES
from console.account import find_root, open_settings, open_tree, read_account

SUB = {name: name.lower() for name in DIRECTORIES}


def make(root: Path, extra: str = "", skip: tuple[str, ...] = ()) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"export {name}=$DFOS_ROOT/{SUB[name]}" for name in DIRECTORIES if name not in skip]
    (root / ".dfosrc").write_text("\n".join(lines) + "\n" + extra)
    (root / SUB["DFO_CONFIG_DIR"]).mkdir(exist_ok=True)
    (root / SUB["DFO_CONFIG_DIR"] / "dfos.yaml").write_text("profile: MUSE_DEEP\n")
    return root


def problems(root: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigTrouble) as caught:
        open_tree(root, environ or {"HOME": "/nowhere"})
    return [problem.replace(str(root) + "/", "") for problem in caught.value.problems]


def test_the_root_is_what_was_named_then_the_variable_then_where_one_stands_then_home(tmp_path: Path) -> None:
    one, two, three = (make(tmp_path / name) for name in ("one", "two", "three"))
    below = one / "a" / "b"
    below.mkdir(parents=True)
    away = tmp_path / "away"
    away.mkdir()
    environ = {"HOME": str(three)}
    assert find_root(str(two), {**environ, "DFOS_ROOT": str(one)}, below) == two
    assert find_root("two", environ, tmp_path) == two
    assert find_root(None, {**environ, "DFOS_ROOT": str(two)}, below) == two
    assert find_root(None, environ, below) == one
    assert find_root(None, environ, away) == three


def test_a_named_root_without_an_account_is_no_guess(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    with pytest.raises(ConfigTrouble, match="--root"):
        find_root(str(tmp_path), {"HOME": str(home)}, home)
    with pytest.raises(ConfigTrouble, match="DFOS_ROOT"):
        find_root(None, {"HOME": str(home), "DFOS_ROOT": str(tmp_path)}, home)


def test_no_account_anywhere_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigTrouble, match="no account found") as caught:
        find_root(None, {"HOME": str(tmp_path / "home")}, tmp_path)
    assert str(tmp_path / "home") in str(caught.value)


def test_a_dfosrc_that_anybody_may_write_is_passed_by(tmp_path: Path) -> None:
    planted, home = make(tmp_path / "shared"), make(tmp_path / "home")
    (planted / ".dfosrc").chmod(0o666)
    assert find_root(None, {"HOME": str(home)}, planted) == home


def test_the_tree_holds_every_directory_and_the_line_that_set_it(tmp_path: Path) -> None:
    root = make(tmp_path / "a", "export DFO_INSTRUMENT=MUSE\n")
    tree = open_tree(root, {"HOME": "/nowhere"})
    for name, attribute in DIRECTORIES.items():
        assert getattr(tree, attribute) == root / SUB[name]
        assert tree.variables[name] == str(root / SUB[name])
    assert tree.origins["DFO_RAW_DIR"] == f"{root}/.dfosrc:1"
    assert tree.variables["DFO_INSTRUMENT"] == "MUSE"
    assert tree.shorten(tree.expand("$DFO_CAL_DIR/2014-10-22/x.fits")) == "$DFO_CAL_DIR/2014-10-22/x.fits"


def test_the_callers_variables_do_not_leak_in(tmp_path: Path) -> None:
    root = make(tmp_path / "a", skip=("DFO_RAW_DIR",))
    assert "not set: DFO_RAW_DIR" in problems(root, {"HOME": "/nowhere", "DFO_RAW_DIR": "/other/raw"})[0]


def test_all_that_is_missing_or_wrong_in_one_go(tmp_path: Path) -> None:
    root = make(
        tmp_path / "a",
        "export DFO_CAL_DIR=data/cal\nexport DFO_SCI_DIR=/etc/sci\nexport DFO_LOG_DIR=$DFOS_ROOT\n"
        "export DFS_PRODUCT=$DFO_AB_DIR\nexport DFO_PLT_DIR=$(pwd)\nexport TMP_DIR='/x y'\n"
        "export DFO_RAW_DIR=$DFO_AB_DIR/raw\nexport DFO_MON_DIR=$DFOS_ROOT/..\n",
        skip=("DFO_LST_DIR", "DFO_JOB_DIR"),
    )
    text = "\n".join(problems(root))
    assert "not set: DFO_LST_DIR, DFO_JOB_DIR;" in text
    assert ".dfosrc:13: DFO_CAL_DIR: data/cal is not absolute" in text
    assert ".dfosrc:14: DFO_SCI_DIR: /etc/sci belongs to the system" in text
    assert ".dfosrc:15: DFO_LOG_DIR:" in text
    assert "is the account itself or above it" in text
    assert "DFS_PRODUCT: the same directory as DFO_AB_DIR" in text
    assert ".dfosrc:17: DFO_PLT_DIR: command substitution" in text
    assert ".dfosrc:18: TMP_DIR: /x y holds blanks" in text
    assert ".dfosrc:19: DFO_RAW_DIR: lies inside DFS_PRODUCT" in text
    assert ".dfosrc:20: DFO_MON_DIR:" in text


def test_a_big_disk_elsewhere_is_lawful_and_told(tmp_path: Path) -> None:
    root = make(tmp_path / "a", f"export DFO_RAW_DIR={tmp_path}/disk/raw\n")
    account = read_account(root, {})
    assert account.outside == ("DFO_RAW_DIR",)
    assert open_tree(root, {}).raw == tmp_path / "disk" / "raw"


def test_both_names_of_the_log_directory_are_read(tmp_path: Path) -> None:
    root = make(tmp_path / "a", "export DFS_LOG=$DFOS_ROOT/dfslog\n", skip=("DFS_LOG_DIR",))
    assert open_tree(root, {}).dfs_log == root / "dfslog"


def test_the_overlay_of_an_instrument_overrides(tmp_path: Path) -> None:
    root = make(tmp_path / "a")
    (root / ".dfosrc_FORS2").write_text("export DFO_RAW_DIR=$DFOS_ROOT/preimg/raw\n")
    tree = open_tree(root, {"DFOS_OVERLAY": "FORS2"})
    assert tree.raw == root / "preimg" / "raw"
    assert tree.origins["DFO_RAW_DIR"] == f"{root}/.dfosrc_FORS2:1"
    assert ".dfosrc_VIMOS: cannot be read" in problems(root, {"DFOS_OVERLAY": "VIMOS"})[0]
    assert "not the name of an instrument" in problems(root, {"DFOS_OVERLAY": "../x"})[0]


def test_settings_stay_inside_the_account(tmp_path: Path) -> None:
    root = make(tmp_path / "a", "export DFO_INSTRUMENT=FORS2\n")
    tree = open_tree(root, {})
    with pytest.raises(ConfigTrouble) as caught:
        open_settings(tree, {}, ["archive.directory=/srv/archive", "process.work_area=$SCRATCH/x"])
    text = str(caught.value)
    assert "instrument: MUSE, but" in text
    assert "archive.directory: /srv/archive is outside the account" in text
    assert "'$SCRATCH/x' names a variable that .dfosrc does not set" in text


def test_dfosrc_may_name_a_work_area_elsewhere(tmp_path: Path) -> None:
    disk = tmp_path / "fast"
    root = make(tmp_path / "a", f"export WORK_DIR={disk}\nexport ABOVE={tmp_path}\nexport SYSTEM=/etc\n")
    tree = open_tree(root, {})
    for lawful in ("$WORK_DIR", "${WORK_DIR}/deeper"):
        assert open_settings(tree, {}, [f"process.work_area={lawful}"]).settings.process.work_area == lawful
    for outside in ("$WORK_DIR/../other", "$ABOVE/x", "$SYSTEM", str(disk)):
        with pytest.raises(ConfigTrouble, match="is outside the account"):
            open_settings(tree, {}, [f"process.work_area={outside}"])


def test_the_account_is_read_without_anything_heavy(tmp_path: Path) -> None:
    root = make(tmp_path / "a")
    code = (
        "import sys, pathlib; from console.account import find_root, open_tree;"
        f"open_tree(find_root(None, {{}}, pathlib.Path({str(root)!r})), {{}});"
        "print([m for m in ('yaml', 'pydantic', 'asyncio', 'numpy', 'astropy', 'textual') if m in sys.modules])"
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.row(433)
def test_an_empty_environment_is_enough(tmp_path: Path) -> None:
    root = make(tmp_path / "a")
    assert find_root(None, {}, root) == root
    assert open_settings(open_tree(root, {}), {}).settings.instance == "MUSE_DEEP"
    assert os.environ.get("DFO_RAW_DIR") is None
