"""Plugins are found before anything moves, by either name; executables propose, the account stays untouched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from config.schema import Move, Plugins
from config.tree import DfoTree
from console.plugins import find as plugins
from console.plugins.shell_pgi import ShellPgi
from engine.core.ab import AB
from engine.errors import PluginTrouble
from engine.processes import start_of
from tests.builders import make_ab, make_settings, make_tree
from tests.fakes import text_of, until


@pytest.fixture
def tree(tmp_path: Path) -> DfoTree:
    return make_tree(tmp_path)


def script(tree: DfoTree, name: str, body: str, mode: int = 0o755) -> Path:
    path = tree.bin / name
    path.write_text("#!/bin/sh\n" + body + "\n")
    path.chmod(mode)
    return path


def settings(special: str = "NONE", **slots: Any) -> Any:
    return make_settings(plugins=Plugins(**slots), move=Move(special_plugin=special))


def pgi(tree: DfoTree, body: str, timeout_s: float = 20.0) -> ShellPgi:
    return ShellPgi(script(tree, "pgi_test", body), tree, timeout_s)


@pytest.mark.row(311)
@pytest.mark.parametrize("name", ["pgi_phoenix_MUSE_AB_deep", "pgi_phoenix_MUSE_AB_DEEP"])
def test_both_spellings_are_one_plugin(tree: DfoTree, name: str) -> None:
    found = plugins.load(settings(AB_PGI=name), tree)["AB_PGI"]
    assert found.__name__ == "engine.pgis.pgi_phoenix_MUSE_AB_deep"


@pytest.mark.row(393)
def test_every_slot_is_listed_with_plugin_and_whether_it_is_found(tree: DfoTree) -> None:
    script(tree, "pgi_own", "true")
    rows = {row[0]: row for row in plugins.slots(settings("pgi_own", PRE_PLUGIN="pgi_preTPL", HDR_PGI="pgi_x"), tree)}
    assert set(rows) == {
        "AB_PGI", "HDR_PGI", "JOB_PGI", "CERTIF_PGI", "PRE_PLUGIN", "POST_PLUGIN", "FINAL_PLUGIN", "PGI_COVER",
        "QC_FINAL_PLUGIN",
        "SPECIAL_PLUGIN", "CLEANUP_PLUGIN", "RENAME_PRE_PLUGIN", "RENAME_SPECIAL_PLUGIN",
        "START_MONITOR_PLUGIN", "END_MONITOR_PLUGIN",
    }  # fmt: skip
    assert rows["PRE_PLUGIN"] == ("PRE_PLUGIN", "pgi_preTPL", True, "shipped: pgi_preTPL")
    assert rows["SPECIAL_PLUGIN"] == ("SPECIAL_PLUGIN", "pgi_own", True, "$DFO_BIN_DIR/pgi_own")
    assert rows["HDR_PGI"][2] is False
    assert rows["AB_PGI"][1:3] == ("", True)


@pytest.mark.row(42)
def test_none_is_no_plugin(tree: DfoTree) -> None:
    assert plugins.load(settings("NONE", PRE_PLUGIN="none"), tree) == {}


def test_the_certification_tool_is_part_of_the_console(tree: DfoTree) -> None:
    assert plugins.load(settings(CERTIF_PGI="phoenixCertify_MUSE"), tree) == {}
    with pytest.raises(PluginTrouble):
        plugins.load(settings(AB_PGI="phoenixCertify_MUSE"), tree)


def test_all_that_are_missing_are_named_at_once(tree: DfoTree) -> None:
    with pytest.raises(PluginTrouble) as caught:
        plugins.load(settings("pgi_nobody", HDR_PGI="pgi_nowhere", PRE_PLUGIN="pgi_preTPL"), tree)
    assert "HDR_PGI pgi_nowhere" in str(caught.value)
    assert "SPECIAL_PLUGIN pgi_nobody" in str(caught.value)
    assert "PRE_PLUGIN" not in str(caught.value)


def test_a_plugin_in_the_wrong_slot_is_refused(tree: DfoTree) -> None:
    with pytest.raises(PluginTrouble, match="has no 'finish', which FINAL_PLUGIN needs"):
        plugins.load(settings(FINAL_PLUGIN="pgi_preTPL"), tree)


@pytest.mark.parametrize("name", ["../evil", "/bin/true", ".hidden", "a b", "sub/pgi"])
def test_names_with_slashes_are_refused(tree: DfoTree, name: str) -> None:
    with pytest.raises(PluginTrouble, match="no name of a plugin"):
        plugins.load(settings(PRE_PLUGIN=name), tree)


def test_dotted_paths_only_from_listed_modules(tree: DfoTree) -> None:
    name = "engine.pgis.pgi_preTPL:prepare"
    with pytest.raises(PluginTrouble, match=r"not listed in plugins\.modules"):
        plugins.load(settings(PRE_PLUGIN=name), tree)
    with pytest.raises(PluginTrouble, match="has no 'prepare'"):
        plugins.load(settings(PRE_PLUGIN=name, modules=("engine.pgis.pgi_preTPL",)), tree)
    with pytest.raises(PluginTrouble, match="cannot be loaded"):
        plugins.load(settings(PRE_PLUGIN="no.such:Thing", modules=("no.such",)), tree)
    found = plugins.load(settings(PRE_PLUGIN="engine.pgis:pgi_preTPL", modules=("engine.pgis",)), tree)
    assert found["PRE_PLUGIN"].__name__ == "engine.pgis.pgi_preTPL"


def test_an_executable_anybody_may_write_is_refused(tree: DfoTree) -> None:
    script(tree, "pgi_open", "true", 0o777)
    with pytest.raises(PluginTrouble, match="may be written by everybody"):
        plugins.load(settings(PRE_PLUGIN="pgi_open"), tree)
    script(tree, "pgi_open", "true", 0o755)
    tree.bin.chmod(0o777)
    with pytest.raises(PluginTrouble, match="may be written by everybody"):
        plugins.load(settings(PRE_PLUGIN="pgi_open"), tree)


def test_a_file_that_is_no_program_is_refused(tree: DfoTree) -> None:
    script(tree, "pgi_text", "true", 0o644)
    (tree.bin / "pgi_dir").mkdir()
    for name in ("pgi_text", "pgi_dir"):
        with pytest.raises(PluginTrouble, match="not executable"):
            plugins.load(settings(PRE_PLUGIN=name), tree)


def test_executables_that_differ_in_case_only_are_ambiguous_unless_named(tree: DfoTree) -> None:
    script(tree, "pgi_one", "true")
    script(tree, "PGI_ONE", "true")
    assert plugins.load(settings(PRE_PLUGIN="PGI_ONE"), tree)["PRE_PLUGIN"].name == "PGI_ONE"
    with pytest.raises(PluginTrouble, match="ambiguous"):
        plugins.load(settings(PRE_PLUGIN="Pgi_One"), tree)


def test_a_shell_plugin_edits_a_copy_and_that_is_its_proposal(tree: DfoTree) -> None:
    ab = make_ab()
    (tree.ab / ab.name).write_bytes(ab.render())
    body = 'echo "RECIPE_PARAM --x=1 $MODE $DATE" >> "$DFO_AB_DIR/$1"; [ "$AB" = "$1" ]'
    proposed = pgi(tree, body).prepare(ab)
    assert proposed.params[-1] == f"--x=1 {ab.mode} {ab.date}"
    assert (tree.ab / ab.name).read_bytes() == ab.render()
    assert list(tree.tmp.iterdir()) == []


def test_a_shell_plugin_gets_the_accounts_variables_and_no_others(
    tree: DfoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("DFO_RAW_DIR", "/of/another/account")
    lines = pgi(tree, "env; cat").cover(make_ab(), ())
    assert f"DFO_RAW_DIR={tree.raw}" in lines
    assert not any(line.startswith("SECRET_TOKEN") for line in lines)


def test_a_special_plugin_withholds_by_taking_away(tree: DfoTree) -> None:
    folder = tree.product / "OBJECT" / "2094-01-16"
    folder.mkdir(parents=True)
    files = tuple(str(folder / f"r.MUSE.x_{number:04d}.fits") for number in range(3))
    for file in files:
        Path(file).write_text("precious")
    body = 'rm "$DFS_PRODUCT/OBJECT/$DATE/"*_0001.fits; [ "$MODE" = SCIENCE ]; [ $(wc -l < $FILE_LIST) = 3 ]'
    assert pgi(tree, body).keep("SCIENCE", "2094-01-16", files, {}) == (files[1],)
    assert all(Path(file).read_text() == "precious" for file in files)


def test_new_product_categories_are_printed(tree: DfoTree) -> None:
    found = pgi(tree, "while read name catg; do echo $name NEW_$catg; done < $FILE_LIST")
    assert found.finish(make_ab(), (("a.fits", "CUBE"),), {}) == {"a.fits": "NEW_CUBE"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("echo the disk is on fire >&2; exit 3", "failed with exit code 3: the disk is on fire"),
        ("kill -9 $$", "failed with signal 9"),
        ('rm "$DFO_AB_DIR/$1"', "removed the AB"),
        ('echo > "$DFO_AB_DIR/$1"', "cannot be read"),
    ],
)
def test_a_plugin_that_fails_says_so_and_changes_nothing(tree: DfoTree, body: str, word: str) -> None:
    with pytest.raises(PluginTrouble, match=word):
        pgi(tree, body).prepare(make_ab())
    assert list(tree.tmp.iterdir()) == []


def hung(tree: DfoTree, body: str, note: Path) -> int:
    """The pid that a plugin noted before it hung; a busy machine may need more time to get there."""
    for limit in (0.5, 5, 50):
        with pytest.raises(PluginTrouble, match="did not end within"):
            pgi(tree, body, limit).notify(make_ab())
        if text_of(note).endswith("\n"):
            break
    return int(text_of(note))


async def test_a_plugin_that_hangs_is_terminated_with_its_children(tree: DfoTree, tmp_path: Path) -> None:
    child = hung(tree, f"sleep 1000 & echo $! > {tmp_path / 'pid'}; wait", tmp_path / "pid")
    await until(lambda: not start_of(child))


async def test_what_has_left_the_group_of_a_plugin_is_terminated_too(tree: DfoTree, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = f"setsid sh -c 'echo $$ > {note}; exec sleep 1000' & while [ ! -s {note} ]; do :; done; wait; sleep 1000"
    child = hung(tree, body, note)
    await until(lambda: not start_of(child))


def test_a_plugin_without_an_interpreter_is_trouble(tree: DfoTree) -> None:
    path = tree.bin / "pgi_broken"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    with pytest.raises(PluginTrouble, match="cannot be started"):
        ShellPgi(path, tree, 5).notify(make_ab())


def test_an_ab_plugin_may_add_abs(tree: DfoTree) -> None:
    ab: AB = make_ab()
    body = (
        'sed "s/$1/MUSE.2014-10-23T00:00:00.000.ab/" "$DFO_AB_DIR/$1" > "$DFO_AB_DIR/MUSE.2014-10-23T00:00:00.000.ab"'
    )
    assert [found.name for found in pgi(tree, body).propose((ab,))] == [ab.name, "MUSE.2014-10-23T00:00:00.000.ab"]


def test_options_are_found_under_either_name() -> None:
    found = settings(options={"pgi_phoenix_MUSE_AB_DEEP": {"a": "b"}})
    assert plugins.options(found, "pgi_phoenix_MUSE_AB_deep") == {"a": "b"}
    assert plugins.options(found, "pgi_preTPL") == {}


def test_a_timeout_that_is_no_number_is_refused(tree: DfoTree) -> None:
    script(tree, "pgi_own", "true")
    with pytest.raises(PluginTrouble, match="timeout_s"):
        plugins.load(settings(PRE_PLUGIN="pgi_own", options={"pgi_own": {"timeout_s": "soon"}}), tree)
    assert os.access(tree.bin / "pgi_own", os.X_OK)
