"""Start a piece of work of a screen; one that the screen leaves before it begins leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from textual.app import ScreenError
from textual.css.query import NoMatches
from textual.dom import DOMNode

OPENS = "opens"  # the name of work at whose end a screen opens


def start(
    node: DOMNode,
    work: Callable[..., Coroutine[Any, Any, object]],
    *arguments: object,
    group: str = "default",
    exclusive: bool = False,
    opens: bool = False,
) -> None:
    """Run `work(*arguments)` beside the screen; `exclusive` ends an earlier one of its `group`.

    `opens`: it looks up what a screen will show that it opens then; keys typed meanwhile are for that screen.

    What still comes in while the screen goes away, and no longer finds its lines, is nobody's trouble.
    """
    run = cast(Any, partial(_beside, node, work, *arguments))
    node.run_worker(run, name=OPENS if opens else "", group=group, exclusive=exclusive)


async def _beside(node: DOMNode, work: Callable[..., Coroutine[Any, Any, object]], *arguments: object) -> None:
    try:
        await work(*arguments)
    except (NoMatches, ScreenError):
        if node.is_running:
            raise
