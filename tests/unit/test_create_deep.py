"""ABs of a deep run, and what the AB_PGI makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.core.ab import AB, Calib, parse
from engine.core.cascade import kind_of
from engine.create.create_deep import DeepRun, DeepTarget, Frame, deep_abs
from engine.errors import BadAb, BadCascade, UsageTrouble
from engine.pgis import pgi_phoenix_MUSE_AB_deep as pgi
from tests.builders import PSEUDO, make_settings

STATIC = Calib("REAL", "$DFO_CAL_DIR/gen/MU_GGEO_141001A_WFM-NOAO-N.fits", "GEOMETRY_TABLE", ("-2.0", "OK"))
MASTER = Calib("VIRTUAL", "$DFS_PRODUCT/BIAS/2014-10-22/r.MUSE.2014-10-22T20:41:17.000_tpl_0000.fits", "MASTER_BIAS")
PARAMS = {
    "scibasic": ("--nifu=1",),
    "scipost": ("--skymethod=none", "--save=cube,individual"),
    "scipost_sky": ("--skymethod=subtract-model", "--save=cube,individual"),
    "align": ("--rsearch=4.,2.", "--srcmin=4", "--threshold=15."),
    "combine": ("--save=cube",),
}


def frame(minute: int, kind: str = "OBJECT", day: int = 22) -> Frame:
    stamp = f"2014-10-{day:02d}T{minute // 60:02d}:{minute % 60:02d}:00.000"
    mjd = 56952.0 + (day - 22) + minute / 1440
    return Frame(
        f"MUSE.{stamp}", f"2014-10-{day:02d}", kind, mjd, 600.0, "1134385", "094.A-0116(B)", ("INS_MODE=WFM-NOAO-N",)
    )


def target(name: str, objects: int, skies: int, day: int = 22) -> DeepTarget:
    return DeepTarget(
        name,
        tuple(frame(20 * i, "OBJECT", day) for i in range(objects)),
        tuple(frame(20 * i + 10, "SKY", day) for i in range(skies)),
    )


def run(*targets: DeepTarget, crowded: bool = False) -> DeepRun:
    calibs = {"muse_scibasic": (MASTER, STATIC)}
    return DeepRun("094.A-0116B", PSEUDO, targets, calibs, PARAMS, crowded=crowded)


def by_tag(abs_: tuple[AB, ...], tag: str) -> list[AB]:
    return [ab for ab in abs_ if ab.tag == tag]


@pytest.mark.row(314)
def test_four_object_frames_without_sky_make_ten_abs():
    created = deep_abs(run(target("NGC300", 4, 0)))
    assert len(created) == 9 and not by_tag(created, "dal")
    proposed = pgi.propose(created)
    assert [ab.recipe for ab in proposed].count("muse_exp_align") == 1
    assert len(proposed) == 10


@pytest.mark.row(315)
def test_a_sky_frame_adds_its_scibasic_and_create_sky():
    proposed = pgi.propose(deep_abs(run(target("NGC300", 4, 1))))
    assert len(proposed) == 12
    assert [ab.raw_type for ab in by_tag(proposed, "")].count("SKY") == 1
    assert by_tag(proposed, "sky")[0].recipe == "muse_create_sky"


@pytest.mark.row(312)
def test_type_of_an_ab_by_extension_and_raw_type():
    from engine.core.cascade import Kind

    kinds = [
        Kind(name, kind.recipe, kind.tag, kind.raw_types, kind.rank, kind.streams)
        for name, kind in make_settings().kinds.items()
    ]
    proposed = pgi.propose(deep_abs(run(target("NGC300", 2, 1))))
    found = [kind_of(ab, kinds) for ab in proposed]
    assert [kind.name if kind else "?" for kind in found] == [
        *("sky_basic", "create_sky", "scibasic", "scibasic", "scipost", "scipost", "align", "combine"),
    ]


@pytest.mark.row(313)
def test_a_dal_ab_says_which_dpc_ab_it_was_made_from():
    proposed = pgi.propose(deep_abs(run(target("NGC300", 3, 0))))
    (dal,), (dpc,) = by_tag(proposed, "dal"), by_tag(proposed, "dpc")
    assert dal.get("CREATED_BY") == f"pgi_phoenix_MUSE_AB_deep from {dpc.name}"
    assert [entry.tag for entry in dal.sof] == ["IMAGE_FOV"] * 3
    assert (dal.raw_type, dal.root, dal.target, dal.run_id) == (
        "IMAGE_FOV",
        f"r.{dal.name[:-3]}",
        "NGC300",
        "094.A-0116B",
    )
    assert [product.catg for product in dal.products] == ["OFFSET_LIST", "PREVIEW_FOV", *["SOURCE_LIST"] * 3]
    assert dal.params == PARAMS["align"]


@pytest.mark.row(331)
def test_dal_waits_for_every_scipost_of_its_target_and_dpc_for_dal():
    proposed = pgi.propose(deep_abs(run(target("NGC300", 3, 1), target("M83", 2, 0, day=23))))
    for dal, dpc in zip(by_tag(proposed, "dal"), by_tag(proposed, "dpc"), strict=True):
        posts = [ab.name for ab in by_tag(proposed, "pst") if ab.target == dal.target]
        assert list(dal.waitfor) == posts
        assert list(dpc.waitfor) == [*posts, dal.name]
        assert dpc.sof[-1].path == f"$DFS_PRODUCT/IMAGE_FOV/{PSEUDO}/{dal.root}_0000.fits"
        assert dpc.sof[-1].tag == "OFFSET_LIST"


def test_scipost_gets_the_nearest_sky_of_its_own_target():
    near = DeepTarget("NGC300", (frame(0), frame(300)), (frame(20, "SKY"), frame(290, "SKY")))
    other = DeepTarget("M83", (frame(2, day=23), frame(20, day=23)), (frame(21, "SKY", day=23),))
    proposed = pgi.propose(deep_abs(run(near, other)))
    connected = {
        ab.name: [entry.path.rsplit("/")[-1] for entry in ab.sof if entry.tag.startswith("SKY_")]
        for ab in by_tag(proposed, "pst")
    }
    assert connected == {
        "MUSE.2014-10-22T00:00:00.000_pst.ab": [f"r.MUSE.2014-10-22T00:20:00.000_sky_000{n}.fits" for n in (0, 1)],
        "MUSE.2014-10-22T05:00:00.000_pst.ab": [f"r.MUSE.2014-10-22T04:50:00.000_sky_000{n}.fits" for n in (0, 1)],
        "MUSE.2014-10-23T00:02:00.000_pst.ab": [f"r.MUSE.2014-10-23T00:21:00.000_sky_000{n}.fits" for n in (0, 1)],
        "MUSE.2014-10-23T00:20:00.000_pst.ab": [f"r.MUSE.2014-10-23T00:21:00.000_sky_000{n}.fits" for n in (0, 1)],
    }
    assert "MUSE.2014-10-22T00:20:00.000_sky.ab" in by_tag(proposed, "pst")[0].waitfor


def test_crowded_parameters_are_verbatim_and_rsearch_is_commented_out():
    proposed = pgi.propose(deep_abs(run(target("47TUC", 2, 0), crowded=True)))
    (dal,), posts = by_tag(proposed, "dal"), by_tag(proposed, "pst")
    assert dal.crowded
    assert dal.params == ("--threshold=100.", "--iterations=20000.", "--srcmax=200", "--srcmin=2", "--step=5.")
    assert b"# --rsearch=4.,2. commented out" in dal.render()
    assert all(ab.params == ("--save=cube,individual", "--skymethod=none") for ab in posts)


def test_crowded_scipost_takes_no_sky_even_where_one_exists():
    proposed = pgi.propose(deep_abs(run(target("47TUC", 2, 1), crowded=True)))
    assert not [entry for ab in by_tag(proposed, "pst") for entry in ab.sof if entry.tag.startswith("SKY_")]


@pytest.mark.row(345)
def test_inputs_of_a_dpc_ab_are_put_in_time_order():
    created = list(deep_abs(run(target("NGC300", 4, 0))))
    shuffled = created[-1].with_values("SOF_CONTENT", reversed(created[-1].values("SOF_CONTENT")))
    proposed = pgi.propose((*created[:-1], shuffled))
    paths = [entry.path for entry in by_tag(proposed, "dpc")[0].sof]
    assert paths[:-1] == sorted(paths[:-1])
    assert by_tag(proposed, "dal")[0].sof[0].path.endswith("T00:00:00.000_pst_0001.fits")


@pytest.mark.row(311)
def test_the_plugin_changes_nothing_when_it_runs_again():
    once = pgi.propose(deep_abs(run(target("NGC300", 3, 2), target("M83", 2, 0, day=23))))
    assert pgi.propose(once) == once


def test_abs_can_be_read_back_from_their_files():
    for ab in pgi.propose(deep_abs(run(target("NGC300", 3, 1)))):
        assert parse(ab.render(), ab.where) == ab


def test_master_calibrations_are_inherited_not_made():
    (basic, *_) = deep_abs(run(target("NGC300", 2, 0)))
    assert basic.calibs == (MASTER, STATIC)
    assert [entry.tag for entry in basic.sof] == ["OBJECT", "MASTER_BIAS", "GEOMETRY_TABLE"]


def test_a_pool_without_dpc_is_left_as_it_is_but_for_waiting():
    created = tuple(ab for ab in deep_abs(run(target("NGC300", 2, 0))) if ab.tag != "dpc")
    proposed = pgi.propose(created)
    assert [ab.name for ab in proposed] == [ab.name for ab in created]
    assert pgi.propose(()) == ()


def test_a_name_that_stands_twice_is_refused():
    created = deep_abs(run(target("NGC300", 2, 0)))
    with pytest.raises(BadCascade, match="stands twice"):
        pgi.propose((*created, created[0]))


def test_a_dpc_whose_scipost_is_missing_is_refused_with_its_name():
    created = deep_abs(run(target("NGC300", 2, 0)))
    with pytest.raises(BadCascade, match="which no AB of the pool makes"):
        pgi.propose(created[-1:])


def test_a_dpc_with_a_single_exposure_is_refused():
    created = deep_abs(run(target("NGC300", 2, 0)))
    lonely = created[-1].with_values("SOF_CONTENT", created[-1].values("SOF_CONTENT")[:1])
    with pytest.raises(BadCascade, match="combines 1 exposures"):
        pgi.propose((*created[:-1], lonely))


def test_a_time_that_is_no_number_is_refused():
    created = deep_abs(run(target("NGC300", 2, 1)))
    broken = tuple(ab.with_value("MJD-OBS_MOD", "noon") if ab.tag == "sky" else ab for ab in created)
    with pytest.raises(BadAb, match="'noon' is not a number"):
        pgi.propose(broken)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (target("NGC300", 1, 0), "has 1 OBJECT frames"),
        (target("NGC 300", 2, 0), "may not be a target name"),
        (target("NGC#300", 2, 0), "may not be a target name"),
        (DeepTarget("NGC300", (frame(0), frame(0))), "is used twice"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(bad: DeepTarget, message: str):
    with pytest.raises(UsageTrouble, match=message):
        deep_abs(run(bad))


def test_a_target_twice_and_a_bad_date_are_refused():
    with pytest.raises(UsageTrouble, match="stands twice"):
        deep_abs(run(target("NGC300", 2, 0), target("NGC300", 2, 0, day=23)))
    with pytest.raises(UsageTrouble, match="is not a DATE"):
        deep_abs(replace(run(target("NGC300", 2, 0)), date="tomorrow"))
