"""The plugins around one AB: in their order, and what their trouble costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from console.plugins import find as pgis
from console.plugins.shell_pgi import ShellPgi
from engine.atomic import trash
from engine.core.ab import AB
from engine.events import Notice
from engine.headers.cards import keywords
from engine.pgi import Aftermath
from engine.pgis import pgi_postSCI
from engine.process.ab import hooks
from engine.stores.abs import AbStore
from tests.builders import make_ab, make_product, record
from tests.integration.test_process_ab import Scene

SLOTS = ("START_MONITOR_PLUGIN", "PRE_PLUGIN", "POST_PLUGIN", "FINAL_PLUGIN", "END_MONITOR_PLUGIN")


class Diary:
    """A plugin for every slot that notes when it was called, and what the account looked like then."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.lines = scene, []  # type: ignore[var-annotated]

    def everywhere(self) -> dict[str, Any]:
        return {slot: _In(self, slot) for slot in SLOTS}

    def note(self, slot: str, ab: AB) -> None:
        placed, status = self.scene.product(ab).exists(), self.scene.ab(ab).status
        ran = "started" in self.scene.log(ab)
        self.lines.append((slot, ran, placed, status))


class _In:
    def __init__(self, diary: Diary, slot: str) -> None:
        self.diary, self.slot = diary, slot

    def notify(self, ab: AB) -> None:
        self.diary.note(self.slot, ab)

    def prepare(self, ab: AB) -> AB:
        self.diary.note(self.slot, ab)
        return ab

    def after(self, ab: AB, products: Any) -> Aftermath:
        self.diary.note(self.slot, ab)
        return Aftermath(notes=(f"{len(products)} products seen",))

    def finish(self, ab: AB, products: Any, options: Mapping[str, str]) -> Mapping[str, str]:
        self.diary.note(self.slot, ab)
        return {}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins may not take long here."""
    for name in ("MONITOR_S", "LIMIT_S", "_GRACE_S"):
        monkeypatch.setattr(hooks, name, 0.1)


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """A plugin that waits for this waits for ever."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.row(334, 406)
async def test_the_hooks_come_in_their_order(scene: Scene) -> None:
    diary, ab = Diary(scene), scene.basic()
    assert (await scene.run(ab, plugins=diary.everywhere())).done == (ab.name,)
    assert diary.lines == [
        ("START_MONITOR_PLUGIN", False, False, "CREATED"),
        ("PRE_PLUGIN", False, False, "CREATED"),
        ("FINAL_PLUGIN", True, False, "CREATED"),
        ("POST_PLUGIN", True, True, "CREATED"),
        ("END_MONITOR_PLUGIN", True, True, "SUCCESSFUL"),
    ]
    assert scene.row(ab).message == "1 products seen"


async def test_recipe_none_needs_no_input_and_no_recipe_but_is_told_of(scene: Scene) -> None:
    diary = Diary(scene)
    ab = make_ab(RECIPE="NONE", sof=[("$DFO_RAW_DIR/gone.fits", "OBJECT")])
    assert (await scene.run(ab, plugins=diary.everywhere())).done == (ab.name,)
    assert [(slot, status) for slot, _, _, status in diary.lines] == [
        ("START_MONITOR_PLUGIN", "CREATED"),
        ("FINAL_PLUGIN", "CREATED"),
        ("END_MONITOR_PLUGIN", "SUCCESSFUL"),
    ]
    assert not scene.log(ab)


async def test_the_end_is_told_of_a_failure_too(scene: Scene) -> None:
    diary, ab = Diary(scene), scene.basic("--act=rc255")
    await scene.run(ab, plugins=diary.everywhere())
    assert [slot for slot, *_ in diary.lines] == ["START_MONITOR_PLUGIN", "PRE_PLUGIN", "END_MONITOR_PLUGIN"]
    assert diary.lines[-1][3] == "FAILED"


class Raises:
    """A plugin of a hostile author: every hook raises."""

    def __init__(self, trouble: BaseException) -> None:
        self.trouble = trouble

    def _raise(self, *_: object) -> Any:
        raise self.trouble

    notify = prepare = after = finish = _raise


