"""Trees, plugins and configurations as nobody wants them: a clear error or a correct move, and nothing lost."""

# ruff: noqa: ASYNC240 - trees of a few files
from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from config.tree import DIRECTORIES
from console.plugins.shell_pgi import ShellPgi
from engine.atomic import fs, lock, syscalls
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.core.product import MOVE
from engine.errors import Busy, DestinationOccupied, DfosError, MoveTrouble, PluginTrouble
from engine.release import manifest
from engine.release.move.move_products import MovePlan, execute, move, planned
from tests.builders import make_tree
from tests.faults.moves import KEEP, PLUGIN, contents
from tests.faults.power import Trouble
from tests.released import NIGHT, bias, keen, picture, places, portrait, processed, release_context

A = "MU_MBIA_141022A_SCI1.0.fits"
HOSTILE = "_a b\n\"c\" 'd' #é \udcff%41 <x>&$DFO_CAL_DIR"


class Site:
    """An account with one bias, and a directory beside it that nobody may touch."""

    def __init__(self, root: Path) -> None:
        self.outside = root / "outside"
        self.outside.mkdir()
        (self.outside / "precious.fits").write_bytes(b"nobody's business")
        (self.outside / "deep").mkdir()
        (self.outside / "deep" / "r.log").write_text("as it was\n")
        self.root = root / "site"
        self.roots = [root]
        self.context = release_context(self.root, keen(**KEEP))
        self.ab = processed(self.context, bias(0))
        self.tree = self.context.tree
        self.products = self.tree.product / "BIAS" / NIGHT
        self.product = self.products / f"{self.ab.root}_0000.fits"
        self.final = self.tree.cal / NIGHT

    def use(self, context: Context) -> None:
        """Work with another context on this account."""
        self.context.db.close()
        self.context = context


@pytest.fixture
def site(memory: Path) -> Iterator[Site]:
    made = Site(memory)
    outside = portrait(made.outside)
    before = contents(made.root)
    yield made
    made.context.db.close()
    assert portrait(made.outside) == outside, "written outside the account"
    assert before <= contents(*made.roots, all_of_it=True), "content is gone"


async def _refused(site: Site, match: str, kind: type[DfosError] = MoveTrouble) -> DfosError:
    """The move is refused before anything begins."""
    before = {name: what for name, what in picture(site.tree.root).items() if "PRODCOM" not in name and name != "lst/"}
    with pytest.raises(kind, match=match) as trouble:
        await move(site.context, "CALIB", NIGHT)
    assert not unfinished(site.context.db, site.tree)
    found = picture(site.tree.root)
    assert before == {name: what for name, what in found.items() if "PRODCOM" not in name and name != "lst/"}
    return trouble.value


async def _stopped_then_recovered(site: Site, match: str, put_right: Callable[[], object], moved: int = 1) -> None:
    """The move stops with an open journal; what was in its way is put right, and recovery finishes it."""
    with pytest.raises(DfosError, match=match or None):
        await recover(site.context)
    assert unfinished(site.context.db, site.tree)
    put_right()
    await recover(site.context)
    assert not unfinished(site.context.db, site.tree)
    assert len(list(site.final.glob("*.fits"))) == moved


# --- names ----------------------------------------------------------------------------------------------------------


async def test_logs_and_plots_of_any_name(site: Site) -> None:
    log = site.tree.dfs_log / f"{site.ab.root}{HOSTILE}.log"
    plot = site.products / f"{site.ab.root}_0000{HOSTILE}.png"
    stranger = site.products / f"-rf {HOSTILE}"
    for path in (log, plot, stranger):
        path.write_bytes(b"content of " + os.fsencode(path.name))
    assert (await move(site.context, "CALIB", NIGHT)).moved == 1
    moved = {site.tree.log / NIGHT / log.name: log, site.tree.plt / NIGHT / plot.name: plot}
    for target, source in moved.items():
        assert target.read_bytes() == b"content of " + os.fsencode(source.name)
    (written,) = manifest.of_date(site.tree, NIGHT)
    assert not written.damaged
    entries = {entry.after: entry for entry in written.entries}
    for target, source in moved.items():
        assert entries[str(target)].before == str(source)
        assert entries[str(target)].sha256 == fs.sha256(target)
    retired = next(entry for entry in written.entries if entry.before == str(stranger))
    assert Path(retired.after).read_bytes() == b"content of " + os.fsencode(stranger.name)


