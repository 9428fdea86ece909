"""`rn_files`: the names of a MODE and DATE as a shell script beside the products. Pure.

For whoever has the directory and not this console: it can be read, run again, and run backwards.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

NAME = "rn_files"
MODE_BITS = 0o755
_MADE = "# made "
_HEAD = """\
#!/bin/sh
# The products of {mode} {date}: PIPEFILE name and final name, one pair in two lines.
{made}{utc} UT by renameProducts
#   ./rn_files       gives the final names
#   ./rn_files -r    gives the PIPEFILE names back
# May be run again: a product that bears its name already is left alone, nothing is ever overwritten.
# It renames files, nothing else: the ABs follow with updateAB.
cd -- "$(dirname -- "$0")" || exit 1
case "${{1-}}" in
    "") back= ;;
    -r) back=yes ;;
    *) echo "usage: rn_files [-r]" >&2; exit 2 ;;
esac
bad=0
rn() {{
    old=$1 new=$2
    if [ -n "$back" ]; then old=$2 new=$1; fi
    if [ ! -e "./$old" ] && [ ! -e "./$new" ]; then  # archived and slimmed to its header
        old=${{old%.fits*}}.hdr new=${{new%.fits*}}.hdr
    fi
    if [ ! -e "./$old" ]; then
        [ -e "./$new" ] || {{ echo "rn_files: $old is not here, nor $new" >&2; bad=1; }}
    elif [ -e "./$new" ] || [ -L "./$new" ]; then
        echo "rn_files: $new is taken, $old stays" >&2; bad=1
    else
        mv -n -- "./$old" "./$new" && [ ! -e "./$old" ] || {{ echo "rn_files: $old stays" >&2; bad=1; }}
    fi
}}

"""
_TAIL = '\nexit "$bad"\n'


def rn_files_text(pairs: Iterable[tuple[str, str]], mode: str, date: str, utc: str) -> str:
    """The script for `pairs` of PIPEFILE name and final name; pairs that do not differ are left out."""
    head = _HEAD.format(mode=mode, date=date, made=_MADE, utc=utc)
    body = "".join(f"rn {shlex.quote(old)} \\\n   {shlex.quote(new)}\n" for old, new in pairs if old != new)
    return head + body + _TAIL


def same_script(one: str, other: str) -> bool:
    """True when two scripts do the same, whenever they were made."""
    return _undated(one) == _undated(other)


def _undated(text: str) -> list[str]:
    return [line for line in text.split("\n") if not line.startswith(_MADE)]
