"""Pages of ABs through a move: every link resolves at the new place, those that cannot are told."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from config.schema import Graphic
from engine import events as ev
from engine.atomic import trash
from engine.context import Context
from engine.core.ab import AB
from engine.errors import MoveTrouble
from engine.release.certify import certify
from engine.release.move.move_products import execute, move, move_plan, planned, survey
from engine.release.undo.undo import ordered
from engine.release.undo.undo import planned as undo_planned
from engine.release.verify_date import verify_date
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from tests.builders import record
from tests.released import MOVE, NIGHT, bias, keen, processed, release_context

A, B, C = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABC")


def page(context: Context, ab: AB, name: str, *links: str, folder: Path | None = None) -> Path:
    """An HTML page of an AB with these links."""
    path = (folder or context.tree.dfs_log) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(f'<a href="{link}">x</a>' for link in links)
    path.write_text(f"<html><head><title>{ab.name}</title></head><body>\n{body}\n</body></html>\n")
    return path


def links(path: Path) -> list[str]:
    return re.findall(r'href="([^"]*)"', path.read_text())


def dead(path: Path) -> list[str]:
    """Links of a page that lead to no file."""
    found = []
    for link in links(path):
        name = unquote(link.partition("#")[0].partition("?")[0])
        if re.match(r"[a-z]+:", link) or not name:
            continue
        if not (path.parent / name).exists():
            found.append(link)
    return found


def everywhere(context: Context) -> list[Path]:
    tree = context.tree
    return [path for place in (tree.log, tree.plt, tree.dfs_log, tree.product) for path in place.rglob("*.html")]


@pytest.mark.row(69, 75)
async def test_every_link_of_moved_pages_resolves_at_the_new_place(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    tree, ab, other = context.tree, processed(context, bias(0)), processed(context, bias(10))
    products = tree.product / "BIAS" / NIGHT
    cover = page(context, ab, f"{ab.root}_cs.html", f"{ab.root}_0000.png", f"{ab.root}_0000.fits", folder=products)
    scores = page(
        context,
        ab,
        f"{ab.root}.scores.html",
        f"../product/BIAS/{NIGHT}/{ab.root}_0000.png#top",
        str(products / f"{ab.root}_0000.fits"),
        f"../product/BIAS/{NIGHT}/{cover.name}",
        f"{other.root}.scores.html?sort=1#row-3",
        f"../ab/{ab.name}",
        f"file://{tree.ab / other.name}",
        "#below",
        "https://www.eso.org/qc/",
        "mailto:qc@example.org",
        f"{ab.root}.log",
    )
    page(context, other, f"{other.root}.scores.html", scores.name, f"../product/BIAS/{NIGHT}/{cover.name}")
    (tree.config / "guide.txt").write_text("stays")
    page(context, other, f"{other.root}.notes.html", "../config/guide.txt", str(tree.config / "guide.txt"))
    events = record(context)
    await move(context, "CALIB", NIGHT)
    moved = everywhere(context)
    assert {path.parent for path in moved} == {tree.log / NIGHT, tree.plt / NIGHT} and len(moved) == 4
    assert (tree.plt / NIGHT / cover.name).is_file(), "the coversheet goes with the plots"
    assert [dead(path) for path in moved] == [[], [], [], []]
    assert links(tree.log / NIGHT / scores.name)[:4] == [
        f"../../plt/{NIGHT}/{ab.root}_0000.png#top",
        str(tree.cal / NIGHT / A),
        f"../../plt/{NIGHT}/{cover.name}",
        f"./{other.root}.scores.html?sort=1#row-3",
    ]
    assert {"#below", "https://www.eso.org/qc/", "mailto:qc@example.org"} <= set(links(tree.log / NIGHT / scores.name))
    assert not [event for event in events if isinstance(event, ev.Notice) and "leads nowhere" in event.text]


@pytest.mark.row(75)
async def test_links_that_lead_nowhere_are_told_and_left(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = processed(context, bias(0, "MASTER_BIAS", "BIAS_RESIDUALS"))
    never, gone = "../never/there.png", f"../product/BIAS/{NIGHT}/{ab.root}_0001.fits"
    path = page(context, ab, f"{ab.root}.scores.html", never, gone, f"{ab.root}.log")
    events = record(context)
    await move(context, "CALIB", NIGHT)
    assert dead(context.tree.log / NIGHT / path.name) == [never, gone]
    told = [event.text for event in events if isinstance(event, ev.Notice) and event.level == "warning"]
    assert f"moveProducts: {path.name}: its link {never} leads nowhere" in told
    assert f"moveProducts: {path.name}: its link {gone} leads nowhere" in told, "its target is not saved"


@pytest.mark.row(75)
async def test_pages_that_moved_earlier_follow_when_letters_shift(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    for minute in (0, 20):
        ab = processed(context, bias(minute))
        page(context, ab, f"{ab.root}.scores.html", f"../product/BIAS/{NIGHT}/{ab.root}_0000.fits")
    await move(context, "CALIB", NIGHT)
    shown = context.tree.log / NIGHT / f"{bias(20).root}.scores.html"
    before = shown.read_bytes()
    assert links(shown) == [f"../../cal/{NIGHT}/{B}"]
    processed(context, bias(10))
    await move(context, "CALIB", NIGHT)
    assert links(shown) == [f"../../cal/{NIGHT}/{C}"]
    assert links(context.tree.log / NIGHT / f"{bias(0).root}.scores.html") == [f"../../cal/{NIGHT}/{A}"]
    kept = [item for item in trash.listing(context.tree) if item.origin == shown]
    assert [item.path.read_bytes() for item in kept if "page before" in item.why] == [before]


async def test_pages_of_abs_that_stay_follow_what_moves(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator)
    good, bad = processed(context, bias(0)), processed(context, bias(10))
    operator.answers[bad.name] = "reject:clouds"
    target = f"../product/BIAS/{NIGHT}/{good.root}_0000.fits"
    own = f"../product/BIAS/{NIGHT}/{bad.root}_0000.png"
    stays = page(context, bad, f"{bad.root}.scores.html", target, own)
    await move(context, "CALIB", NIGHT)
    assert stays.is_file() and dead(stays) == []
    assert links(stays) == [f"../cal/{NIGHT}/{A}", own]


async def test_an_undo_gives_pages_back_as_they_were(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator)
    good, bad = processed(context, bias(0)), processed(context, bias(10))
    operator.answers[bad.name] = "reject:clouds"
    stays = page(context, bad, f"{bad.root}.scores.html", f"../product/BIAS/{NIGHT}/{good.root}_0000.fits")
    goes = page(context, good, f"{good.root}.scores.html", f"../product/BIAS/{NIGHT}/{good.root}_0000.fits")
    before = {path: path.read_bytes() for path in (stays, goes)}
    await move(context, "CALIB", NIGHT)
    assert stays.read_bytes() != before[stays] and not goes.exists()
    assert not (await undo_planned(context, "CALIB", NIGHT)).refusals
    await ordered(context, Order("CALIB", NIGHT, tool="undo", options={"yes": "yes"}), {})
    assert {path: path.read_bytes() for path in before} == before


async def test_a_page_of_nobody_goes_to_the_trash_as_it_is(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = processed(context, bias(0))
    folder = context.tree.product / "BIAS" / NIGHT
    path = page(context, ab, "index.html", f"{ab.root}_0000.fits", folder=folder)
    content = path.read_bytes()
    await move(context, "CALIB", NIGHT)
    (item,) = [item for item in trash.listing(context.tree) if item.origin == path]
    assert item.path.read_bytes() == content and item.why == "belongs to no AB"
    assert not folder.exists()


async def test_a_page_that_changed_after_the_plan_stops_it(tmp_path: Path) -> None:
    """A page, or an AB, that moved earlier and would be rewritten."""
    context = release_context(tmp_path, keen(move__recreate="keep"))
    ab = processed(context, bias(20))
    page(context, ab, f"{ab.root}.scores.html", f"../product/BIAS/{NIGHT}/{ab.root}_0000.fits")
    await move(context, "CALIB", NIGHT)
    processed(context, bias(10))
    await certify(context, AbStore(context.tree).load("CALIB", NIGHT), {})
    for name in (f"{ab.root}.scores.html", ab.name):
        plan = move_plan(await survey(context, "CALIB", NIGHT), context.settings)
        path = context.tree.log / NIGHT / name
        path.write_text(path.read_text() + "\n")
        with pytest.raises(MoveTrouble, match="changed since the plan was made"):
            await execute(context, plan)


@pytest.mark.row(52, 69)
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("{root}_0000.PNG", "plt"),
        ("{root}_0000.jpeg", "plt"),
        ("{root}_0000.JPG", "plt"),
        ("{root}_cs.html", "plt"),
        ("{stem}.coversheet.html", "plt"),
        ("{root}.tbl", "log"),
        ("{root}_trend.log", "log"),
        ("{stem}.alog", "log"),
        ("odd name of ours.dat", "log"),
    ],
)
async def test_where_further_files_go(name: str, place: str, tmp_path: Path) -> None:
    graphics = (*MOVE.graphics, Graphic(format="jpg", save=True))
    context = release_context(tmp_path, move=MOVE.model_copy(update={"graphics": graphics}))
    ab = bias(0)
    name = name.format(root=ab.root, stem=ab.name.removesuffix(".ab"))
    processed(context, ab.with_values("FURTHER", [f"$DFS_PRODUCT/BIAS/{NIGHT}/{name}"]))
    (context.tree.product / "BIAS" / NIGHT / name).write_bytes(b"further")
    await move(context, "CALIB", NIGHT)
    there = {"plt": context.tree.plt, "log": context.tree.log}[place] / NIGHT / name
    assert there.read_bytes() == b"further"
    assert not (context.tree.product / "BIAS" / NIGHT).exists()


@pytest.mark.row(50, 51)
@pytest.mark.parametrize(("name", "why"), [("x.ps", "ps are not supported"), ("x.EPS", "ps are not supported")])
async def test_postscript_is_told_and_not_kept(name: str, why: str, tmp_path: Path) -> None:
    context = release_context(tmp_path)
    processed(context, bias(0).with_values("FURTHER", [name]))
    (context.tree.product / "BIAS" / NIGHT / name).write_bytes(b"%!PS")
    events = record(context)
    await move(context, "CALIB", NIGHT)
    told = [event.text for event in events if isinstance(event, ev.Notice) and event.level == "warning"]
    assert f"moveProducts: {name} of {bias(0).name}: ps is not supported, it is not kept" in told
    assert not list(context.tree.plt.rglob(name)) and not list(context.tree.log.rglob(name))
    (item,) = [item for item in trash.listing(context.tree) if item.origin.name == name]
    assert why in item.why


@pytest.mark.row(50)
async def test_graphics_of_a_format_that_is_not_saved_are_dropped(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = processed(context, bias(0))
    (context.tree.product / "BIAS" / NIGHT / f"{ab.root}_0000.GIF").write_bytes(b"gif")
    await move(context, "CALIB", NIGHT)
    assert sorted(path.suffix for path in (context.tree.plt / NIGHT).iterdir()) == [".png"]
    assert [item.why for item in trash.listing(context.tree) if item.origin.suffix == ".GIF"] == [
        "graphics of format gif are not kept"
    ]


async def test_a_page_too_large_to_edit_is_said(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = processed(context, bias(0))
    (context.tree.dfs_log / f"{ab.root}.html").write_bytes(b"<p>" + b"x" * 10_000_001)
    await certify(context, AbStore(context.tree).load("CALIB", NIGHT), {})
    plan = await planned(context, "CALIB", NIGHT)
    assert any("links could be edited" in text for text in plan.warnings)


async def test_logs_that_wait_beside_the_ab_go_along(tmp_path: Path) -> None:
    """The association log stands in $DFO_AB_DIR; a log that is a link is carried as one and verified as one."""
    context = release_context(tmp_path)
    ab = processed(context, bias(0))
    stem = ab.name.removesuffix(".ab")
    (context.tree.ab / f"{stem}.alog").write_text("OK MCALIB REAL MU_x.fits MASTER_BIAS -0.02\n")
    (context.tree.dfs_log / f"{ab.root}_link.log").symlink_to(f"{ab.root}.log")
    await move(context, "CALIB", NIGHT)
    there = context.tree.log / NIGHT
    assert (there / f"{stem}.alog").is_file() and (there / f"{ab.root}_link.log").is_symlink()
    assert not list(context.tree.ab.iterdir())
    assert verify_date(context.tree, NIGHT).findings == []