async def test_products_of_strange_names_are_refused(site: Site) -> None:
    strange = site.products / f"{site.ab.root}_0000 {HOSTILE}.fits"
    shutil.copy(site.product, strange)
    result = await move(site.context, "CALIB", NIGHT)
    assert result.moved == 1 and strange.is_file(), "it belongs to no AB: it stays"
    renamed = site.final / A
    assert renamed.is_file()


async def test_a_product_whose_name_is_not_its_pipefile_is_refused(site: Site) -> None:
    site.product.rename(site.products / f"{site.ab.root}_0007.fits")
    await _refused(site, r"its header says PIPEFILE .*_0000.fits|_0000.fits .*gone|gone: .*_0000.fits")


# --- links ----------------------------------------------------------------------------------------------------------


async def test_a_product_that_is_a_link_is_refused(site: Site) -> None:
    site.product.rename(site.tree.tmp / "kept.fits")
    site.product.symlink_to(site.tree.tmp / "kept.fits")
    await _refused(site, "not a regular file")


async def test_links_among_logs_move_as_links(site: Site) -> None:
    link = site.tree.dfs_log / f"{site.ab.root}_more.log"
    link.symlink_to(site.outside / "deep" / "r.log")
    broken = site.tree.dfs_log / f"{site.ab.root}_broken.log"
    broken.symlink_to("nowhere")
    await move(site.context, "CALIB", NIGHT)
    assert (site.tree.log / NIGHT / link.name).readlink() == site.outside / "deep" / "r.log"
    assert str((site.tree.log / NIGHT / broken.name).readlink()) == "nowhere"


@pytest.mark.parametrize("place", ["product", "final", "log", "trash"])
async def test_a_directory_that_leads_out_of_the_account_is_refused(site: Site, place: str) -> None:
    folder = {
        "product": site.products,
        "final": site.final,
        "log": site.tree.log / NIGHT,
        "trash": site.tree.trash,
    }[place]
    goal = site.outside / "deep"
    if folder.is_dir():
        goal = site.root / "elsewhere"
        folder.rename(goal)
    folder.symlink_to(goal)
    if place == "trash":
        (site.products / "core.1").write_text("nobody's")
    trouble = await _refused(site, "symbolic link leads out of the account")
    assert trouble.remedy


async def test_a_product_directory_that_is_a_link_inside_the_account(site: Site) -> None:
    inside = site.tree.root / "disk2"
    site.products.rename(inside)
    site.products.symlink_to(inside)
    assert (await move(site.context, "CALIB", NIGHT)).moved == 1
    assert (site.final / A).is_file() and not (site.final / A).is_symlink()
    assert not list(inside.glob("*.fits"))


async def test_a_directory_that_becomes_a_link_in_the_middle(site: Site) -> None:
    """Swapped after the intent was written: the step is refused, nothing goes out."""

    def swap(verb: str, path: str) -> None:
        if verb == "commit" and path == "done" and site.final.is_dir() and not site.final.is_symlink():
            site.final.rmdir()
            site.final.symlink_to(site.outside / "deep")

    with fs.probed(swap), pytest.raises(MoveTrouble, match="leads out of the account"):
        await move(site.context, "CALIB", NIGHT)

    def put_right() -> None:
        site.final.unlink()
        site.final.mkdir()

    await _stopped_then_recovered(site, "leads out of the account", put_right)


# --- what stands in the way -----------------------------------------------------------------------------------------


