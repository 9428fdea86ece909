"""Layers: later wins key by key, every value knows its origin, every problem is named in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigTrouble
from config.load import Loaded, load, profiles
from config.schema import Settings

PROFILE = "profile: MUSE_DEEP\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def loaded(folder: Path, text: str, *, environ: dict[str, str] | None = None, sets: tuple[str, ...] = ()) -> Loaded:
    (folder / "dfos.yaml").write_text(text, encoding="utf-8")
    return load(folder, environ, sets)


def problems(
    folder: Path, text: str, *, environ: dict[str, str] | None = None, sets: tuple[str, ...] = ()
) -> list[str]:
    with pytest.raises(ConfigTrouble) as caught:
        loaded(folder, text, environ=environ, sets=sets)
    return [problem.replace(str(folder) + "/", "") for problem in caught.value.problems]


def test_the_muse_deep_profile_is_the_documented_instance(folder: Path) -> None:
    settings = loaded(folder, PROFILE).settings
    kinds = settings.kinds
    deep = ["sky_basic", "create_sky", "scibasic", "scipost", "align", "combine"]
    assert [kinds[name].rank for name in deep] == [1, 2, 3, 4, 5, 6]
    assert [kinds[name].streams for name in deep] == [1, 1, 3, 3, 1, 1]
    assert [kinds[name].tag for name in deep] == ["", "sky", "", "pst", "dal", "dpc"]
    assert (kinds["bias"].recipe, kinds["bias"].tag, kinds["bias"].raw_types) == ("muse_bias", "tpl", ("BIAS",))
    assert settings.certification.review == ("combine",)
    assert settings.certification.mode == "interactive"
    assert not settings.all_parts
    assert settings.pool == "run"
    assert [(watched.user, watched.pattern) for watched in settings.gate.watch] == [("espresso", "autoDaily")]
    assert (settings.gate.interval_s, settings.gate.policy) == (60.0, "start-only")
    codes = {(code.pro_catg, code.when.get("ab_type", "")): code.code for code in settings.rename.science}
    assert codes["DATACUBE_FINAL", "dpc"] == "SCBD"
    assert codes["IMAGE_FOV", "dpc"] == "SIMD"
    assert {code.pro_catg: code.code for code in settings.rename.calib}["MASTER_BIAS"] == "MBIA"
    assert settings.rename.table == "MUSE"
    assert settings.rename.special_plugin == "pgi_phoenix_MUSE_renameP"
    assert settings.plugins.AB_PGI == "pgi_phoenix_MUSE_AB_deep"


def test_every_code_of_the_profile_tells_its_source(folder: Path) -> None:
    rename = loaded(folder, PROFILE).settings.rename
    assert all(code.source for code in (*rename.calib, *rename.science, *rename.gen))


def test_later_layers_win_key_by_key(folder: Path) -> None:
    (folder / "config.moveProducts").write_text("TOOL_MODE AUTO\nRENAME CALIB | NO\n")
    text = PROFILE + "process: {threads: 2}\nkinds:\n  scipost: {streams: 2}\nmove: {trash_days: 5}\n"
    found = loaded(
        folder,
        text,
        environ={"DFOS_PROCESS__LOG_LEVEL": "debug", "DFOS_KINDS__SCIPOST__RANK": "7", "DFOS_STREAMS": "4"},
        sets=("process.threads=3", "gate.interval_s=5"),
    )
    settings = found.settings
    assert settings.process.threads == 3
    assert settings.process.log_level == "debug"
    assert (settings.kinds["scipost"].streams, settings.kinds["scipost"].rank) == (2, 7)
    assert settings.kinds["scipost"].recipe == "muse_scipost"
    assert (settings.move.tool_mode, settings.move.trash_days, settings.streams) == ("AUTO", 5, 4)
    where = {key: origin.where.replace(str(folder) + "/", "") for key, origin in found.origins.items()}
    assert where["process.threads"] == "--set process.threads=3"
    assert where["process.log_level"] == "environment DFOS_PROCESS__LOG_LEVEL"
    assert where["kinds.scipost.streams"] == "dfos.yaml:4"
    assert where["kinds.scipost.recipe"].startswith("config/instruments/MUSE_DEEP.yaml:")
    assert where["move.tool_mode"] == "config.moveProducts:1"
    assert where["move.rename.CALIB"] == "config.moveProducts:2"
    assert where["move.trash_days"] == "dfos.yaml:5"
    assert where["process.keep_work"].startswith("config/templates/process.yaml:")
    assert where["kinds.scipost.memory_gb"] == "config/schema.py"


def test_every_leaf_has_an_origin(folder: Path) -> None:
    found = loaded(folder, PROFILE)

    def walk(value: object, key: str) -> None:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                walk(inner, f"{key}.{name}" if key else name)
        else:
            assert key in found.origins, key

    walk(found.settings.model_dump(), "")


def test_the_account_overrides_the_profile_it_chose(folder: Path) -> None:
    found = loaded(folder, PROFILE + "instance: MUSE_DEEP_DEMO\ncertification: {mode: auto_green}\nall_parts: true\n")
    assert found.settings.instance == "MUSE_DEEP_DEMO"
    assert found.settings.certification.mode == "auto_green"


def test_arms_that_observe_side_by_side_are_a_setting(folder: Path) -> None:
    assert loaded(folder, "profile: UVES\n").settings.create.arms == ("INS.PATH",)
    assert "SEQ.ARM" in loaded(folder, "profile: XSHOOTER\n").settings.create.arms
    assert loaded(folder, "profile: UVES\ncreate: {arms: []}\n").settings.create.arms == ()


@pytest.mark.parametrize("name", ["UVES_STACK", "XSHOOT_R2", "GIRAFFE_STACK", "HAWKI_R", "KMOS_R"])
def test_a_monthly_phoenix_instance_is_the_documented_one(folder: Path, name: str) -> None:
    settings = loaded(folder, f"profile: {name}\n").settings
    assert (settings.instance, settings.pool, settings.update.profile) == (name, "month", "phoenix")
    assert settings.qc.concentration == (name == "GIRAFFE_STACK"), "QCJOB_CONCENTRATION is GIRAFFE's"
    assert settings.qc.streams > 1 and settings.all_parts and not settings.kinds and not settings.ab_source
    plain = loaded(folder, f"profile: {settings.instrument}\n").settings
    assert settings.create == plain.create and settings.rename == plain.rename, "those of its instrument"


def test_a_profile_of_the_account_wins_over_the_shipped_one(folder: Path) -> None:
    (folder / "instruments").mkdir()
    (folder / "instruments" / "MUSE_DEEP.yaml").write_text(
        "instance: OWN\ninstrument: MUSE\nkinds: {only: {recipe: muse_bias, rank: 1}}\n"
    )
    assert loaded(folder, PROFILE).settings.instance == "OWN"
    assert profiles(folder)["MUSE_DEEP"].endswith("instruments/MUSE_DEEP.yaml")


def test_an_empty_group_says_nothing(folder: Path) -> None:
    assert loaded(folder, PROFILE + "process:\n  # threads: 4\nkinds:\n").settings.kinds["bias"].rank == 1


def test_lists_replace_as_a_whole(folder: Path) -> None:
    found = loaded(folder, PROFILE + "certification: {comments: [clouds]}\ngate: {watch: []}\n")
    assert found.settings.certification.comments == ("clouds",)
    assert found.settings.gate.watch == ()


def test_all_problems_of_all_layers_in_one_go(folder: Path) -> None:
    found = problems(
        folder,
        PROFILE
        + "procces: {threads: 2}\n"
        + "process: {threads: many, work_area: 2014, keep_work: fail}\n"
        + "kinds:\n  scipots: {streams: 2}\n  scipost: {streams: 0}\n"
        + "move:\n  rename: {SCIENC: true}\n",
        environ={"DFOS_PROCESS__THREDS": "1"},
        sets=("a.b=c", "gate.watch=3", "nonsense"),
    )
    text = "\n".join(found)
    assert "dfos.yaml:2: unknown key 'procces'; did you mean 'process'?" in text
    assert "dfos.yaml:3: process.threads: 'many' is not legal: expected a whole number, at least 1" in text
    assert "dfos.yaml:3: process.work_area: 2014 is not legal: expected text; write it in quotes" in text
    assert "expected one of never, failed, always; did you mean 'failed'?" in text
    assert "dfos.yaml:5: kinds.scipots.recipe is missing" in text
    assert "did you mean 'scipost'?" in text
    assert "dfos.yaml:6: kinds.scipost.streams: 0 is not legal" in text
    assert "dfos.yaml:8: unknown key 'move.rename.SCIENC'; did you mean 'SCIENCE'?" in text
    assert "environment DFOS_PROCESS__THREDS: unknown key 'process.THREDS'; did you mean 'threads'?" in text
    assert "--set a.b=c: unknown key 'a'" in text
    assert "--set gate.watch=3: gate.watch: 3 is not legal" in text
    assert "--set nonsense: expected --set section.key=value" in text


def test_yes_is_no_number_and_a_number_is_no_text(folder: Path) -> None:
    text = "\n".join(problems(folder, PROFILE + "streams: yes\noperational: 1\ninstance: 5\n"))
    assert "dfos.yaml:2: streams: True is not legal" in text
    assert "dfos.yaml:3: operational: 1 is not legal: expected yes or no" in text
    assert "dfos.yaml:4: instance: 5 is not legal: expected text; write it in quotes" in text


def test_text_stays_text_from_the_environment_and_the_command_line(folder: Path) -> None:
    found = loaded(folder, PROFILE, environ={"DFOS_ARCHIVE__DIRECTORY": "2014"}, sets=("move.special_plugin=NO",))
    assert found.settings.archive.directory == "2014"
    assert found.settings.move.special_plugin == "NO"


def test_names_with_points_can_be_set(folder: Path) -> None:
    key = "plugins.options.pgi_phoenix_MUSE_postAB.dpc.DATACUBE_FINAL"
    found = loaded(folder, PROFILE, sets=(f"{key}=DATACUBE_DEEP",))
    assert found.settings.plugins.options["pgi_phoenix_MUSE_postAB"] == {"dpc.DATACUBE_FINAL": "DATACUBE_DEEP"}


def test_a_list_cannot_be_set_item_by_item(folder: Path) -> None:
    assert "set it whole" in problems(folder, PROFILE, sets=("gate.watch.0.user=x",))[0]


@pytest.mark.parametrize(
    ("name", "hint"), [("MUSE_DEP", "did you mean 'MUSE_DEEP'?"), ("../../etc/passwd", "there is no profile")]
)
def test_an_unknown_profile_is_named_with_the_nearest(folder: Path, name: str, hint: str) -> None:
    found = problems(folder, f"\nprofile: {name}\n")
    assert found[0].startswith("dfos.yaml:2: ")
    assert hint in found[0]


def test_an_account_without_dfos_yaml_learns_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigTrouble, match=r"instance, instrument not set; name a profile.*MUSE_DEEP"):
        load(tmp_path)


def test_an_unreadable_layer_does_not_hide_the_others_nor_invent_problems(folder: Path) -> None:
    (folder / "config.moveProducts").write_text("RENAM CALIB | YES\n")
    found = problems(folder, "profile: MUSE_DEEP\n\tstreams: 3\n")
    assert len(found) == 2
    assert "tab" in found[0]
    assert "did you mean 'RENAME'?" in found[1]


@pytest.mark.parametrize("instance", ["MUSE_DEEP", "MUSE_R"])
def test_instances_that_a_person_reviews_never_certify_by_themselves(folder: Path, instance: str) -> None:
    found = problems(
        folder,
        PROFILE
        + f"instance: {instance}\ncertification: {{mode: auto_green, modes: {{BIAS: auto_all}}}}\nall_parts: yes\n",
    )
    assert [problem.split(":")[1] for problem in found] == ["3", "3", "4"]


def test_settings_that_contradict_each_other(folder: Path) -> None:
    text = "\n".join(
        problems(
            folder,
            PROFILE
            + "kinds:\n  twin: {recipe: muse_scipost, tag: pst, rank: 1}\n"
            + "certification: {review: [combin]}\n"
            + "gate: {watch: [{user: a, pattern: '(', name: b}]}\n"
            + "move: {raw_types: [{raw_type: ../x, mode: CALIB, save: ALL}]}\n"
            + "rename: {calib: [{code: MBIA, pro_catg: A}, {code: MBIA, pro_catg: B}]}\n",
        )
    )
    assert "dfos.yaml:3: kinds 'scipost' and 'twin' take the same ABs" in text
    assert "dfos.yaml:4: certification.review: there is no kind 'combin'; did you mean 'combine'?" in text
    assert "dfos.yaml:5: gate.watch: '(' is not a regular expression" in text
    assert "dfos.yaml:6: move.raw_types: '../x' cannot be the name of a directory" in text
    assert "dfos.yaml:7: rename.calib: code MBIA stands for A and B" in text


def test_every_field_is_described() -> None:
    schema = Settings.model_json_schema()
    for name, model in [("Settings", schema), *schema["$defs"].items()]:
        for key, field in model["properties"].items():
            assert field.get("description") or "$ref" in field, f"{name}.{key}"
