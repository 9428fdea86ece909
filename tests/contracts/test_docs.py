"""What the pages say exists; what exists is said."""

from __future__ import annotations

import argparse
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from textual.binding import Binding
from textual.screen import Screen

from config.schema import Settings
from config.tree import DIRECTORIES
from console.cli.main import COMMANDS
from console.exit_codes import ExitCode
from engine.core.cascade import kind_of
from engine.core.status import STATES
from engine.kinds import kinds_of
from engine.pgi import PROTOCOLS
from screens.keys import key_name
from screens.monitor.ab_monitor import AbMonitor
from screens.queue.at_work import AtWorkScreen
from screens.queue.jobs import JobsScreen
from screens.queue.orders import OrdersScreen
from screens.release.plan import PlanScreen
from screens.release.recovery import RecoveryScreen
from screens.release.trash import TrashScreen
from screens.release.vcal import VcalScreen
from screens.review.certify import Certify
from tests.builders import make_ab, make_settings

HOME = Path(__file__).parents[2]
GUIDE, CONFIGURATION, PLUGINS = "docs/user-guide.md", "docs/configuration.md", "docs/plugins.md"
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(str(p.relative_to(HOME)) for p in HOME.glob("docs/**/*.md"))]
COMMON = {"-h", "--help", "-v", "--version", "--root"}
RUNNING = {"--auto", "--json", "--recover", "--answers", "--set"}
CLASSIC = ("phoenix", "phoenixCertify_MUSE", "moveProducts", "renameProducts", "ingestProducts", "cleanupProducts")


@cache
def page(name: str) -> str:
    return (HOME / name).read_text(encoding="utf-8")


def sections(text: str, level: str) -> dict[str, str]:
    """The text below each heading of a level."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def parser_of(name: str) -> argparse.ArgumentParser:
    found = import_module(f"console.cli.{COMMANDS[name][0]}").parser()
    assert isinstance(found, argparse.ArgumentParser)
    return found


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", page("Makefile"), flags=re.MULTILINE))


def test_every_command_has_a_section() -> None:
    headings = [heading.removeprefix("dfos ") for heading in sections(page("docs/commands.md"), "##")]
    assert headings == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_section(name: str) -> None:
    text = sections(page("docs/commands.md"), "##")[f"dfos {name}"]
    for action in parser_of(name)._actions:
        words = set(action.option_strings) or set(action.choices or str(action.metavar or action.dest).split("|"))
        if not words & (COMMON | RUNNING):
            assert any(word in text or word.upper() in text for word in words), f"{name} {words}"


def test_the_options_of_all_are_told_once() -> None:
    head = page("docs/commands.md").partition("\n## ")[0]
    for option in RUNNING | {"--root"}:
        assert f"`{option}" in head


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_options_named_on_a_page_exist(name: str) -> None:
    text = page(name)
    for word in re.findall(r"(?<![\w-])dfos (?:--root \S+ )?([A-Za-z_]+)", "\n".join(code(text))):
        assert word in COMMANDS, f"dfos {word}"
    for word in re.findall(r"(?<![\w-])make ([a-z]+)", "\n".join(code(text))):
        assert word in make_targets(), f"make {word}"
    for line in code(text):
        for command in COMMANDS:
            spoken = command if command in CLASSIC else f"dfos {command}"
            for call in re.findall(rf"(?<![\w./]){spoken}((?: +(?!\|)\S+)*)", line):
                said = {word.partition("=")[0].strip("[]") for word in call.split() if word.startswith(("-", "[-"))}
                known = {option for action in parser_of(command)._actions for option in action.option_strings}
                assert {word for word in said if word not in known} <= {"-"}, f"{spoken}{call}"


def code(text: str) -> list[str]:
    """What is set as code: indented lines and spans, without comments."""
    indented = re.findall(r"^ {4,}(.+)$", text, flags=re.MULTILINE)
    return [part.partition(" #")[0] for part in (*indented, *re.findall(r"`([^`\n]+)`", text))]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    text = page(name)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        place = (HOME / name).parent / path if path else HOME / name
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("name", [*PAGES, "docs/monitor.svg"])
def test_no_page_speaks_of_a_machine(name: str) -> None:
    assert not re.findall(r"(?<![\w.}])/(?:work|tmp|root|home)/\S*", page(name))


def test_readme_shows_the_picture_and_two_commands() -> None:
    text = page("README.md")
    assert "](docs/monitor.svg)" in text
    assert {"make demo", "make test"} <= set(re.findall(r"^    (make \w+)", text, flags=re.MULTILINE))


def test_states_are_those_of_the_engine() -> None:
    rows = [
        f"| {state.word} | {state.symbol} | `{state.ascii.replace('|', chr(92) + '|')}` | {state.meaning} |"
        for state in STATES.values()
    ]
    table = sections(page(GUIDE), "###")["States"].partition("\n## ")[0]
    assert [line for line in table.splitlines() if line.startswith("| ")][1:] == rows


@pytest.mark.parametrize(
    ("screen", "part"),
    [
        (AbMonitor, "Keys"),
        (Certify, "Certifying"),
        (PlanScreen, "The plan of a move"),
        (JobsScreen, "Jobs"),
        (OrdersScreen, "Orders"),
        (AtWorkScreen, "At work"),
        (RecoveryScreen, "Recovery and past runs"),
        (TrashScreen, "The trash"),
        (VcalScreen, "Virtual calibrations"),
    ],
)
def test_every_key_is_in_the_guide(screen: type[Screen[None]], part: str) -> None:
    guide = page(GUIDE)
    text = {**sections(guide, "##"), **sections(guide, "###")}[part].partition("\n## ")[0]
    told = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE))))
    keys = set()
    for binding in screen.BINDINGS:
        assert isinstance(binding, Binding)
        if binding.description:
            keys |= {key_name(key.strip()) for key in binding.key.split(",")}
    assert keys == told


def test_exit_codes_are_those_of_the_table() -> None:
    told = {int(number) for number in re.findall(r"^\| (\d+)(?: and above)? \|", page(GUIDE), flags=re.MULTILINE)}
    assert told == set(ExitCode)


def test_every_setting_is_named() -> None:
    text = page(CONFIGURATION)
    words = set(re.findall(r"`([A-Za-z_]+)`", text))
    for name, info in Settings.model_fields.items():
        assert name in words, name
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel) and name != "plugins":
            for key in info.annotation.model_fields:
                assert key in words, f"{name}.{key}"
    assert set(DIRECTORIES) <= words


def test_every_plugin_slot_is_named() -> None:
    assert set(re.findall(r"`([A-Z_]+)`", sections(page(PLUGINS), "##")["Slots"])) >= set(PROTOCOLS)


def test_the_kind_of_the_page_fits_the_abs_that_are_created() -> None:
    text = (HOME / CONFIGURATION).read_text()
    (line,) = re.findall(r"^ {6}bias: \{.*\}$", text, re.M)
    settings = make_settings(kinds=yaml.safe_load(line))
    made = make_ab("UVES.2014-10-22T21:01:00.000", "bias", RECIPE="uves_cal_mbias")
    assert made.name.endswith("_tpl.ab")
    found = kind_of(made, kinds_of(settings))
    assert found is not None and found.memory_gb == 2
