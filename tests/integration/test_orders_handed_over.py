"""Commands started while another one's engine runs: no order is lost, none is carried out twice. Real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.context import Context
from engine.stores.database import connect
from engine.stores.orders import ENDED, QUEUED, RUNNING, Orders
from tests.accounts import DFOS
from tests.fakes import until
from tests.moving import account
from tests.released import MOVE, NIGHT, biases

POOL = ("-m", "CALIB", "-d", NIGHT)


class Busy:
    """An account where moveProducts is held up in its SPECIAL_PLUGIN until it is let go."""

    def __init__(self, root: Path, stack: contextlib.ExitStack) -> None:
        self.context: Context = account(
            root, move={**MOVE.model_dump(mode="json"), "special_plugin": "pgi_slow", "tool_mode": "AUTO"}
        )
        self.stack = stack
        abs_ = biases(self.context)
        listed = self.context.tree.mon / f"AB_list_CALIB_{NIGHT}"
        listed.write_text("".join(f"{ab.name} BIAS\n" for ab in abs_))
        self.fifo = root / "fifo"
        os.mkfifo(self.fifo)
        script = self.context.tree.bin / "pgi_slow"
        script.write_text(f"#!/bin/sh\nread line < {self.fifo}\n")
        script.chmod(0o755)
        self.move = self.command("moveProducts", *POOL)
        self.gate = stack.enter_context(
            self.fifo.open("w")
        )  # opens when the plugin reads: moveProducts runs and holds the engine

    def command(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*DFOS, words[0], "--root", str(self.context.tree.root), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.stack.enter_context(process)

    def go(self) -> None:
        self.gate.write("go\n")
        self.gate.close()

    def orders(self) -> list[tuple[str, str, int | None]]:
        db = connect(self.context.tree.journal)
        try:
            store = Orders(db)
            found = [store.numbered(order.number) for order in store.waiting(QUEUED, RUNNING, ENDED)]
        finally:
            db.close()
        return [(row["what"]["tool"] or row["what"]["parts"], row["state"], row["exit_code"]) for row in found]

    async def queued(self, *tools: str) -> None:
        await until(lambda: set(tools) <= {tool for tool, state, _ in self.orders() if state == QUEUED})


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    with contextlib.ExitStack() as stack:
        yield Busy(tmp_path, stack)


def said(process: subprocess.Popen[str], code: int) -> str:
    out, err = process.communicate(timeout=180)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out + err


async def test_orders_that_wait_when_a_headless_engine_ends_are_carried_out_once(busy: Busy) -> None:
    rename = busy.command("renameProducts", *POOL)
    update = busy.command("updateAB", *POOL)
    await busy.queued("renameProducts", "updateAB")
    busy.go()
    assert "products moved" in said(busy.move, 0)
    assert "CALIB" in said(rename, 0) and "CALIB" in said(update, 0)
    assert sorted(busy.orders()) == [("M", ENDED, 0), ("renameProducts", ENDED, 0), ("updateAB", ENDED, 0)]
    assert len(list((busy.context.tree.cal / NIGHT).glob("MU_MBIA*.fits"))) > 0


async def test_the_same_order_twice_is_one_order(busy: Busy) -> None:
    again = busy.command("moveProducts", *POOL)
    await until(lambda: [state for _, state, _ in busy.orders()] == [QUEUED])
    busy.go()
    assert "products moved" in said(busy.move, 0) and "products moved" in said(again, 0)
    assert busy.orders() == [("M", ENDED, 0)]


async def test_an_order_outlives_the_kill_of_an_engine_that_had_not_begun_it(busy: Busy) -> None:
    rename = busy.command("renameProducts", *POOL)
    await busy.queued("renameProducts")
    busy.move.kill()
    assert "move the products first" in said(rename, 2), "it was carried out here, with what it found"
    assert ("renameProducts", ENDED, 2) in busy.orders() and ("M", RUNNING, None) in busy.orders()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_an_order_that_had_not_begun_is_taken_back_with_ctrl_c(busy: Busy, how: int) -> None:
    rename = busy.command("renameProducts", *POOL)
    await busy.queued("renameProducts")
    rename.send_signal(how)
    assert "had not begun and was taken back" in said(rename, 130)
    busy.go()
    said(busy.move, 0)
    assert sorted(busy.orders()) == [("M", ENDED, 0), ("renameProducts", ENDED, 130)]


async def test_an_engine_killed_while_at_an_order_of_another_command_is_told(busy: Busy) -> None:
    again = busy.command("moveProducts", *POOL)
    await until(lambda: [state for _, state, _ in busy.orders()] == [QUEUED])
    db = connect(busy.context.tree.journal)
    Orders(db).mark(1, RUNNING)
    db.close()
    busy.move.kill()
    assert "went away while it carried out CALIB 2014-10-22" in said(again, 10)
