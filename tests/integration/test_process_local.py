from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from engine.errors import RecipeTrouble
from engine.process.executors import spawn
from engine.process.executors.local import LocalExecutor, Recipe, environment, new_token
from engine.processes import boot_id, end_marked, start_of, state_of
from tests.fakes import LIMIT_S, text_of, until

Start = Callable[..., Recipe]


@pytest.fixture(params=[True, False], ids=["pidfd", "polling"])
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    executor = LocalExecutor(pidfd=request.param)
    recipes: list[Recipe] = []

    def begin(*argv: str, token: str = "") -> Recipe:
        env = environment(tmp_path, 1, token or new_token("a.ab", 1))
        recipes.append(executor.start(argv, cwd=tmp_path, log=tmp_path / "log", env=env))
        return recipes[-1]

    yield begin
    for recipe in recipes:
        await recipe.terminate(0.1)


async def test_exit_codes_signals_and_the_log(start: Start, tmp_path: Path) -> None:
    assert (await start("/bin/sh", "-c", "echo out; echo err >&2; exit 9").wait()).rc == 9
    assert (await start("/bin/sh", "-c", "kill -SEGV $$").wait()).rc == -signal.SIGSEGV
    assert (tmp_path / "log").read_text() == "out\nerr\n"


async def test_nothing_of_the_caller_leaks_in(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESOREX_RECIPE_DIR", "/elsewhere")
    await start("/usr/bin/env").wait()
    names = {line.partition("=")[0] for line in (tmp_path / "log").read_text().splitlines()}
    assert names == {"HOME", "PATH", "LC_ALL", "TZ", "OMP_NUM_THREADS", "DFOS_ATTEMPT"}
    assert f"HOME={tmp_path}" in (tmp_path / "log").read_text()


async def test_it_has_its_own_session_and_reads_nothing(start: Start, tmp_path: Path) -> None:
    code = "import os,sys; print(os.getsid(0)==os.getpid()==os.getpgrp(), os.getcwd(), repr(sys.stdin.read()))"
    await start(sys.executable, "-c", code).wait()
    assert (tmp_path / "log").read_text() == f"True {tmp_path} ''\n"


async def test_arguments_are_never_seen_by_a_shell(start: Start, tmp_path: Path) -> None:
    await start("/bin/echo", "$(touch boom); `id` *").wait()
    assert (tmp_path / "log").read_text() == "$(touch boom); `id` *\n"
    assert not (tmp_path / "boom").exists()


async def test_suspended_it_stands_still_and_goes_on(start: Start, tmp_path: Path) -> None:
    recipe = start("/bin/sh", "-c", "while :; do :; done")
    recipe.suspend()
    recipe.suspend()

    await until(lambda: state_of(recipe.pid) == "T")
    assert recipe.suspended
    await asyncio.sleep(0.02)
    recipe.resume()
    assert recipe.frozen_s >= 0.02 and state_of(recipe.pid) != "T" and not recipe.suspended
    recipe.suspend()
    await recipe.terminate(LIMIT_S)
    assert (await recipe.wait()).rc == -signal.SIGTERM, "a stopped process hears SIGTERM after SIGCONT"


async def test_what_does_not_hear_is_killed_with_its_children(start: Start, tmp_path: Path) -> None:
    recipe = start(
        "/bin/sh", "-c", "trap '' TERM; (trap '' TERM; echo $BASHPID ready; while :; do :; done) & wait; wait"
    )
    await until(lambda: "ready" in text_of(tmp_path / "log"))
    await recipe.terminate(0.05)
    assert (await recipe.wait()).rc == -signal.SIGKILL
    await until(lambda: not _group(recipe.pid))


async def test_what_a_recipe_leaves_behind_ends_with_it(start: Start, tmp_path: Path) -> None:
    recipe = start("/bin/sh", "-c", "(while :; do :; done) & echo ready")
    await recipe.wait()
    await until(lambda: not _group(recipe.pid))


def _group(pgid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and start_of(int(entry.name)):
            try:
                if os.getpgid(int(entry.name)) == pgid:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


async def test_one_that_has_ended_before_we_look_is_known_by_its_start_too(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = spawn.started

    def slowly(argv: Sequence[str], cwd: str, env: Mapping[str, str], out: int) -> int:
        pid = begun(argv, cwd, env, out)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid

    monkeypatch.setattr(spawn, "started", slowly)
    recipe = start("/bin/true")
    assert recipe.start > 0 and (await recipe.wait()).rc == 0


async def test_a_program_that_is_not_there(start: Start) -> None:
    with pytest.raises(RecipeTrouble, match="esorexx cannot be started: No such file"):
        start("/nowhere/esorexx")
    with pytest.raises(RecipeTrouble, match="cannot be started"):
        start("/bin/echo", "a\0b")


async def test_a_log_that_is_a_link_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecipeTrouble, match="log cannot be written"):
        start("/bin/true")


def test_a_recipe_is_found_in_the_moment_it_becomes_another_program(tmp_path: Path) -> None:
    token = new_token("a.ab", 1)
    again = 'exec /bin/sh -c "$1" sh "$1"'
    restless = subprocess.Popen(
        ["/bin/sh", "-c", again, "sh", again], cwd=tmp_path, env={"DFOS_ATTEMPT": token}, start_new_session=True
    )
    try:
        executor = LocalExecutor()
        seen = {executor.find(tmp_path, token) for _ in range(300)}
        assert seen == {(restless.pid, start_of(restless.pid))}, "an exec has no environment for a moment"
    finally:
        restless.kill()
        restless.wait()


@pytest.mark.parametrize("pidfd", [True, False])
async def test_a_process_that_is_not_our_child_is_followed(tmp_path: Path, pidfd: bool) -> None:
    executor = LocalExecutor(pidfd=pidfd)
    token = new_token("a.ab", 1)
    # a shell that ends at once leaves its child to init: nobody here is its parent
    script = f"cd {tmp_path}; DFOS_ATTEMPT={token} setsid /bin/sleep 100 >/dev/null 2>&1 &"
    await (await asyncio.create_subprocess_exec("/bin/sh", "-c", script)).wait()
    await until(lambda: executor.find(tmp_path, token))
    found = executor.find(tmp_path, token)
    assert found
    pid, start = found
    try:
        assert executor.find(tmp_path) == found, "by its work directory too"
        assert executor.find(tmp_path, "another attempt") is None
        assert executor.find(tmp_path / "other") is None
        assert executor.reattach(pid, start + 1, executor.boot) is None, "a reused pid is another process"
        assert executor.reattach(pid, start, "another boot") is None
        recipe = executor.reattach(pid, start, boot_id())
        assert recipe and not recipe.over
        recipe.suspend()
        await until(lambda: state_of(pid) == "T")
        again = executor.reattach(pid, start, boot_id())
        assert again and again.suspended
        again.leave()
        await recipe.terminate()
        assert (await recipe.wait()).rc is None, "only a parent learns the exit code"
        assert executor.find(tmp_path, token) is None
    finally:
        end_marked("DFOS_ATTEMPT", token)


async def test_an_operators_shell_in_the_work_directory_is_no_recipe(tmp_path: Path) -> None:
    shell = await asyncio.create_subprocess_exec("/bin/sleep", "100", cwd=tmp_path, start_new_session=True)
    try:
        assert LocalExecutor().find(tmp_path) is None
    finally:
        shell.kill()
        await shell.wait()


async def test_what_has_left_its_group_is_ended_with_it(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    recipe = start("/bin/sh", "-c", f"setsid sh -c 'echo $$ > {note}; exec sleep 1000' & sleep 1000")
    await until(lambda: text_of(note).endswith("\n"))
    await recipe.terminate(0.1)
    assert not start_of(int(text_of(note)))