@pytest.mark.parametrize("trouble", [ValueError("no"), SystemExit(3), StopIteration(), KeyboardInterrupt()])
@pytest.mark.parametrize("slot", ["START_MONITOR_PLUGIN", "END_MONITOR_PLUGIN", "POST_PLUGIN", "FINAL_PLUGIN"])
async def test_their_trouble_is_a_warning_and_nothing_is_lost(scene: Scene, slot: str, trouble: BaseException) -> None:
    ab, events = scene.basic(), record(scene.context)
    assert (await scene.run(ab, plugins={slot: Raises(trouble)})).done == (ab.name,)
    assert scene.product(ab).is_file() and scene.ab(ab).status == "SUCCESSFUL"
    said = [event.text for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert len(said) == 1 and slot in said[0] and type(trouble).__name__ in said[0]
    if not slot.endswith("MONITOR_PLUGIN"):
        assert slot in scene.row(ab).message


async def test_a_pre_plugin_that_fails_fails_the_ab(scene: Scene) -> None:
    ab = scene.basic()
    await scene.run(ab, plugins={"PRE_PLUGIN": Raises(ValueError("no stars"))})
    assert scene.row(ab).state == "FAILED" and "ValueError: no stars" in scene.row(ab).reason
    assert "PRE_PLUGIN: " in scene.row(ab).reason
    assert "started" not in scene.log(ab)


@pytest.mark.parametrize(
    "answer",
    [{"../x": "Y"}, {"r.other_0000.fits": "Y"}, "nonsense", None, {0: "Y"}],
    ids=["path", "other", "s", "-", "0"],
)
async def test_a_final_plugin_that_proposes_nonsense_is_not_obeyed(scene: Scene, answer: Any) -> None:
    class Wrong:
        def finish(self, ab: AB, products: Any, options: Mapping[str, str]) -> Any:
            return answer

    ab = scene.basic()
    await scene.run(ab, plugins={"FINAL_PLUGIN": Wrong()})
    assert scene.row(ab).state == "DONE" and "FINAL_PLUGIN" in scene.row(ab).message
    assert keywords(scene.product(ab), ["PRO.CATG"]) == {"PRO.CATG": "PIXTABLE_OBJECT"}


@pytest.mark.parametrize(
    "answer",
    [Aftermath(retire=("/etc/passwd",)), Aftermath(spent=("../../x.fits",)), Aftermath(retire="abc"), ("x",), None],  # type: ignore[arg-type]
    ids=["retire", "spent", "text", "tuple", "none"],
)
async def test_a_post_plugin_may_retire_only_what_is_the_abs(scene: Scene, answer: Any) -> None:
    class Greedy:
        def after(self, ab: AB, products: Any) -> Any:
            return answer

    ab = scene.basic()
    await scene.run(ab, plugins={"POST_PLUGIN": Greedy()})
    assert scene.row(ab).state == "DONE" and "POST_PLUGIN" in scene.row(ab).message
    assert scene.product(ab).is_file() and not trash.listing(scene.tree)


async def test_a_product_that_another_ab_still_needs_is_not_retired(scene: Scene) -> None:
    class Tidy:
        def after(self, ab: AB, products: Any) -> Aftermath:
            return Aftermath(retire=(scene.product(parent).name,) if ab.name == parent.name else ())

    parent, events = scene.basic(), record(scene.context)
    path = f"$DFS_PRODUCT/{parent.raw_type}/{parent.date}/{scene.product(parent).name}"
    sof = [(path, "PIXTABLE_OBJECT")]
    child = make_ab(kind="scipost", stem="MUSE.2014-10-23T01:00:00.000", sof=sof, waitfor=[parent.name])
    AbStore(scene.tree).write(child)
    await scene.run(parent, child, plugins={"POST_PLUGIN": Tidy()})
    assert scene.product(parent).is_file() and not trash.listing(scene.tree)
    assert [one.state for one in scene.ab(parent).products] != ["RETIRED"]
    told = [event.text for event in events if isinstance(event, Notice)]
    assert any(f"{scene.product(parent).name} is not retired: {child.name} still needs it" in text for text in told)


@pytest.mark.usefixtures("short")
async def test_a_monitor_that_hangs_is_left_behind_and_not_called_again(tmp_path: Path, stuck: threading.Event) -> None:
    scene = Scene(tmp_path, streams=1)
    calls: list[str] = []

    class Hangs:
        def notify(self, ab: AB) -> None:
            calls.append(ab.name)
            stuck.wait()

    abs_ = [scene.basic(stem=f"MUSE.2014-10-23T0{n}:00:00.000") for n in range(3)]
    outcome = await scene.run(*abs_, plugins={"END_MONITOR_PLUGIN": Hangs()})
    assert len(outcome.done) == 3
    assert len(calls) == 1


@pytest.mark.usefixtures("short")
async def test_a_pre_plugin_that_hangs_fails_the_ab_in_time(scene: Scene, stuck: threading.Event) -> None:
    class Hangs:
        def prepare(self, ab: AB) -> AB:
            stuck.wait()
            return ab

    ab = scene.basic()
    await scene.run(ab, plugins={"PRE_PLUGIN": Hangs()})
    assert scene.row(ab).state == "FAILED" and "did not end within 0.1 s" in scene.row(ab).reason


async def test_one_mode_has_plugins_of_its_own(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plugins={"PRE_PLUGIN": "a", "per_mode": {"CALIB": {"PRE_PLUGIN": "b"}}})
    seen: list[tuple[str, str]] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def prepare(self, ab: AB) -> AB:
            seen.append((self.name, ab.mode))
            return ab

    science = scene.basic()
    calib = make_ab(
        "MUSE.2014-10-22T20:00:00.000",
        "bias",
        mode="CALIB",
        date="2014-10-22",
        sof=[(scene.raw(), "BIAS")],
        products=["MASTER_BIAS"],
        params=["--make=MASTER_BIAS"],
    )
    await scene.run(science, calib, plugins={"PRE_PLUGIN": Named("all"), "CALIB.PRE_PLUGIN": Named("calib")})
    assert sorted(seen) == [("all", "SCIENCE"), ("calib", "CALIB")]


def test_the_plugins_of_a_mode_are_found_and_none_switches_off(tmp_path: Path) -> None:
    own = {"CALIB": {"PRE_PLUGIN": "NONE", "POST_PLUGIN": "pgi_postSCI"}}
    scene = Scene(tmp_path, plugins={"PRE_PLUGIN": "pgi_preTPL", "per_mode": own})
    found = pgis.load(scene.context.settings, scene.tree)
    assert set(found) == {"PRE_PLUGIN", "CALIB.POST_PLUGIN"}
    made = hooks.Hooks(scene.context, found)
    assert made.has("SCIENCE", "PRE_PLUGIN") and not made.has("CALIB", "PRE_PLUGIN")
    assert made.has("CALIB", "POST_PLUGIN") and not made.has("SCIENCE", "POST_PLUGIN")


@pytest.mark.row(334)
async def test_an_executable_in_each_slot(scene: Scene) -> None:
    script = scene.tree.bin / "watch"
    script.write_text('#!/bin/sh\necho "$AB $MODE" >> ' + str(scene.tree.root / "seen") + "\n")
    script.chmod(0o755)
    watch = ShellPgi(script, scene.tree, 10.0)
    ab = scene.basic()
    await scene.run(ab, plugins={"START_MONITOR_PLUGIN": watch, "END_MONITOR_PLUGIN": watch})
    assert (scene.tree.root / "seen").read_text() == f"{ab.name} SCIENCE\n" * 2


# --- pgi_postSCI ---------------------------------------------------------------------------


def _deep(scene: Scene) -> tuple[AB, list[AB]]:
    """One scibasic AB and two scipost ABs that read its pixel table."""
    basic = scene.basic()
    posts = [
        make_ab(
            f"MUSE.2014-10-2{n}T23:00:00.000",
            "scipost",
            sof=[(make_product(basic), "PIXTABLE_OBJECT")],
            products=["DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"],
            params=["--make=PIXTABLE_REDUCED,IMAGE_FOV,DATACUBE_FINAL"],
        )
        for n in (2, 3)
    ]
    return basic, posts


async def test_pixel_tables_go_when_the_last_reader_is_done(scene: Scene) -> None:
    basic, posts = _deep(scene)
    outcome = await scene.run(basic, *posts, plugins={"POST_PLUGIN": pgi_postSCI})
    assert len(outcome.done) == 3
    assert not scene.product(basic).exists()
    (kept,) = trash.listing(scene.tree)
    assert kept.path.is_file() and kept.origin == scene.product(basic) and "the last that needed it" in kept.why
    assert scene.ab(basic).products[0].state == "RETIRED"
    assert all(scene.product(post, 2).is_file() for post in posts), "nobody has combined them yet"


async def test_pixel_tables_stay_while_somebody_waits_for_them(scene: Scene) -> None:
    basic, posts = _deep(scene)
    broken = posts[1].with_values("RECIPE_PARAM", ["--act=rc255"])
    outcome = await scene.run(basic, posts[0], broken, plugins={"POST_PLUGIN": pgi_postSCI})
    assert outcome.failed == (broken.name,)
    assert scene.product(basic).is_file() and not trash.listing(scene.tree)


async def test_a_reader_outside_of_the_run_counts(scene: Scene) -> None:
    basic, posts = _deep(scene)
    scene.store.write(posts[1])
    await scene.run(basic, posts[0], plugins={"POST_PLUGIN": pgi_postSCI})
    assert scene.product(basic).is_file()


def test_only_the_steps_of_the_page_call_anything_spent() -> None:
    tables = [("$DFS_PRODUCT/OBJECT/2094-01-16/r.MUSE.2014_0000.fits", "PIXTABLE_OBJECT")]
    post = make_ab(kind="scipost", sof=[*tables, ("$DFO_CAL_DIR/gen/lsf.fits", "LSF_PROFILE")])
    assert pgi_postSCI.after(post, ()).spent == ("r.MUSE.2014_0000.fits",)
    assert pgi_postSCI.after(make_ab(kind="align", sof=[(tables[0][0], "IMAGE_FOV")]), ()).spent == ()
    assert pgi_postSCI.after(make_ab(kind="scibasic", sof=tables), ()).spent == ()
