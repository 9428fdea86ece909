"""A pipeline that behaves like esorex and does what a test tells it; processes on paper; a job on paper."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy
from astropy.io import fits

from engine.process.ab.pipeline import Pipeline
from engine.process.run.foreign_tasks import Process
from engine.process.run.job import Result, Task

CATGS = (
    "MASTER_BIAS",
    "PIXTABLE_SKY",
    "PIXTABLE_OBJECT",
    "PIXTABLE_REDUCED",
    "DATACUBE_FINAL",
    "IMAGE_FOV",
    "OFFSET_LIST",
    "SKY_LINES",
    "SKY_CONTINUUM",
)
LIMIT_S = 180.0  # many times what anything takes: only what never comes lasts longer
_SCRIPT = """
    import json, os, signal, sys, time
    from pathlib import Path
    TEMPLATES = Path({templates!r})
    words = sys.argv[1:]
    given = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    recipe, sof = [word for word in words if not word.startswith("--")]
    frames = [line.split() for line in Path(sof).read_text().splitlines()]
    log = open(".logfile", "w")
    def say(level, text):
        line = f"12:00:00 [{{level}}] {{recipe}}: [tid=000] {{text}}"
        print(line, flush=True)
        log.write(line + chr(10)); log.flush()
    say(" INFO  ", "started")
    block = bytearray(int(given.get("grow", 0)) << 20)
    if "wait" in given:
        open(given["wait"]).read()
    elif block:
        time.sleep(3)
    if "spoil" in given:  # somebody takes a file away meanwhile, or writes into it
        path, _, text = given["spoil"].partition(",")
        Path(path).write_text(text) if text else os.unlink(path)
    act = given.get("act", "ok")
    if act.startswith("signal"):
        os.kill(os.getpid(), int(act[6:]))
    if act.startswith("rc"):
        say(" ERROR ", "Dumping the 2 most recent error(s) out of a total of 2 errors:")
        say(" ERROR ", "  [1/2] 'Data not found: ESO INS MODE' (10) at somewhere:x.c:1")
        say(" ERROR ", f"Execution of recipe '{{recipe}}' failed, status = -1")
        log.close(); os.rename(".logfile", given["log-file"])
        sys.exit(int(act[2:]))
    main = given.get("main") or str(len({{path for path, tag in frames}}))
    made, seen = [], {{}}
    for catg in filter(None, given.get("make", "").split(",")):
        seen[catg] = seen.get(catg, 0) + 1
        name = f"{{catg}}_{{seen[catg]:04d}}.fits"
        data = (TEMPLATES / f"{{catg}}.{{main}}.fits").read_bytes()
        if act == "truncate":
            data = data[:-2880]
        Path(name).write_bytes(data)
        made.append({{"name": name, "category": catg}})
    if act == "error0":
        say(" ERROR ", "  [1/1] 'Illegal input: offsets ignored' (14) at somewhere:x.c:1")
    if act == "drop":
        say("WARNING", "we already have IFU 0 of exposure 1 (file x.fits). Ignoring this one")
    if act == "warn":
        say("WARNING", "background is high\\x1b[31m and red")
    if act == "truncate":
        Path(given["products-sof"]).write_text("")
        sys.exit(0)
    if act != "nolist":
        Path(given["products-sof"]).write_text(json.dumps(made))
    log.close(); os.rename(".logfile", given["log-file"])
"""


def make_fits(path: Path, catg: str, combined: int = 1, *, checksum: bool = True, **cards: object) -> Path:
    """A product as a recipe leaves it: PRO.CATG, PRO.DATANCOM, a small image, right checksums."""
    head = fits.Header()
    head["PIPEFILE"] = f"{catg}.fits"
    head["HIERARCH ESO PRO CATG"] = catg
    head["HIERARCH ESO PRO DATANCOM"] = combined
    for name, value in cards.items():
        head[name] = value
    image = numpy.arange(900, dtype="f4").reshape(30, 30)
    fits.HDUList([fits.PrimaryHDU(header=head), fits.ImageHDU(image, name="DATA")]).writeto(
        path, checksum=checksum, overwrite=True
    )
    return path


def stub_pipeline(place: Path) -> Pipeline:
    """A pipeline called as esorex is. Recipe parameters tell it what to do:

    `--make=CATG,CATG` products, `--act=rc255|signal11|truncate|error0|drop|warn|nolist`, `--main=n` for
    PRO.DATANCOM (else the number of frames), `--wait=FIFO` to run until that is written to, `--grow=MB` to
    use memory meanwhile, or for three seconds, `--spoil=FILE[,TEXT]` to remove a file or to overwrite it.
    """
    templates = place / "templates"
    templates.mkdir(parents=True)
    for catg in CATGS:
        for combined in range(1, 5):
            make_fits(templates / f"{catg}.{combined}.fits", catg, combined)
    script = place / "stub.py"
    script.write_text(textwrap.dedent(_SCRIPT.format(templates=str(templates))))
    return Pipeline("stub", True, (sys.executable, "-I", "-S", str(script)))


class PaperTable:
    """A process table on paper: set `there`; `looks` counts how often it was read; `trouble` is raised if set."""

    def __init__(self, there: Iterable[Process] = ()) -> None:
        self.there = list(there)
        self.looks = 0
        self.trouble: Exception | None = None

    def processes(self) -> list[Process]:
        self.looks += 1
        if self.trouble:
            raise self.trouble
        return list(self.there)


AUTODAILY = Process(123, 1, "espresso", "/bin/ksh /home/espresso/bin/autoDaily -q", 1000.0)


class PaperClock:
    """A clock that goes on when told, or when slept on."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self.while_asleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.while_asleep()
        await asyncio.sleep(0)


class PaperJob:
    """A job on paper: ABs run until `finish(ab)`, or at once. Keeps who ran with whom."""

    def __init__(self, *, at_once: bool = True, results: dict[str, Result] | None = None) -> None:
        self.at_once = at_once
        self.results = results or {}
        self.started: list[str] = []
        self.ended: list[str] = []
        self.most: dict[str, int] = {}
        self.now: dict[str, Task] = {}
        self.resets: list[str] = []
        self._over: dict[str, asyncio.Future[Result]] = {}

    def workdir(self, ab: str, attempt: int) -> str:
        return f"/scratch/{ab}/{attempt}"

    def reset(self, names: Iterable[str]) -> None:
        self.resets += names

    async def run(self, task: Task) -> Result:
        assert task.ab not in self.now, "one AB never runs twice at the same time"
        self.started.append(task.ab)
        self.now[task.ab] = task
        for name in (task.kind.name, ""):
            count = sum(not name or other.kind.name == name for other in self.now.values())
            self.most[name] = max(self.most.get(name, 0), count)
        if self.at_once:
            await asyncio.sleep(0)
            result = self.results.get(task.ab, Result("DONE"))
        else:
            self._over[task.ab] = asyncio.get_running_loop().create_future()
            result = await self._over[task.ab]
        del self.now[task.ab]
        self.ended.append(task.ab)
        return result

    def finish(self, ab: str, state: str = "DONE", reason: str = "") -> None:
        self._over.pop(ab).set_result(Result(state, reason))


async def settle(turns: int = 12) -> None:
    """Let the loop do what it can do now."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that another process does; TimeoutError when it never does."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - nobody tells us when
            await asyncio.sleep(0.005)


def text_of(path: Path) -> str:
    """The text of a file; '' while it is not there, and when its process has just ended."""
    try:
        return path.read_text("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return ""
