"""processAB by name: historical ABs, parents, what is done already; and what becomes stale."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.cli import process
from engine import events as ev
from engine.core.ab import AB, parse
from engine.errors import BadAb, UsageTrouble
from engine.process.ab.again import as_new, choose, located, pools
from engine.process.run import run_pool
from engine.stores.attempts import Attempts
from engine.stores.orders import Order
from engine.workflows.phoenix import carry_out
from engine.workflows.under_way import Ended, Plugins
from tests.builders import PSEUDO, make_ab, make_product
from tests.fakes import make_fits
from tests.integration.test_process_ab import Scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path)
    monkeypatch.setattr(run_pool, "pipeline_of", lambda settings: made.pipeline)
    return made


async def ordered(scene: Scene, *names: str, parts: str = "P", **options: str) -> Ended:
    chosen = {"abs": " ".join(names), "qc": "no"} if names else {"qc": "no"}
    order = Order("SCIENCE", PSEUDO, parts, options={**chosen, **options})
    return await carry_out(scene.context, order, Plugins(), "stub", True, lambda streams: None)


def family(scene: Scene) -> tuple[AB, AB, AB]:
    """A scibasic AB, its scipost AB, and one that has nothing to do with them."""
    basic = scene.basic()
    post = make_ab(
        kind="scipost",
        sof=[(make_product(basic), "PIXTABLE_OBJECT")],
        products=["DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"],
        params=["--make=PIXTABLE_REDUCED,IMAGE_FOV,DATACUBE_FINAL"],
        waitfor=[basic.name],
    )
    other = scene.basic(stem="MUSE.2014-10-23T01:00:00.000")
    for ab in (basic, post, other):
        scene.store.write(ab)
    return basic, post, other


def moved(scene: Scene, ab: AB) -> AB:
    """The AB as moveProducts and updateAB leave it."""
    place = scene.tree.log / ab.date
    place.mkdir(exist_ok=True)
    done = ab.with_values("PRODUCTS", ["MU_SOBJ_940116A.fits PIXTABLE_OBJECT EXISTING"])
    done = done.with_value("PROCESS_STATUS", "SUCCESSFUL").with_value("PROD_PATH", f"$DFO_SCI_DIR/{ab.date}")
    (place / ab.name).write_bytes(done.render())
    scene.store.path(ab.name).unlink(missing_ok=True)
    return done


@pytest.mark.row(406)
async def test_only_the_named_ab_runs(scene: Scene) -> None:
    basic, post, other = family(scene)
    ended = await ordered(scene, other.name)
    assert ended.exit_code == 0, ended.text
    assert [scene.ab(ab).status for ab in (basic, post, other)] == ["CREATED", "CREATED", "SUCCESSFUL"]


async def test_what_is_done_is_not_done_again_without_force(scene: Scene) -> None:
    *_, other = family(scene)
    await ordered(scene, other.name)
    again = await ordered(scene, other.name)
    assert again.exit_code == 0 and "is done already" in again.text
    assert attempts(scene, other) == 1
    assert (await ordered(scene, other.name, force="yes")).exit_code == 0
    assert attempts(scene, other) == 2


async def test_a_failed_ab_runs_again_when_it_is_named(scene: Scene) -> None:
    *_, other = family(scene)
    scene.store.write(other.with_value("PROCESS_STATUS", "FAILED"))
    assert (await ordered(scene, other.name)).exit_code == 0
    assert scene.ab(other).status == "SUCCESSFUL"


async def test_parents_that_are_not_done_are_named_or_run(scene: Scene) -> None:
    basic, post, _ = family(scene)
    ended = await ordered(scene, post.name)
    assert ended.exit_code == 1 and f"{post.name} waits for {basic.name}, which is CREATED" in ended.text
    assert scene.ab(basic).status == "CREATED"
    scene.store.write(basic.with_value("PROCESS_STATUS", "FAILED"))
    with_parents = await ordered(scene, post.name, parents="yes")
    assert with_parents.exit_code == 0, with_parents.text
    assert [scene.ab(ab).status for ab in (basic, post)] == ["SUCCESSFUL", "SUCCESSFUL"]


def sisters(scene: Scene, form: str = ".fits") -> tuple[AB, AB]:
    """A moved parent, and a child that updateAB has told the final name of what it read."""
    basic, post, _ = family(scene)
    moved(scene, basic)
    final = scene.tree.sci / PSEUDO / f"MU_SOBJ_940116A{form}"
    final.parent.mkdir()
    pipefile = scene.product(basic).name
    if form == ".fits":
        make_fits(final, "PIXTABLE_OBJECT", PIPEFILE=pipefile)
    else:
        final.write_text(f"PIPEFILE= '{pipefile}'\n")
    lines = [
        "REAL $DFO_CAL_DIR/gen/FIXED.fits EXTINCT_TABLE",
        f"REAL {final.with_suffix('.fits')} PIXTABLE_OBJECT 0.1 OK",
    ]
    post = post.with_values("MCALIB", lines)
    scene.store.write(post)
    return basic, post


@pytest.mark.parametrize("form", [".fits", ".hdr"])
async def test_a_child_names_the_product_that_its_moved_parent_made_anew(scene: Scene, form: str) -> None:
    basic, post = sisters(scene, form)
    assert (await ordered(scene, basic.name)).exit_code == 0
    told: list[str] = []
    scene.context.bus.subscribe(lambda stamped: told.append(getattr(stamped.event, "text", "")))
    assert (await ordered(scene, post.name)).exit_code == 0
    fixed, read = scene.ab(post).values("MCALIB")
    assert fixed == "REAL $DFO_CAL_DIR/gen/FIXED.fits EXTINCT_TABLE"
    assert read == f"VIRTUAL {make_product(basic)} PIXTABLE_OBJECT 0.1 OK"
    assert str(scene.product(basic)) in scene.log(post)
    new = f"{post.name} reads {scene.product(basic).name}, made anew, and no more MU_SOBJ_940116A.fits"
    assert told.count(new) == 1


async def test_what_is_told_of_a_child_is_told_on_the_loop(scene: Scene) -> None:
    """A console's listener asks for the loop: in any other thread it fails, is unsubscribed and hears no more."""
    basic, post = sisters(scene)
    assert (await ordered(scene, basic.name)).exit_code == 0
    heard: list[str] = []

    def console(stamped: ev.Stamped) -> None:
        asyncio.get_running_loop()
        heard.append(getattr(stamped.event, "text", ""))

    scene.context.bus.subscribe(console)
    assert (await ordered(scene, post.name)).exit_code == 0
    assert any(text.startswith(f"{post.name} reads ") for text in heard)
    scene.context.bus.publish(ev.Notice("info", "still heard"))
    assert heard[-1] == "still heard"


