"""Which pipeline runs the recipes: the stand-in only where somebody wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.schema import Process, Settings
from engine.core.pipelines import STANDIN
from engine.errors import RecipeTrouble
from engine.process.ab.pipeline import none_of, pipeline_of
from tests.builders import make_settings


def _wanted(pipeline: str, operational: bool, **process: str) -> Settings:
    given = {"pipeline": pipeline, **process}
    return make_settings(operational=operational, process=Process(**given))


@pytest.mark.parametrize("missing", [{"esorex": "esorex-of-nowhere"}, {"esorex": "/bin/true"}])
def test_auto_takes_the_stand_in_in_a_demo_only(missing: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.process.ab.pipeline.plugin_dir", lambda instrument: "")
    found = pipeline_of(_wanted("auto", False, **missing))
    assert (found.name, found.standin) == (STANDIN, True)
    with pytest.raises(RecipeTrouble) as trouble:
        pipeline_of(_wanted("auto", True, **missing))
    assert "install" in trouble.value.remedy and "process.pipeline: stand-in" in trouble.value.remedy


def test_it_is_taken_where_it_is_asked_for_and_never_instead_of_esorex() -> None:
    assert pipeline_of(_wanted("stand-in", True)).standin
    with pytest.raises(RecipeTrouble) as trouble:
        pipeline_of(_wanted("esorex", False, esorex="esorex-of-nowhere"))
    assert "stand-in" not in trouble.value.remedy


def test_installed_recipes_are_used_also_in_a_demo(tmp_path: Path) -> None:
    found = pipeline_of(_wanted("auto", False, esorex="/bin/true", recipe_dir=str(tmp_path)))
    assert not found.standin and found.program == ("/bin/true",)


def test_what_has_no_pipeline_runs_no_recipe() -> None:
    nothing = none_of(RecipeTrouble("esorex not found: 'x'"))
    assert not nothing.standin and "esorex not found" in nothing.name
    with pytest.raises(RecipeTrouble, match="no pipeline"):
        nothing.command("muse_bias", [])
