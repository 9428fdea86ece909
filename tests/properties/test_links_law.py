"""Whatever the page and the tree: a link that resolved before a move resolves after it, and nothing else changes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.release.links.links import exported, relinked

NAME = st.text("ab.:_é %#?&\"'<>;,()", min_size=1, max_size=6).filter(lambda name: set(name) - {"."})
FOLDER = st.lists(st.sampled_from(["a", "b", "c:d", "e f"]), max_size=3)
FILE = st.builds(lambda folder, name: "/" + "/".join([*folder, name]), FOLDER, NAME)
NOISE = st.text("<>!-/ abpx\"'=&;\n", max_size=12).map(lambda text: f"<p>{text.replace('<', '&lt;')}</p>")


class Links(HTMLParser):
    """What the parser of the standard library finds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name == "href"]


def resolved(link: str, page: str) -> str:
    """Where a browser goes from a page on disk; '' when it is not a file of ours."""
    parts = urlsplit(urljoin("file://" + quote(page), link))
    return unquote(parts.path) if parts.scheme == "file" and not parts.netloc else ""


def written(target: str, page: str, form: str) -> str:
    """A link to a file, as people and tools write them."""
    absolute = quote(target, safe="/:")
    if form == "file":
        return "file://" + absolute
    if form == "absolute":
        return absolute
    up = "../" * (page.count("/") - 1)
    return (up or "./") + absolute[1:]


LINK = st.tuples(FILE, st.sampled_from(["relative", "absolute", "file"]), st.sampled_from(["", "#x", "?a=1&amp;b=2"]))


@pytest.mark.row(75)
@given(FILE, FILE, st.lists(st.tuples(NOISE, LINK), max_size=5), st.dictionaries(FILE, FILE, max_size=4), st.data())
def test_every_link_that_resolved_resolves_and_other_bytes_stay(
    old: str, new: str, pieces: list[tuple[str, tuple[str, str, str]]], moved: dict[str, str], data: st.DataObject
) -> None:
    moved.pop(old, None)
    targets = [link[0] for _, link in pieces]
    stays = {target for target in targets if target not in moved and data.draw(st.booleans())} - {old}
    files = {PurePosixPath(path) for path in (*stays, old, new, *moved, *moved.values())}
    assume(all(files.isdisjoint(path.parents) for path in files))  # no file is a directory too
    text = "".join(f'{noise}<a href="{written(target, old, form)}{rest}">' for noise, (target, form, rest) in pieces)
    before = Links(text).found
    result = relinked(
        text.encode(), old=PurePosixPath(old), new=PurePosixPath(new), moved=moved, exists=stays.__contains__
    )
    page = result.html.decode()
    after = Links(page).found
    assert len(after) == len(before) == len(pieces)
    there = {**moved, old: new}
    for link, changed in zip(before, after, strict=True):
        goal = resolved(link, old)
        if goal in there or goal in stays or goal in there.values():  # the last: what it names comes there
            assert resolved(changed, new) == there.get(goal, goal)
            assert urlsplit(changed).query == urlsplit(link).query
            assert urlsplit(changed).fragment == urlsplit(link).fragment
        else:
            assert changed == link
    kept = "".join(re.escape(noise) + '<a href="[^"]*">' for noise, _ in pieces)
    assert re.fullmatch(kept, page)


@pytest.mark.row(78)
@given(FILE, st.lists(LINK, max_size=5), st.lists(FILE, max_size=4))
def test_no_exported_link_leads_nowhere(place: str, links: list[tuple[str, str, str]], others: list[str]) -> None:
    remote = {path: f"MUSE/{index % 2}/{PurePosixPath(path).name}" for index, path in enumerate([place, *others])}
    text = "".join(f'<a href="{written(target, place, form)}{rest}">' for target, form, rest in links)
    page = exported(text.encode(), place=place, remote=remote).html.decode()
    for (target, _, _), link in zip(links, Links(page).found, strict=True):
        if target in remote:
            assert resolved(link, "/" + remote[place]) == "/" + remote[target]
        else:
            assert link == "#not-exported"


@given(st.binary(max_size=200))
def test_any_bytes_are_only_edited_where_links_stand(data: bytes) -> None:
    result = relinked(
        data, old=PurePosixPath("/a/b.html"), new=PurePosixPath("/c/b.html"), moved={}, exists=lambda path: False
    )
    assert result.html == data or b"href" in data.lower()


@given(
    st.lists(
        st.sampled_from(["<", "a", " href=", "'", '"', "x", ">", "<!--", "-->", "<script>", "/", "&"]), max_size=25
    )
)
def test_links_are_found_where_the_standard_library_finds_them(pieces: list[str]) -> None:
    """Every link that we see, it sees too: nothing is edited that is none."""
    text = "".join(pieces)
    seen: list[str] = []

    def exists(path: str) -> bool:
        seen.append(path)
        return False

    relinked(text.encode(), old=PurePosixPath("/a.html"), new=PurePosixPath("/b/a.html"), moved={}, exists=exists)
    found = {resolved(link, "/a.html") for link in Links(text).found}
    assert {path for path in seen if not path.startswith("/b/")} <= found