async def test_a_final_directory_that_is_a_file(site: Site) -> None:
    site.final.write_text("somebody's notes")
    await _refused(site, "a file stands where a directory is needed")
    site.final.rename(site.tree.tmp / "notes")
    assert (await move(site.context, "CALIB", NIGHT)).moved == 1


async def test_a_name_that_is_taken_by_a_directory(site: Site) -> None:
    (site.final / A).mkdir(parents=True)
    await _refused(site, "is taken|holds .* already", DfosError)


@pytest.mark.parametrize("equal", [True, False])
async def test_a_name_that_is_taken_in_the_middle(site: Site, equal: bool) -> None:
    """Somebody writes the final name after the plan was made: with the same content it is fine, else nothing goes."""
    content = site.product.read_bytes()
    target = site.final / A

    def intrude(verb: str, path: str) -> None:
        if verb == "rename" and path == str(target) and not target.exists():
            target.write_bytes(content if equal else b"other")

    if equal:
        with fs.probed(intrude):
            assert (await move(site.context, "CALIB", NIGHT)).moved == 1
        assert target.read_bytes() == content and not site.product.exists()
        return
    with fs.probed(intrude), pytest.raises(DestinationOccupied, match="exists with other content"):
        await move(site.context, "CALIB", NIGHT)
    assert site.product.read_bytes() == content and target.read_bytes() == b"other"
    await _stopped_then_recovered(site, "exists with other", lambda: target.rename(site.tree.tmp / "other"))
    assert target.read_bytes() == content


async def test_a_trash_that_is_full(site: Site) -> None:
    (site.products / "core.1").write_text("nobody's")

    class Full(Trouble):
        def __call__(self, verb: str, path: str) -> None:
            if "TRASH" in path:
                super().__call__(verb, path)

    with fs.probed(Full(1, errno.ENOSPC, lasts=True)):
        with pytest.raises(MoveTrouble, match="ENOSPC") as trouble:
            await move(site.context, "CALIB", NIGHT)
        assert "recover" in trouble.value.remedy
        with pytest.raises(MoveTrouble):
            await recover(site.context)
    await recover(site.context)
    assert (site.final / A).is_file()


@pytest.mark.parametrize("closed", ["product", "final", "log"])
async def test_directories_without_permission(site: Site, closed: str) -> None:
    """Read-only for real, as another user where we are root."""
    folder = {"product": site.products, "final": site.tree.cal, "log": site.tree.log}[closed]
    with _nobody(site.root.parent):
        folder.chmod(0o555)
        with pytest.raises(MoveTrouble, match="Permission denied") as trouble:
            await move(site.context, "CALIB", NIGHT)
        assert "recover" in trouble.value.remedy
        folder.chmod(0o755)
        await recover(site.context)
    assert (site.final / A).is_file()


@pytest.mark.parametrize("what", ["product", "log", "AB", "page"])
async def test_files_that_cannot_be_read(site: Site, what: str) -> None:
    page = site.tree.dfs_log / f"{site.ab.root}.html"
    page.write_text("<a href='x'>x</a>")
    path = {
        "product": site.product,
        "log": site.tree.dfs_log / f"{site.ab.root}.log",
        "AB": site.tree.ab / site.ab.name,
        "page": page,
    }[what]
    with _nobody(site.root.parent):
        path.chmod(0)
        if what == "AB":
            assert (await move(site.context, "CALIB", NIGHT)).moved == 0, "its AB is not known: its products stay"
        else:
            await _refused_unread(site)
        path.chmod(0o644)
        assert (await move(site.context, "CALIB", NIGHT)).moved == 1


async def _refused_unread(site: Site) -> None:
    with pytest.raises(DfosError, match=r"cannot be read|Permission denied"):
        await move(site.context, "CALIB", NIGHT)
    assert not unfinished(site.context.db, site.tree)
    assert site.product.exists()


