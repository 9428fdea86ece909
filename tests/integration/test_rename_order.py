"""renameProducts as a tool: the final directory, its script, its plugins, hostile input."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.codes import Code, Rename
from console.cli import rename as command
from console.plugins.shell_pgi import ShellPgi
from engine import events as ev
from engine.context import Context
from engine.errors import MoveTrouble, PluginTrouble, UsageTrouble
from engine.pgi import NameReview
from engine.pgis import pgi_phoenix_MUSE_renameP
from engine.release.rename.look import look, place_of
from engine.release.rename.order import Wish, ordered, planned
from tests.builders import record
from tests.released import NIGHT, RENAME, picture, release_context
from tests.renamed import held, night, put, rename

FINAL = [f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABCDE"]


def run(script: Path, *options: str) -> None:
    done = subprocess.run([script, *options], check=True, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def status(context: Context) -> str:
    path = context.tree.mon / "DFO_STATUS"
    return path.read_text() if path.is_file() else ""


@pytest.mark.row(85)
@pytest.mark.row(86)
async def test_rename_and_back_are_the_same_names_and_bytes(tmp_path: Path) -> None:
    context, place = night(tmp_path)
    before = held(place)
    done = await rename(context)
    assert (done.exit_code, sorted(held(place))) == (0, FINAL[:3])
    assert status(context).startswith(f"cal_Renamed {NIGHT} ")
    assert sorted(held(place).values()) == sorted(before.values())
    again = await rename(context)
    assert "nothing to rename, 3 bore their name already" in again.text
    back = await rename(context, back=True)
    assert "3 products called by their PIPEFILE again" in back.text
    assert held(place) == before
    assert status(context) == ""


async def test_renaming_again_changes_nothing(tmp_path: Path) -> None:
    context, _ = night(tmp_path)
    await rename(context)
    before = picture(context.tree.root)
    await rename(context)
    assert picture(context.tree.root) == before


@pytest.mark.row(92)
async def test_an_older_file_shifts_the_letters_after_it(tmp_path: Path) -> None:
    context, place = night(tmp_path, 0)
    put(place, 5), put(place, 7)
    await rename(context)
    first, second = ((place / name).read_bytes() for name in FINAL[:2])
    put(place, 6)
    put(place, 1)
    await rename(context)
    assert sorted(held(place)) == FINAL[:4]
    assert [(place / FINAL[index]).read_bytes() for index in (1, 3)] == [first, second]


@pytest.mark.row(89)
async def test_the_script_stands_beside_the_products_and_does_what_the_tool_did(tmp_path: Path) -> None:
    context, place = night(tmp_path)
    before = held(place)
    await rename(context)
    script = place / "rn_files"
    assert script.stat().st_mode & 0o777 == 0o755
    renamed = held(place)
    run(script)
    assert held(place) == renamed
    run(script, "-r")
    assert held(place) == before
    run(script)
    assert held(place) == renamed


@pytest.mark.row(89)
async def test_only_the_script(tmp_path: Path) -> None:
    context, place = night(tmp_path)
    before = held(place)
    done = await rename(context, only_script=True)
    assert "rn_files written" in done.text
    assert held(place) == before
    run(place / "rn_files")
    assert sorted(held(place)) == FINAL[:3]
    put(place, 30, FINAL[3]), put(place, 40, "x.fits")
    put(place, 20, "MU_MBIA_141022E_SCI1.0.fits")
    with pytest.raises(MoveTrouble, match="a script cannot swap names"):
        await rename(context, only_script=True)


@pytest.mark.row(91)
async def test_an_unknown_category_is_told_and_keeps_its_name(tmp_path: Path) -> None:
    context, place = night(tmp_path)
    strange = put(place, 30, PRO__CATG="STRANGE")
    context = replace(
        context,
        settings=context.settings.model_copy(
            update={"rename": RENAME.model_copy(update={"special_plugin": "pgi_phoenix_MUSE_renameP"})}
        ),
    )
    events = record(context)
    plugins = {"RENAME_SPECIAL_PLUGIN": pgi_phoenix_MUSE_renameP}
    done = await ordered(context, Wish("CALIB", NIGHT).order(), plugins)
    assert done.exit_code == 1
    assert sorted(held(place)) == [*FINAL[:3], strange]
    notices = [event.text for event in events if isinstance(event, ev.Notice)]
    assert any(strange in text and "unknown PRO.CATG" in text for text in notices)
    assert any("pgi_phoenix_MUSE_renameP: unknown PRO.CATG STRANGE in 1 files" in text for text in notices)


@pytest.mark.row(89)
async def test_only_the_script_after_going_back_says_what_it_holds(tmp_path: Path) -> None:
    context, place = night(tmp_path)
    await rename(context)
    await rename(context, back=True)
    before = held(place)
    done = await rename(context, only_script=True)
    assert done.text == "rn_files holds the names of 3 products already, nothing renamed"
    assert held(place) == before


@pytest.mark.row(90)
async def test_products_without_a_name_do_not_bear_theirs(tmp_path: Path) -> None:
    context, place = night(tmp_path, 0)
    for minute in range(4):
        put(place, minute, DET__READ__CURNAME=None)
    plan = planned(context.tree, context.settings, Wish("CALIB", NIGHT), {}, context.utc())
    assert (len(plan.conflicts), plan.same, plan.nameless, plan.changes) == (4, 0, 4, ())
    last = plan.describe()[-1]
    assert last.endswith("0 to rename, 0 bear their name already, 4 get none; 4 CONFLICTS: nothing is renamed")
    assert all("complete the header of the product" in text and "hotfly" not in text for text in plan.conflicts)


@pytest.mark.row(93)
async def test_a_collision_is_told_once(tmp_path: Path) -> None:
    once = RENAME.model_copy(update={"calib": (RENAME.calib[0].model_copy(update={"versions": False}),)})
    context, place = night(tmp_path, 2, rename=once)
    plan = planned(context.tree, context.settings, Wish("CALIB", NIGHT), {}, context.utc())
    assert len(plan.conflicts) == 1
    put(place, 0, "copy.fits")
    twin = planned(context.tree, context.settings, Wish("CALIB", NIGHT, back=True), {}, context.utc())
    assert sum("copy.fits" in text for text in twin.conflicts) == 1


@pytest.mark.row(93)
async def test_a_collision_stops_before_anything_and_names_the_pair(tmp_path: Path) -> None:
    once = RENAME.model_copy(update={"calib": (RENAME.calib[0].model_copy(update={"versions": False}),)})
    context, place = night(tmp_path, 2, rename=once)
    before = picture(context.tree.root)
    with pytest.raises(MoveTrouble) as caught:
        await rename(context)
    assert all(name in str(caught.value) for name in held(place))
    assert "would both be called MU_MBIA_141022A_SCI1.0.fits" in str(caught.value)
    assert picture(context.tree.root) == before


@pytest.mark.row(93)
async def test_a_name_over_68_characters_stops_before_anything(tmp_path: Path) -> None:
    context, place = night(tmp_path, 2)
    put(place, 9, DET__READ__CURNAME="x" * 48)
    with pytest.raises(MoveTrouble, match="68 are allowed"):
        await rename(context)
    assert all(name.startswith("r.") for name in held(place))


async def test_a_slimmed_product_keeps_its_letter(tmp_path: Path) -> None:
    context, place = night(tmp_path, 0)
    put(place, 1, FINAL[0]), put(place, 2, "MU_MBIA_141022B_SCI1.0.hdr"), put(place, 3)
    put(place, 0)
    await rename(context)
    assert sorted(held(place)) == [FINAL[0], FINAL[1], "MU_MBIA_141022C_SCI1.0.hdr", FINAL[3]]
    await rename(context, back=True)
    assert sorted(held(place)) == [
        f"r.MUSE.2014-10-22T22:0{minute}:00.000_tpl_0000{'.hdr' if minute == 2 else '.fits'}" for minute in range(4)
    ]


async def test_a_header_written_as_lines_is_read_too(tmp_path: Path) -> None:
    context, place = night(tmp_path, 1)
    put(place, 5)
    block = (place / "r.MUSE.2014-10-22T22:05:00.000_tpl_0000.fits").read_bytes()
    lines = b"\n".join(block[at : at + 80].rstrip() for at in range(0, len(block), 80))
    (place / "r.MUSE.2014-10-22T22:05:00.000_tpl_0000.fits").unlink()
    (place / "slim.hdr").write_bytes(lines)
    await rename(context)
    assert sorted(held(place)) == [FINAL[0], "MU_MBIA_141022B_SCI1.0.hdr"]


# --- plugins ------------------------------------------------------------------------------------


class Hooks:
    """Both plugins in one; notes in which order they were called."""

    def __init__(self, amend: Mapping[str, Any] | None = None, review: NameReview | None = None) -> None:
        self.calls: list[str] = []
        self.amend, self.review = amend or {}, review or NameReview()

    def amend_keys(
        self, mode: str, date: str, keys: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Mapping[str, Any]]:
        self.calls.append(f"pre {mode} {date} {len(keys)}")
        return {file: {**values, **self.amend} for file, values in keys.items()}

    def judge_names(self, mode: str, date: str, names: Mapping[str, str], messages: tuple[str, ...]) -> NameReview:
        self.calls.append(f"special {mode} {date} {sorted(names.values())[0]}")
        return self.review


def hooked(context: Context, hooks: Hooks) -> Any:
    plugins = {"RENAME_PRE_PLUGIN": hooks, "RENAME_SPECIAL_PLUGIN": hooks}
    return ordered(context, Wish("CALIB", NIGHT).order(), plugins)


@pytest.mark.row(90)
async def test_the_hooks_come_in_order_and_change_values_for_the_names_only(tmp_path: Path) -> None:
    context, place = night(tmp_path, 1)
    before = list(held(place).values())
    hooks = Hooks({"DET.READ.CURNAME": "FAST"})
    await hooked(context, hooks)
    assert hooks.calls == [f"pre CALIB {NIGHT} 1", f"special CALIB {NIGHT} MU_MBIA_141022A_FAST.fits"]
    assert held(place) == {"MU_MBIA_141022A_FAST.fits": before[0]}


@pytest.mark.row(90)
async def test_a_special_plugin_withholds_or_stops(tmp_path: Path) -> None:
    context, place = night(tmp_path, 2)
    with pytest.raises(MoveTrouble, match="too long for my taste"):
        await hooked(context, Hooks(review=NameReview(complaints=("too long for my taste",))))
    assert all(name.startswith("r.") for name in held(place))
    first = min(held(place))
    await hooked(context, Hooks(review=NameReview(withheld=(first,))))
    assert sorted(held(place)) == [FINAL[1], first]


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        (Hooks({"COLOUR": "red"}), "sets 'COLOUR'"),
        (Hooks({"DET.READ.CURNAME": ["x"]}), "to a list"),
        (Hooks(review=NameReview(withheld=("x.fits",))), "which it was not shown"),
        (Hooks(review="fine"), "not with a NameReview"),  # type: ignore[arg-type]
    ],
)
async def test_proposals_that_are_refused(tmp_path: Path, hooks: Hooks, words: str) -> None:
    context, place = night(tmp_path, 1)
    with pytest.raises(PluginTrouble, match=words):
        await hooked(context, hooks)
    assert all(name.startswith("r.") for name in held(place))


def shell(context: Context, body: str) -> ShellPgi:
    path = context.tree.bin / "pgi_test"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return ShellPgi(path, context.tree, 20.0)


@pytest.mark.row(90)
async def test_shell_plugins_edit_results_and_see_mode(tmp_path: Path) -> None:
    context, place = night(tmp_path, 2)
    put(place, 9, DET__READ__CURNAME="A B\tC")
    body = (
        'test "$MODE $DATE" = "CALIB 2014-10-22" || exit 3\nsed "s/SCI1.0/SCI 2/" $TMP_DIR/results > r && mv r results'
    )
    pre = shell(context, body)
    await ordered(context, Wish("CALIB", NIGHT).order(), {"RENAME_PRE_PLUGIN": pre})
    assert sorted(held(place)) == ["MU_MBIA_141022A_ABC.fits", "MU_MBIA_141022A_SCI2.fits", "MU_MBIA_141022B_SCI2.fits"]
    await rename(context, back=True)
    body = 'echo "$MODE is fine"\nhead -1 "$FILE_LIST" | while read old new; do echo "withhold $old"; done'
    special = shell(context, body)
    events = record(context)
    await ordered(context, Wish("CALIB", NIGHT).order(), {"RENAME_SPECIAL_PLUGIN": special})
    assert [name for name in held(place) if name.startswith("r.")] == [
        min(name for name in held(place) if "22:00" in name)
    ]
    assert any("CALIB is fine" in event.text for event in events if isinstance(event, ev.Notice))
    with pytest.raises(PluginTrouble, match="names are ugly"):
        bad = shell(context, "echo names are ugly >&2; exit 1")
        await ordered(context, Wish("CALIB", NIGHT).order(), {"RENAME_SPECIAL_PLUGIN": bad})


# --- GEN ----------------------------------------------------------------------------------------

STATIC = Rename(
    instrument_code="MU",
    prefix="MUSE",
    gen=(Code(code="GGEO", pro_catg="GEOMETRY_TABLE", params=("{INS.MODE}",)),),
)


def general(root: Path) -> tuple[Context, Path]:
    context = release_context(root, rename=STATIC)
    place = context.tree.cal / "gen"
    tree = replace(context.tree, variables={**context.tree.variables, "GEN_CALDIR": str(place)})
    place.mkdir()
    return replace(context, tree=tree), place


@pytest.mark.row(87)
async def test_general_calibrations(tmp_path: Path) -> None:
    context, place = general(tmp_path)
    geometry = {"PRO__CATG": "GEOMETRY_TABLE", "INS__MODE": "WFM-NOAO-N"}
    put(place, 1, "geometry.fits", PIPEFILE="geometry.fits", **geometry)
    put(place, 2, "MU_GGEO_130101A_WFM-NOAO-N.fits", PIPEFILE="older.fits", **geometry)
    await rename(context, "GEN")
    assert sorted(held(place)) == ["MU_GGEO_130101A_WFM-NOAO-N.fits", "MU_GGEO_141022A_WFM-NOAO-N.fits"]
    assert status(context) == ""
    await rename(context, "GEN", back=True)
    assert sorted(held(place)) == ["MU_GGEO_130101A_WFM-NOAO-N.fits", "geometry.fits"]
    put(place, 3, "bad.fits", PIPEFILE="MUSE_GEO.fits", **geometry)
    with pytest.raises(MoveTrouble, match="begins with MUSE as raw files do"):
        await rename(context, "GEN")


def test_gen_needs_its_directory_and_it_lies_in_the_account(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    with pytest.raises(UsageTrouble, match="GEN_CALDIR is not set"):
        place_of(context.tree, "GEN", NIGHT)
    elsewhere = replace(context.tree, variables={**context.tree.variables, "GEN_CALDIR": str(tmp_path / "other")})
    with pytest.raises(MoveTrouble, match="leaves the account"):
        place_of(elsewhere, "GEN", NIGHT)


# --- hostile input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"PIPEFILE": None}, "no PIPEFILE in its header"),
        ({"PIPEFILE": "../../escape.fits"}, "no code for PRO.CATG STRANGE"),
        ({"PIPEFILE": "a b\nc.fits"}, "not safe as a file name"),
        ({"DET__READ__CURNAME": None}, "DET.READ.CURNAME is missing"),
        ({"DET__READ__CURNAME": "ä\udcff\n'\""}, "nothing of the value of DET.READ.CURNAME"),
    ],
)
async def test_bad_headers_stop_everything(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    context, place = night(tmp_path, 1)
    strange = {"PRO__CATG": "STRANGE"} if str(keys.get("PIPEFILE", "r.")).startswith(("..", "a")) else {}
    put(place, 9, "odd one\n'here'.fits", **keys, **strange)
    before = picture(context.tree.root)
    plan = planned(context.tree, context.settings, Wish("CALIB", NIGHT), {}, context.utc())
    assert any(words in text for text in (*plan.conflicts, *plan.notes)), plan.conflicts
    with pytest.raises(MoveTrouble, match="nothing was renamed"):
        await rename(context)
    assert picture(context.tree.root) == before
    if keys.get("PIPEFILE", "r.") and words != "no code for PRO.CATG STRANGE":
        return
    with pytest.raises(MoveTrouble):
        await rename(context, back=True)
    assert picture(context.tree.root) == before


async def test_values_with_quotes_newlines_and_other_letters_are_made_safe(tmp_path: Path) -> None:
    context, place = night(tmp_path, 0)
    put(place, 1, "blank and\nnewline 'quoted' ü.fits", DET__READ__CURNAME="S'C\nI;1\"0ü$(id)")
    await rename(context)
    assert list(held(place)) == ["MU_MBIA_141022A_SCI10id.fits"]
    await rename(context, back=True)
    assert list(held(place)) == ["r.MUSE.2014-10-22T22:01:00.000_tpl_0000.fits"]


async def test_links_directories_and_damaged_files_are_named(tmp_path: Path) -> None:
    context, place = night(tmp_path, 1)
    (tmp_path / "outside.fits").write_bytes(b"precious")
    (place / "link.fits").symlink_to(tmp_path / "outside.fits")
    (place / "empty.fits").write_bytes(b"")
    (place / "text.hdr").write_bytes(b"no header\n")
    (place / "folder.fits").mkdir()
    with pytest.raises(MoveTrouble) as caught:
        await rename(context)
    seen = look(context.tree, context.settings.rename, "CALIB", NIGHT)
    assert {item.name for item in seen.products if item.problem} == {"link.fits", "empty.fits", "text.hdr"}
    assert "nothing was renamed" in str(caught.value)
    assert (tmp_path / "outside.fits").read_bytes() == b"precious"


async def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, place = night(tmp_path, 2)
    locked = str(place / max(held(place)))
    really = os.open

    def guarded(path: Any, *rest: Any, **more: Any) -> int:
        if str(path) == locked:  # as the file system answers whoever is not root
            raise PermissionError(13, "Permission denied", locked)
        return really(path, *rest, **more)

    monkeypatch.setattr(os, "open", guarded)
    with pytest.raises(MoveTrouble, match=f"{locked}: cannot be read: Permission denied"):
        await rename(context)
    assert all(name.startswith("r.") for name in held(place))


async def test_a_name_that_is_taken_by_something_else(tmp_path: Path) -> None:
    context, place = night(tmp_path, 1)
    (place / FINAL[0]).mkdir()
    with pytest.raises(MoveTrouble, match="is taken"):
        await rename(context)


async def test_a_date_directory_that_leads_out_of_the_account(tmp_path: Path) -> None:
    context, place = night(tmp_path, 1)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MoveTrouble, match="out of the account"):
        await rename(context)
    assert all(name.startswith("r.") for name in held(tmp_path / "elsewhere"))


async def test_nothing_there_is_a_wrong_call(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    with pytest.raises(UsageTrouble, match="there is no such directory"):
        await rename(context)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def account(tmp_path: Path) -> tuple[Context, Path]:
    context, place = night(tmp_path)
    tree = context.tree
    lines = [f"export {name}={value}" for name, value in tree.variables.items()]
    (tree.root / ".dfosrc").write_text("\n".join(lines) + "\n")
    (tree.config / "dfos.yaml").write_text("profile: MUSE_DEEP\n")
    context.db.close()
    return context, place


@pytest.mark.row(85)
def test_the_dry_run_shows_the_plan_and_changes_nothing(
    account: tuple[Context, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    context, place = account
    call = ["-m", "CALIB", "-d", NIGHT, "--root", str(context.tree.root)]
    before = picture(context.tree.root)
    assert command.main([*call, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*held(place), *FINAL[:3]))
    assert command.main([*call, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [change["new"] for change in plan["changes"]] == FINAL[:3]
    put(place, 30, PRO__CATG="STRANGE")
    assert command.main([*call, "--dry-run"]) == 1
    put(place, 31, DET__READ__CURNAME=None)
    assert command.main([*call, "--dry-run"]) == 15
    assert "CONFLICT" in capsys.readouterr().out
    for name in ("30", "31"):
        (place / f"r.MUSE.2014-10-22T22:{name}:00.000_tpl_0000.fits").unlink()
    assert picture(context.tree.root) == before


@pytest.mark.row(27)
@pytest.mark.row(85)
def test_the_command_renames_and_its_help_tells_the_four_facts(
    account: tuple[Context, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    context, place = account
    call = ["-m", "CALIB", "-d", NIGHT, "--root", str(context.tree.root), "--auto"]
    assert command.main(call) == 0
    assert sorted(held(place)) == FINAL[:3]
    assert command.main([*call, "--back"]) == 0
    assert all(name.startswith("r.") for name in held(place))
    assert "their ABs follow with updateAB" in capfd.readouterr().err
    for fact in ("databases:", "dfos tools used:", "output used by:", "upload/download:"):
        assert fact in command.parser().format_help()


async def test_two_at_once_on_one_date(tmp_path: Path) -> None:
    from engine.atomic import lock
    from engine.errors import Busy

    context, place = night(tmp_path, 1)
    with lock.pool(context.tree, "CALIB", NIGHT, "moveProducts", "rh"), pytest.raises(Busy, match="moveProducts of rh"):
        await asyncio.wait_for(rename(context), 180)
    assert all(name.startswith("r.") for name in held(place))
