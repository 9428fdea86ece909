"""`dfos doctor` names all that is missing in one go and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from config.tree import DIRECTORIES
from console.cli import doctor as command
from console.doctor.check import MISSING, OK, WARN, Check, as_json, as_text, verdict
from console.doctor.examine import examine

Account = Callable[..., Path]


@pytest.fixture
def account(tmp_path: Path) -> Account:
    def make(yaml: str = "process: {pipeline: stand-in}\n", extra: str = "", skip: tuple[str, ...] = ()) -> Path:
        root = tmp_path / "account"
        lines = [f"export {name}=$DFOS_ROOT/{name.lower()}" for name in DIRECTORIES if name not in skip]
        for name in DIRECTORIES:
            (root / name.lower()).mkdir(parents=True, exist_ok=True)
        (root / ".dfosrc").write_text("\n".join([*lines, "export DFO_INSTRUMENT=MUSE", extra]) + "\n")
        (root / "dfo_config_dir" / "dfos.yaml").write_text("profile: MUSE_DEEP\n" + yaml)
        return root

    return make


def words(checks: list[Check], group: str) -> dict[str, str]:
    return {check.name: check.word for check in checks if check.group == group}


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(root.rglob("*"))}


def test_a_complete_account_is_well_and_untouched(account: Account) -> None:
    root = account()
    before = snapshot(root)
    checks = examine(root, {})
    assert [check for check in checks if check.word == MISSING] == []
    assert verdict(checks) == 0
    assert words(checks, "plugins")["AB_PGI"] == OK
    assert as_text(checks).splitlines()[-1].startswith("0 missing, ")
    assert snapshot(root) == before


def test_everything_that_is_missing_is_named_at_once(account: Account) -> None:
    root = account(
        "process: {pipeline: esorex, esorex: esorex-of-nowhere}\nplugins: {HDR_PGI: pgi_of_nobody}\n",
        extra="export DFO_SCI_DIR=$(pwd)/sci",
        skip=("DFO_LST_DIR",),
    )
    (root / "dfo_raw_dir").rmdir()
    (root / "dfs_product").rmdir()
    (root / "dfs_product").write_text("a file")
    checks = examine(root, {})
    missing = [(check.group, check.name) for check in checks if check.word == MISSING]
    assert ("variables", "DFO_LST_DIR") in missing
    assert ("variables", ".dfosrc:15") in missing
    assert ("directories", "DFO_RAW_DIR") in missing
    assert ("directories", "DFS_PRODUCT") in missing
    assert ("tools", "esorex") in missing
    assert ("plugins", "HDR_PGI") in missing
    assert verdict(checks) == 2
    assert not (root / "dfo_raw_dir").exists()


def test_configuration_problems_are_listed_beside_missing_variables(account: Account) -> None:
    root = account("procces: {}\nstreams: many\n", skip=("DFO_LST_DIR",))
    names = words(examine(root, {}), "configuration")
    assert names == {"dfos.yaml:2": MISSING, "dfos.yaml:3": MISSING}


def test_without_esorex_the_stand_in_is_no_failure_in_a_demo_and_one_elsewhere(account: Account) -> None:
    text = "process: {pipeline: auto, esorex: esorex-of-nowhere}\n"
    checks = examine(account(f"{text}operational: true\n"), {})
    assert [(check.name, check.word) for check in checks if check.group == "tools"] == [("esorex", MISSING)]
    checks = examine(account(f"{text}operational: false\n"), {})
    tools = [check for check in checks if check.group == "tools"]
    assert [(check.name, check.word) for check in tools] == [("esorex", WARN)]
    assert "stand-in" in tools[0].found


def test_recipes_are_looked_for_by_kind(account: Account, tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    for recipe in ("muse_bias", "muse_scibasic", "muse_scipost", "muse_exp_combine", "muse_exp_align"):
        (folder / f"{recipe}.so").touch()
    root = account(f"process: {{pipeline: esorex, esorex: /bin/true, recipe_dir: {folder}}}\n")
    tools = words(examine(root, {}), "tools")
    assert tools["muse_bias"] == OK
    assert tools["muse_create_sky"] == MISSING


def test_a_directory_outside_the_account_warns_only(account: Account, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    checks = examine(account(extra=f"export DFO_RAW_DIR={tmp_path}/disk"), {})
    assert words(checks, "directories")["DFO_RAW_DIR"] == WARN
    assert verdict(checks) == 0


def test_too_little_space_is_missing(account: Account) -> None:
    checks = examine(account("process: {pipeline: stand-in, min_free_mb: 1000000000}\n"), {})
    assert set(words(checks, "space").values()) == {MISSING}


def test_a_lock_left_behind_is_told_and_stays(account: Account) -> None:
    root = account()
    state = root / "dfo_mon_dir" / "ENGINE"
    state.mkdir()
    lock = state / "lock"
    lock.write_text(json.dumps({"pid": 2**22 + 1, "user": "muse", "since": "2026-01-01T00:00:00"}))
    check = next(check for check in examine(root, {}) if check.name == "lock")
    assert "which has ended" in check.found
    assert lock.exists()
    lock.write_bytes(b"\xff{")
    assert words(examine(root, {}), "engine")["lock"] == WARN


def test_the_source_branch_must_bear_exactly_its_name(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    root = account("ab_source: MUSE_deep\nprocess: {pipeline: stand-in}\n")
    assert words(examine(root, {}), "configuration")["ab_source"] == WARN
    (root / "MUSE_DEEP").mkdir()
    assert words(examine(root, {}), "configuration")["ab_source"] == WARN
    exact = Path.is_dir
    # a disk that is blind to case finds MUSE_DEEP under the name MUSE_deep
    monkeypatch.setattr(Path, "is_dir", lambda path: exact(path) or path.name == "MUSE_deep")
    check = next(check for check in examine(root, {}) if check.name == "ab_source")
    assert (check.word, "really called MUSE_DEEP" in check.found) == (MISSING, True)
    monkeypatch.undo()
    (root / "MUSE_deep").mkdir()
    assert words(examine(root, {}), "configuration")["ab_source"] == OK


def test_the_command_prints_a_table_or_json(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    root = account()
    assert command.main(["--root", str(root)]) == 0
    assert "plugins\n" in capsys.readouterr().out
    assert command.main(["--root", str(root), "--json", "--set", "streams=x"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == 2
    assert {check["word"] for check in found["checks"]} <= {OK, WARN, MISSING}
    assert json.loads(as_json([]))["exit_code"] == 0


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("qc: {database: 'sqlite:////nowhere/qc1.sqlite'}\n", "there is no /nowhere/qc1.sqlite"),
        ("qc: {database: 'postgresql://me@127.0.0.1:1/qc1', password_file: $DFO_CONFIG_DIR/secret}\n", "0600"),
        ("qc: {database: 'postgresql://me@127.0.0.1:1/qc1'}\n", "refused"),
    ],
)
def test_a_qc1_database_that_takes_nothing_is_told(account: Account, yaml: str, said: str) -> None:
    root = account("process: {pipeline: stand-in}\n" + yaml)
    secret = root / "dfo_config_dir" / "secret"
    secret.write_text("x\n")
    secret.chmod(0o644)
    (check,) = [check for check in examine(root, {}) if check.group == "qc"]
    assert check.word == WARN and said in check.found and "rows wait" in check.found


def test_all_that_qc_slots_name_and_is_not_there_is_told(account: Account) -> None:
    root = account("process: {pipeline: stand-in}\nqc: {procedures: {mine: {scores: gone, table: lost}}}\n")
    found = [check.found for check in examine(root, {}) if check.group == "qc" and check.word == MISSING]
    assert len(found) == 2 and "scores/gone.yaml" in found[0] and "qc1/lost.yaml" in found[1]