async def test_a_pipe_among_logs_hangs_nothing(site: Site) -> None:
    os.mkfifo(site.tree.dfs_log / f"{site.ab.root}_pipe.log")
    os.mkfifo(site.tree.dfs_log / f"{site.ab.root}_pipe.html")
    assert (await move(site.context, "CALIB", NIGHT)).moved == 1
    assert (site.tree.log / NIGHT / f"{site.ab.root}_pipe.log").is_fifo()


@contextlib.contextmanager
def _nobody(root: Path) -> Iterator[None]:
    """As a user for whom permissions count; what is below `root` is theirs."""
    if os.geteuid():
        yield
        return
    for folder, _, files in os.walk(root):
        for name in (".", *files):
            os.lchown(Path(folder, name), 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- sources that change --------------------------------------------------------------------------------------------


async def test_a_source_that_changes_between_plan_and_execution(site: Site) -> None:
    plan = await planned(site.context, "CALIB", NIGHT)
    with pytest.raises(DfosError, match="not certified"):
        await execute(site.context, plan)
    from engine.release.certify import certify
    from engine.stores.abs import AbStore

    await certify(site.context, AbStore(site.tree).load(), {})
    plan = await planned(site.context, "CALIB", NIGHT)
    os.utime(site.product, (1, 1))
    with pytest.raises(MoveTrouble, match="changed since the plan was made"):
        await execute(site.context, plan)
    assert site.product.is_file() and not unfinished(site.context.db, site.tree)


@pytest.mark.parametrize("moment", ["copy", "fsync"])
async def test_a_source_that_changes_while_it_is_copied(
    site: Site, moment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Across filesystems: told, nothing is taken away, and finished once the source is right again."""
    if tmp_path.stat().st_dev == site.root.stat().st_dev:
        pytest.fail("this machine has one filesystem only: mount a memory disk at /dev/shm")
    far = tmp_path / "cal"
    far.mkdir()
    site.roots.append(far)
    variables = {**site.tree.variables, "DFO_CAL_DIR": str(far)}
    site.use(release_context(site.root, tree=replace(site.tree, cal=far, variables=variables)))
    site.tree, site.final = site.context.tree, far / NIGHT
    content, times = site.product.read_bytes(), site.product.stat().st_mtime_ns
    changed: list[str] = []

    def meddle(verb: str, path: str) -> None:
        if verb == moment and path.endswith(f".{A}.dfos~") and not changed:
            changed.append(path)
            site.product.write_bytes(content[:-1] + b"!")

    with fs.probed(meddle), pytest.raises(MoveTrouble) as trouble:
        await move(site.context, "CALIB", NIGHT)
    assert trouble.value.remedy and changed
    assert (site.product.is_file() and not (site.final / A).exists()) or moment == "fsync"

    def put_right() -> None:
        site.product.write_bytes(content)
        os.utime(site.product, ns=(times, times))

    await _stopped_then_recovered(site, "", put_right)
    assert (site.final / A).read_bytes() == content and not site.product.exists()


# --- plugins --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("sleep 60", "did not end within"),
        ("exit 3", "failed with exit code 3"),
        ("kill -9 $$", "failed with signal 9"),
        ('for f in $(cat $FILE_LIST); do echo rubbish >> "$f"; done', "nothing was moved"),
        ('for f in $(cat $FILE_LIST); do : > "$f"; done', "nothing was moved"),
    ],
    ids=["hangs", "fails", "is killed", "adds to a product", "empties a product"],
)
async def test_special_plugins_that_misbehave(site: Site, script: str, match: str) -> None:
    site.use(release_context(site.root, move=PLUGIN))
    copy = site.product.read_bytes()
    (site.tree.tmp / "copy").write_bytes(copy)
    path = site.tree.bin / "pgi_takes_away"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)

    async def asked(plan: MovePlan) -> Mapping[str, str]:
        files = tuple(fate.product.path for fate in plan.of(MOVE))
        return dict.fromkeys(ShellPgi(path, site.tree, 0.3).keep("CALIB", NIGHT, files, {}), "it says so")

    with pytest.raises((PluginTrouble, MoveTrouble), match=match) as trouble:
        await move(site.context, "CALIB", NIGHT, plugin=asked)
    assert trouble.value.remedy
    assert not unfinished(site.context.db, site.tree) and site.product.exists() and not site.final.exists()
    site.product.write_bytes(copy)
    path.write_text("#!/bin/sh\n:\n")
    assert (await move(site.context, "CALIB", NIGHT, plugin=asked)).moved == 1


# --- pages ----------------------------------------------------------------------------------------------------------


async def test_a_page_with_hostile_links(site: Site) -> None:
    root, page = site.ab.root, site.tree.dfs_log / f"{site.ab.root}.html"
    away = os.path.relpath(site.outside / "precious.fits", page.parent)
    good = os.path.relpath(site.product, page.parent)
    page.write_bytes(
        f"""<html><base href="/etc/"><a href="{away}">out</a><a href='{good}'>in</a><a href=>none</a>
<a href="javascript:alert(1)">js</a><a href="file:///etc/passwd">f</a><a href="//host/x">h</a><a href="%00">n</a>
<a href="{"../" * 200}etc/passwd">up</a><img src="{root}_0000.png"><a href="{root}.log#x?y=1&amp;z">log</a>
<!-- <a href="{good}"> --><script>var a = '<a href="{good}">'</script><a href="\udcff">""".encode(
            "utf-8", "surrogateescape"
        )
        + b"\0\xff<a href='unclosed"
    )
    assert (await move(site.context, "CALIB", NIGHT)).moved == 1
    text = (site.tree.log / NIGHT / page.name).read_bytes()
    assert text.endswith(b"\0\xff<a href='unclosed") and b"javascript:alert(1)" in text


# --- configurations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "same"),
    [
        ("DFO_CAL_DIR", "DFS_PRODUCT"),
        ("DFO_CAL_DIR", "DFO_LOG_DIR"),
        ("DFO_LOG_DIR", "DFO_PLT_DIR"),
        ("DFO_LOG_DIR", "DFS_LOG_DIR"),
        ("DFO_LOG_DIR", "DFO_AB_DIR"),
        ("DFO_MON_DIR", "DFO_LST_DIR"),
        ("DFO_CAL_DIR", "DFO_SCI_DIR"),
    ],
)
async def test_directories_that_are_the_same(site: Site, variable: str, same: str) -> None:
    """Two variables with one directory: moved right or refused, every content is there."""
    place = getattr(site.tree, DIRECTORIES[same])
    tree = replace(
        make_tree(site.root),
        variables={**site.tree.variables, variable: str(place)},
        **{DIRECTORIES[variable]: place},
    )
    tree.state.mkdir(exist_ok=True, parents=True)
    site.use(release_context(site.root, tree=tree))
    try:
        result = await move(site.context, "CALIB", NIGHT)
    except DfosError as trouble:
        assert trouble.remedy
        return
    assert result.moved == 1 and (tree.cal / NIGHT / A).is_file()


# --- two writers ----------------------------------------------------------------------------------------------------


async def test_the_second_writer_is_told_who_holds_the_date(site: Site) -> None:
    with lock.pool(site.tree, "CALIB", NIGHT, "renameProducts", "somebody"):
        trouble = await _refused(site, "renameProducts of somebody on .* .pid", Busy)
    assert trouble.remedy
    assert (await move(site.context, "CALIB", NIGHT)).moved == 1


async def test_a_rename_that_cannot_be_atomic_is_a_link_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, where renaming without replacing is not known."""
    monkeypatch.setattr(syscalls, "rename_new", lambda *_: errno.EINVAL)
    processed(site.context, bias(10))
    processed(site.context, bias(20))
    assert (await move(site.context, "CALIB", NIGHT)).moved == 3
    assert places(picture(site.tree.root), f"cal/{NIGHT}")[0] == A