async def test_a_child_that_reads_what_has_moved_keeps_its_lines(scene: Scene) -> None:
    _, post = sisters(scene)
    assert (await ordered(scene, post.name)).exit_code == 0
    assert scene.ab(post).values("MCALIB") == post.values("MCALIB")
    assert "MU_SOBJ_940116A.fits PIXTABLE_OBJECT" in scene.log(post)


@pytest.mark.row(406)
async def test_a_historical_ab_runs_again_and_what_moved_stays(scene: Scene) -> None:
    *_, other = family(scene)
    archived = moved(scene, other)
    final = scene.tree.sci / PSEUDO / "MU_SOBJ_940116A.fits"
    final.parent.mkdir()
    final.write_bytes(b"moved")
    ended = await ordered(scene, other.name)
    assert ended.exit_code == 0, ended.text
    assert scene.product(other).is_file() and scene.ab(other).products[0].name == scene.product(other).name
    assert final.read_bytes() == b"moved"
    assert (scene.tree.log / PSEUDO / other.name).read_bytes() == archived.render()


def test_an_ab_by_path_is_copied_in_and_never_over_another(scene: Scene, tmp_path: Path) -> None:
    ab = scene.basic(status="SUCCESSFUL")
    path = tmp_path / ab.name
    path.write_bytes(ab.render())
    (found,) = choose(scene.tree, [str(path)]).abs
    assert found.status == "CREATED" and path.read_bytes() == ab.render()
    assert choose(scene.tree, [str(path)]).abs, "the same again"
    path.write_bytes(ab.with_value("RECIPE", "muse_bias").render())
    with pytest.raises(UsageTrouble, match="another"):
        choose(scene.tree, [str(path)])


