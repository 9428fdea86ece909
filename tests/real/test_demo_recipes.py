"""The real MUSE recipes over the demo's frames, with sets of frames written by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits

from engine.demo import account, calibrations, night, recipes, truth
from engine.demo.frames import write_raw

PLUGINS = sorted(Path("/usr").glob("lib/*/cpl/plugins/muse-*"))
pytestmark = pytest.mark.real

Files = dict[str, Path]


def esorex(cwd: Path, recipe: str, params: tuple[str, ...], *lines: tuple[Path, str]) -> Files:
    """Products by category of one call; it must end well without a single error line."""
    cwd.mkdir()
    (cwd / "in.sof").write_text("".join(f"{path} {tag}\n" for path, tag in lines))
    options = [f"--recipe-dir={PLUGINS[-1]}", "--products-sof=products.json", "--log-dir=.", "--log-file=own.log"]
    done = subprocess.run(
        ["esorex", *options, recipe, *params, "in.sof"],  # noqa: S607
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "[ ERROR ]" not in said, said
    return {entry["category"]: cwd / entry["name"] for entry in json.loads((cwd / "products.json").read_text())}


class Desk:
    """A directory with raw frames and calibrations, and the steps of the cascade."""

    def __init__(self, root: Path, exposures: int, sky: int) -> None:
        self.root, self.field = root, night.targets(1, 4)[0]
        self.shots = night.observations((self.field,), exposures, sky, 4)
        self.statics = {calib.catg: calibrations.write(calib, root) for calib in calibrations.FILES}
        biases = [(self.raw(shot), "BIAS") for shot in night.biases(4)]
        self.master = esorex(root / "bias", "muse_bias", recipes.PARAMS["bias"], *biases)["MASTER_BIAS"]

    def raw(self, shot: night.Exposure) -> Path:
        path = self.root / f"{shot.root}.fits"
        write_raw(shot, path)
        return path

    def static(self, *catgs: str) -> list[tuple[Path, str]]:
        return [(self.statics[catg], catg) for catg in catgs]

    def basic(self, shot: night.Exposure) -> Path:
        calibs = self.static("MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "GEOMETRY_TABLE")
        lines = [(self.raw(shot), shot.type), (self.master, "MASTER_BIAS"), *calibs]
        made = esorex(self.root / f"basic-{shot.stamp}", "muse_scibasic", recipes.PARAMS["scibasic"], *lines)
        assert list(made) == [f"PIXTABLE_{shot.type}"]
        return made[f"PIXTABLE_{shot.type}"]

    def sky(self) -> Files:
        (shot,) = (shot for shot in self.shots if shot.type == "SKY")
        calibs = self.static("SKY_LINES", "LSF_PROFILE", "STD_RESPONSE", "EXTINCT_TABLE")
        table = (self.basic(shot), "PIXTABLE_SKY")
        return esorex(self.root / "sky", "muse_create_sky", recipes.PARAMS["create_sky"], table, *calibs)

    def post(self, shot: night.Exposure, sky: Files | None) -> Files:
        calibs = self.static("LSF_PROFILE", "STD_RESPONSE", "EXTINCT_TABLE")
        model = [(sky[catg], catg) for catg in ("SKY_LINES", "SKY_CONTINUUM")] if sky else []
        params = recipes.PARAMS["scipost_sky" if sky else "scipost"]
        table = (self.basic(shot), "PIXTABLE_OBJECT")
        return esorex(self.root / f"post-{shot.stamp}", "muse_scipost", params, table, *model, *calibs)


@pytest.mark.row(437)
@pytest.mark.parametrize("sky", [1, 0])
def test_the_real_cascade_recovers_the_injected_offsets_and_stars(tmp_path: Path, sky: int):
    desk = Desk(tmp_path, 3, sky)
    model = desk.sky() if sky else None
    objects = [shot for shot in desk.shots if shot.type == "OBJECT"]
    posts = [desk.post(shot, model) for shot in objects]
    images = [(made["IMAGE_FOV"], "IMAGE_FOV") for made in posts]
    aligned = esorex(tmp_path / "align", "muse_exp_align", recipes.PARAMS["align"], *images)
    tables = [(made["PIXTABLE_REDUCED"], "PIXTABLE_REDUCED") for made in posts]
    offsets = (aligned["OFFSET_LIST"], "OFFSET_LIST")
    combined = esorex(tmp_path / "combine", "muse_exp_combine", recipes.PARAMS["combine"], *tables, offsets)

    header = fits.getheader(combined["DATACUBE_FINAL"])
    assert header["ESO PRO DATANCOM"] == 3
    assert header["ESO QC EXPCOMB FWHM MEDIAN"] == pytest.approx(0.8, abs=0.08)  # aligned: as sharp as it was drawn
    assert header["ESO DRS MUSE OFFSET3 DATE-OBS"] == objects[2].stamp

    tree = account.tree(tmp_path / "account")
    tree.product.mkdir(parents=True)
    for path in (aligned["OFFSET_LIST"], combined["IMAGE_FOV"]):
        shutil.copy(path, tree.product)
    told = account.truth_of((desk.field,), desk.shots)
    (tree.root / account.TRUTH).write_text(json.dumps(told))
    (checked,) = truth.check(tree).targets
    assert checked.passed, checked.text
    assert checked.offsets_found == 3 and checked.offset_error < 0.03


def test_crowded_alignment_takes_the_documented_parameters(tmp_path: Path):
    from engine.pgis.pgi_phoenix_MUSE_AB_deep import CROWDED_ALIGN

    desk = Desk(tmp_path, 2, 0)
    images = [(desk.post(shot, None)["IMAGE_FOV"], "IMAGE_FOV") for shot in desk.shots]
    made = esorex(tmp_path / "align", "muse_exp_align", CROWDED_ALIGN, *images)
    assert fits.getheader(made["OFFSET_LIST"])["ESO QC EXPALIGN NOMATCH"] == 0


def test_the_real_recipe_reads_pixel_tables_of_the_stand_in(tmp_path: Path):
    """The stand-in writes the pipeline's own layout: real muse_exp_combine takes it."""
    from tests.integration.test_standin import abs_of, run_ab

    made = account.build_account(tmp_path / "demo", account.DemoSpec(1, 2, 0), lambda _: None)
    for ab in abs_of(made):
        run_ab(made, ab)
    tables = sorted(made.tree.product.glob("PIXTABLE_OBJECT/*/*_pst_0002.fits"))
    offsets = next(made.tree.product.glob("IMAGE_FOV/*/*_dal_0000.fits"))
    lines = [*((path, "PIXTABLE_REDUCED") for path in tables), (offsets, "OFFSET_LIST")]
    combined = esorex(tmp_path / "combine", "muse_exp_combine", ("--save=cube",), *lines)
    assert fits.getheader(combined["DATACUBE_FINAL"])["ESO QC EXPCOMB FWHM MEDIAN"] == pytest.approx(0.8, abs=0.1)