@pytest.mark.parametrize("name", ["nonsense", "../../etc/passwd.ab", "MUSE.2014.ab", "/nowhere/MUSE.2014.ab"])
def test_names_that_are_no_ab_are_refused(scene: Scene, name: str) -> None:
    with pytest.raises((UsageTrouble, BadAb)):
        choose(scene.tree, [name])


def test_the_newest_of_several_historical_abs_is_taken(scene: Scene) -> None:
    ab = scene.basic()
    for date in ("2014-01-01", "2015-01-01"):
        (scene.tree.log / date).mkdir()
        (scene.tree.log / date / ab.name).write_bytes(ab.render())
    assert located(scene.tree, ab.name).parent.name == "2015-01-01"
    assert pools(scene.tree, [ab.name]) == {("SCIENCE", PSEUDO): [ab.name]}


def test_as_new_predicts_what_the_recipe_will_make(scene: Scene) -> None:
    done = moved(scene, scene.basic())
    fresh = as_new(done)
    assert fresh.products[0].name == f"{done.root}_0000.fits" and fresh.products[0].state == "MISSING"
    assert parse(fresh.render(), "x") and as_new(fresh) == fresh


def test_the_command_needs_an_ab(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        process.main([])
    assert caught.value.code == 2 and "-a" in capsys.readouterr().err


def attempts(scene: Scene, ab: AB) -> int:
    return len(Attempts(scene.context.db).of(ab.name))


# --- stale -----------------------------------------------------------------------------------


def state(scene: Scene, ab: AB) -> tuple[str, str]:
    row: Any = scene.row(ab)
    return row.state, row.reason


async def test_what_becomes_stale_in_a_run_is_not_counted_as_done(scene: Scene) -> None:
    basic, post, _ = family(scene)
    assert (await ordered(scene)).exit_code == 0
    scene.store.write(scene.ab(basic).with_value("PROCESS_STATUS", "CREATED"))  # as createAB makes it again
    scene.product(basic).unlink()
    ended = await ordered(scene)
    assert "2 ABs done, 1 stale (the next -P runs it again)" in ended.text
    assert scene.row(post).state == "STALE"
    assert "3 ABs done" in (await ordered(scene)).text


async def test_what_was_built_from_a_product_made_anew_is_stale_and_runs_again(scene: Scene) -> None:
    basic, post, other = family(scene)
    assert (await ordered(scene)).exit_code == 0
    assert (await ordered(scene, basic.name, force="yes")).exit_code == 0
    assert state(scene, post)[0] == "DONE", "the product is the same as before"
    scene.store.write(scene.ab(basic).with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT", "--main=3"]))
    assert (await ordered(scene, basic.name, force="yes")).exit_code == 0
    assert state(scene, post) == ("STALE", f"{basic.name} was made anew")
    assert state(scene, other)[0] == "DONE"
    refused = await ordered(scene, parts="M")
    assert refused.exit_code == 2 and "1 stale AB of SCIENCE 2094-01-16" in refused.text
    again = await ordered(scene)
    assert again.exit_code == 0 and "1 stale AB again" in again.text
    assert state(scene, post)[0] == "DONE" and attempts(scene, post) == 2 and attempts(scene, other) == 1


async def test_of_moved_children_it_is_only_said(scene: Scene) -> None:
    basic, post, _ = family(scene)
    await ordered(scene)
    scene.context.bus.publish(ev.AbChanged(post.name, "MOVED"))
    events: list[ev.Event] = []
    scene.context.bus.subscribe(lambda stamped: events.append(stamped.event))
    scene.store.write(scene.ab(basic).with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT", "--main=3"]))
    await ordered(scene, basic.name, force="yes")
    assert state(scene, post)[0] == "MOVED"
    said = [event.text for event in events if isinstance(event, ev.Notice)]
    assert any(f"{post.name}, built from the old one, has moved" in text for text in said)


async def test_an_input_removed_while_its_child_waits_fails_that_child_alone(scene: Scene) -> None:
    basic, post, other = family(scene)
    await ordered(scene, basic.name)
    scene.product(basic).unlink()
    ended = await ordered(scene)
    assert ended.exit_code == 1
    assert state(scene, post)[0] == "FAILED" and scene.product(basic).name in state(scene, post)[1]
    assert state(scene, other)[0] == "DONE"


async def test_a_parent_that_fails_blocks_its_children(scene: Scene) -> None:
    basic, post, other = family(scene)
    scene.store.write(basic.with_values("RECIPE_PARAM", ["--act=rc255"]))
    await ordered(scene)
    assert [state(scene, ab)[0] for ab in (basic, post, other)] == ["FAILED", "BLOCKED", "DONE"]


async def test_a_stale_ab_runs_again_when_it_is_named(scene: Scene) -> None:
    basic, post, _ = family(scene)
    await ordered(scene)
    scene.context.bus.publish(ev.AbChanged(post.name, "STALE", f"{basic.name} was made anew"))
    again = await ordered(scene, post.name)
    assert again.exit_code == 0 and "is done already" not in again.text, again.text
    assert attempts(scene, post) == 2 and state(scene, post)[0] == "DONE" and attempts(scene, basic) == 1
    scene.context.bus.publish(ev.AbChanged(basic.name, "STALE", "made anew"))
    await ordered(scene, post.name, parents="yes", force="yes")
    assert (attempts(scene, basic), attempts(scene, post)) == (2, 3)


# --- force -----------------------------------------------------------------------------------


async def test_force_leaves_a_good_ab_alone_when_its_inputs_are_nowhere(scene: Scene) -> None:
    basic, post, _ = family(scene)
    await ordered(scene)
    scene.product(basic).unlink()
    before = scene.store.path(post.name).read_bytes()
    ended = await ordered(scene, post.name, force="yes")
    assert ended.exit_code == 1
    assert f"{post.name} stays as it is: missing input" in ended.text
    assert scene.store.path(post.name).read_bytes() == before and state(scene, post)[0] == "DONE"
    both = await ordered(scene, basic.name, post.name, force="yes")
    assert both.exit_code == 0 and attempts(scene, post) == 2, both.text


async def test_force_leaves_a_good_ab_alone_when_it_is_too_large(scene: Scene) -> None:
    *_, other = family(scene)
    await ordered(scene, other.name)
    settings = scene.context.settings
    kinds = {**settings.kinds, "scibasic": settings.kinds["scibasic"].model_copy(update={"memory_gb": 99.0})}
    admission = settings.admission.model_copy(update={"memory_gb": 1e-6})
    changed = settings.model_copy(update={"kinds": kinds, "admission": admission})
    scene.context = replace(scene.context, settings=changed)
    ended = await ordered(scene, other.name, force="yes")
    assert ended.exit_code == 1 and "stays as it is: refused: needs " in ended.text
    assert scene.ab(other).status == "SUCCESSFUL" and state(scene, other)[0] == "DONE"


async def test_a_circle_is_told_when_the_run_ends(scene: Scene) -> None:
    stems = [f"MUSE.2014-10-23T01:00:0{n}.000" for n in range(3)]
    names = [f"{stem}.ab" for stem in stems]
    for stem, parent in zip(stems, (names[1], names[0], names[0]), strict=True):
        scene.store.write(make_ab(stem, waitfor=[parent]))
    ended = await ordered(scene, *names)
    assert ended.exit_code == 1
    assert ended.text.endswith(f"a circle: {names[0]} waits for {names[1]} waits for {names[0]}")
