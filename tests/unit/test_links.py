"""Links in HTML: each leads where it led, every other byte stays, hostile markup is only text."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from engine.release.links.links import NOT_EXPORTED, Relinked, exported, relinked
from tests.effort import ends, linear

OLD, NEW = "/a/logs/DFS/r.one.html", "/a/logs/2014-10-22/r.one.html"
MOVED = {
    "/a/logs/DFS/r.one.log": "/a/logs/2014-10-22/r.one.log",
    "/a/product/BIAS/r.one.png": "/a/plots/2014-10-22/r.one.png",
    "/a/product/BIAS/r.MUSE.2014-10-22T22:00:00_0000.png": "/a/plots/2014-10-22/r.MUSE.2014-10-22T22:00:00_0000.png",
    "/a/logs/DFS/two words ä.log": "/a/logs/2014-10-22/two words ä.log",
    "/a/logs/DFS/MUSE.2014-10-22T22:00:00.ab": "/a/logs/2014-10-22/MUSE.2014-10-22T22:00:00.ab",
}
STAYS = {"/a/doc/help.html", "/a/doc", "/a/logs/DFS/stays.css"}


def moved_page(html: str | bytes) -> Relinked:
    data = html.encode("utf-8", "surrogateescape") if isinstance(html, str) else html
    return relinked(data, old=PurePosixPath(OLD), new=PurePosixPath(NEW), moved=MOVED, exists=STAYS.__contains__)


@pytest.mark.row(75)
@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("r.one.log", "r.one.log"),  # both moved together: not a byte changes
        ("./r.one.log?x=1&amp;y=2#end", "./r.one.log?x=1&amp;y=2#end"),
        ("../../product/BIAS/r.one.png", "../../plots/2014-10-22/r.one.png"),
        ("..//../product/./BIAS/x/../r.one.png#top", "../../plots/2014-10-22/r.one.png#top"),
        ("/a/product/BIAS/r.one.png", "/a/plots/2014-10-22/r.one.png"),
        ("file:///a/product/BIAS/r.one.png?v", "file:///a/plots/2014-10-22/r.one.png?v"),
        ("FILE://localhost/a/product/BIAS/r.one.png", "FILE://localhost/a/plots/2014-10-22/r.one.png"),
        ("file:/a/product/BIAS/r.one.png", "file:/a/plots/2014-10-22/r.one.png"),
        ("../../%70roduct/BIAS/r%2Eone.png", "../../plots/2014-10-22/r.one.png"),
        ("stays.css", "../DFS/stays.css"),
        ("/a/doc/help.html", "/a/doc/help.html"),
        ("../../doc/", "../../doc/"),
        ("r.one.html#self", "r.one.html#self"),
        (OLD, NEW),
        (" &#46;&#46;/../product/BIAS/r.one.png ", "../../plots/2014-10-22/r.one.png"),
        ("two%20words%20%C3%A4.log", "two%20words%20%C3%A4.log"),
        ("/a/logs/DFS/two words ä.log", "/a/logs/2014-10-22/two%20words%20%C3%A4.log"),
        ("../2014-10-22/r.one.log", "../2014-10-22/r.one.log"),  # written for the place it goes to
    ],
)
def test_a_link_leads_where_it_led(link: str, wanted: str) -> None:
    new = moved_page(f'<p><a class="a b"\n href="{link}" >text {link}</a>')
    assert new.html.decode() == f'<p><a class="a b"\n href="{wanted}" >text {link}</a>'
    assert new.dead == ()


@pytest.mark.parametrize(
    "link",
    [
        "",
        "#top",
        "?page=2",
        "http://www.eso.org/r.one.log",
        "https:r.one.log",
        "HTTPS://x/",
        "//www.eso.org/r.one.log",
        "mailto:qc@eso.org",
        "javascript:go('r.one.log')",
        " java\nscript:go()",
        "data:text/html,<a href='r.one.log'>",
        "file://other/a/product/BIAS/r.one.png",
        "tel:123",
    ],
)
def test_what_is_no_local_link_stays(link: str) -> None:
    html = f'<a href="{link}">'
    assert moved_page(html) == Relinked(html.encode(), ())


@pytest.mark.parametrize(
    "link",
    [
        "gone.html",
        "/etc/passwd",
        "../../../../../../../etc/shadow",
        "%00",
        "a/" * 3000,
        "x" * 300,
        "%ff%fe",
        "file:///x",
    ],
)
def test_a_link_that_leads_nowhere_is_left_and_told(link: str) -> None:
    html = f"<a href='{link}'><a href='{link}'>"
    assert moved_page(html) == Relinked(html.encode(), (link,))


@pytest.mark.row(75)
def test_names_with_colons_become_links_that_browsers_understand() -> None:
    new = moved_page('<img src="../../product/BIAS/r.MUSE.2014-10-22T22:00:00_0000.png"><a href="stays.css">')
    assert b'src="../../plots/2014-10-22/r.MUSE.2014-10-22T22:00:00_0000.png"' in new.html
    old = moved_page("<a href=MUSE.2014-10-22T22:00:00.ab>").html
    assert old == b"<a href=./MUSE.2014-10-22T22:00:00.ab>"
    assert moved_page('<a href="r.MUSE.2014-10-22T22:00:00_gone.png">').dead == ("r.MUSE.2014-10-22T22:00:00_gone.png",)


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<a href=/a/logs/DFS/r.one.log>x", "<a href=/a/logs/2014-10-22/r.one.log>x"),
        ("<A HREF = '/a/logs/DFS/r.one.log'/>", "<A HREF = '/a/logs/2014-10-22/r.one.log'/>"),
        ("<a/href='/a/logs/DFS/r.one.log'title=x>", "<a/href='/a/logs/2014-10-22/r.one.log'title=x>"),
        ("<a href='stays.css' href='stays.css'>", "<a href='../DFS/stays.css' href='../DFS/stays.css'>"),
        ("<a title='>' href=stays.css>", "<a title='>' href=../DFS/stays.css>"),
        ("<object data=stays.css data-x=stays.css>", "<object data=../DFS/stays.css data-x=stays.css>"),
        ("<svg><use xlink:href='stays.css#a'/></svg>", "<svg><use xlink:href='../DFS/stays.css#a'/></svg>"),
        (
            "<img srcset='stays.css 1x,\n /a/logs/DFS/r.one.log 2x, http://x/y.png,' src=stays.css>",
            "<img srcset='../DFS/stays.css 1x,\n /a/logs/2014-10-22/r.one.log 2x, http://x/y.png,'"
            " src=../DFS/stays.css>",
        ),
        (
            "<meta http-equiv=refresh content='5; URL=stays.css'>",
            "<meta http-equiv=refresh content='5; URL=../DFS/stays.css'>",
        ),
        (
            '<p style="color:red;background:url(&quot;stays.css&quot;) url( stays.css )">',
            '<p style="color:red;background:url(&quot;../DFS/stays.css&quot;) url( ../DFS/stays.css )">',
        ),
        ("<style>@import 'stays.css'; a{}</style>", "<style>@import '../DFS/stays.css'; a{}</style>"),
        ('<form action="stays.css?a=1&b=2">', '<form action="../DFS/stays.css?a=1&amp;b=2">'),
        ('<a href="stays.css?a=1&copy=2">', '<a href="../DFS/stays.css?a=1&amp;copy=2">'),
        ("<a href=stays.css?q=&quot;&gt;>", "<a href=../DFS/stays.css?q&#61;&#34;&#62;>"),
        ("<a href='stays.css#&#39;x'>", "<a href='../DFS/stays.css#&#39;x'>"),
    ],
)
def test_every_kind_of_link(html: str, wanted: str) -> None:
    new = moved_page(html)
    assert new.html.decode() == wanted
    assert new.dead == ()


@pytest.mark.parametrize(
    "html",
    [
        "<!-- <a href=stays.css> -->",
        "<script>var a = '<a href=stays.css>'</script>",
        "<title><a href=stays.css></title>",
        "<textarea><a href=stays.css>",
        "<a href=stays.css",
        "<a href='stays.css>",
        "< a href=stays.css>",
        "</a href=stays.css>",
        "<!DOCTYPE a href=stays.css>",
        "<?xml href=stays.css?>",
        "<a hrefs=stays.css data=stays.css>",
        "<a href>",
        "<a =href=stays.css>",
        "\x00<\x00a\x00 href=stays.css>",
        "",
    ],
)
def test_what_browsers_take_for_no_link_stays(html: str) -> None:
    assert moved_page(html) == Relinked(html.encode(), ())


@pytest.mark.parametrize(
    "html", ["<!-->%s", "<!--->%s", "<!-- --!>%s", "<SCRIPT></script >%s", "<p <b>%s", "<p a='\"'>%s", "<3%s"]
)
def test_links_behind_odd_markup_are_found(html: str) -> None:
    new = moved_page(html % "<a href=stays.css>")
    assert new.html.decode() == html % "<a href=../DFS/stays.css>"


def test_a_base_keeps_naming_its_directory() -> None:
    page = '<a href="one/x.log"><base href="../../product/"><a href="BIAS/r.one.png"><a href="../doc/help.html">'
    new = moved_page(page)
    assert new.html.decode() == page.replace("BIAS/r.one.png", "../plots/2014-10-22/r.one.png")
    assert new.dead == ("one/x.log",)
    far = relinked(
        page.encode(),
        old=PurePosixPath(OLD),
        new=PurePosixPath("/r.one.html"),
        moved=MOVED,
        exists=STAYS.__contains__,
    )
    assert b'<base href="a/product/">' in far.html
    remote = '<base href="https://qc.eso.org/"><a href="stays.css"><a href="/a/logs/DFS/r.one.log">'
    assert moved_page(remote).html.decode() == remote


def test_every_encoding_survives() -> None:
    link, wanted = "<a href='stays.css'>", "<a href='../DFS/stays.css'>"
    for codec in ("utf-8", "utf-8-sig", "latin-1", "utf-16", "shift_jis"):
        for noise in ("", "Übergröße\r\n\t") if codec != "shift_jis" else ("ソ表",):
            assert moved_page((noise + link + noise).encode(codec)).html == (noise + wanted + noise).encode(codec)
    broken = b"\xff\x80<a href='stays.css'>\xfe\x00\xed\xa0\x80"
    assert moved_page(broken).html == broken.replace(b"stays.css", b"../DFS/stays.css")
    for odd in (b"\xff\xfe\x00", b"\xff\xfe\x00\xd8<\x00a\x00 \x00h", b"\xfe\xff\xd8\x00\x00<"):
        assert moved_page(odd).html == odd


def test_names_in_no_encoding_are_found() -> None:
    moved = {"/a/logs/DFS/gr\udcfcn.log": "/a/logs/2014-10-22/gr\udcfcn.log"}
    new = relinked(
        b"<a href='/a/logs/DFS/gr\xfcn.log'><a href='/a/logs/DFS/gr%FCn.log'>",
        old=PurePosixPath(OLD),
        new=PurePosixPath(NEW),
        moved=moved,
        exists=lambda path: False,
    )
    assert new == Relinked(b"<a href='/a/logs/2014-10-22/gr%FCn.log'>" * 2, ())


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!--",
        "<a ",
        "<a href='",
        "</",
        "<![CDATA[",
        "<?",
        "<script>",
        "<a/",
        "<a =",
        "<style>url(",
        "<a style='url(  '>",
        "<a href=x",
        "&",
        "<img srcset=',,,",
        '<a href="a&">',
        "<!>",
        "<base href='",
        "<p style=\"@import '",
    ],
)
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    data = (piece * (500_000 // len(piece))).encode()
    with ends():
        assert len(moved_page(data).html) >= len(data)
    assert linear(lambda count: moved_page((piece * count).encode()), 100, 400)


# --- for the web server -------------------------------------------------------------------

REMOTE = {
    "/a/logs/2014-10-22/r.one.html": "MUSE/logs/2014-10-22/r.one.html",
    "/a/logs/2014-10-22/r.one.log": "MUSE/logs/2014-10-22/r.one.log",
    "/a/plots/2014-10-22/r.one.png": "MUSE/plots/2014-10-22/r.one.png",
    "/a/logs/2014-10-22/MUSE.2014:1.ab": "MUSE/logs/2014-10-22/MUSE.2014:1.ab",
}


@pytest.mark.row(78)
@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("r.one.log#x", "r.one.log#x"),
        ("../../plots/2014-10-22/r.one.png", "../../plots/2014-10-22/r.one.png"),
        ("/a/plots/2014-10-22/r.one.png", "../../plots/2014-10-22/r.one.png"),
        ("file:///a/plots/2014-10-22/r.one.png", "../../plots/2014-10-22/r.one.png"),
        ("/a/logs/2014-10-22/MUSE.2014:1.ab", "./MUSE.2014:1.ab"),
        ("/a/cal/2014-10-22/MU_MBIA.fits", NOT_EXPORTED),
        ("../../../cal/x.hdr", NOT_EXPORTED),
        ("file://dfo23/home/muse/x", NOT_EXPORTED),
        ("/", NOT_EXPORTED),
        ("../2014-10-22/", NOT_EXPORTED),
        ("%00", NOT_EXPORTED),
        ("\\\\dfo23\\home", NOT_EXPORTED),
        ("#top", "#top"),
        ("https://www.eso.org/a/cal/", "https://www.eso.org/a/cal/"),
        ("//www.eso.org/x", "//www.eso.org/x"),
        ("mailto:qc@eso.org", "mailto:qc@eso.org"),
    ],
)
def test_exported_links_stay_on_the_server(link: str, wanted: str) -> None:
    page = f'<a href="{link}">text</a>'
    new = exported(page.encode(), place="/a/logs/2014-10-22/r.one.html", remote=REMOTE)
    assert new.html.decode() == f'<a href="{wanted}">text</a>'
    assert new.dead == ((link,) if wanted == NOT_EXPORTED else ())


@pytest.mark.row(78)
def test_no_local_directory_is_told_to_the_server() -> None:
    page = b"<base href='/a/logs/2014-10-22/'><img srcset='r.one.log 1x, /a/cal/x.fits 2x' style='x:url(/a/cal/y)'>"
    new = exported(page, place="/a/logs/2014-10-22/r.one.html", remote=REMOTE)
    assert new.html == (b"<base href='./'><img srcset='r.one.log 1x, #not-exported 2x' style='x:url(#not-exported)'>")
    elsewhere = b"<base href='file://dfo23/home/'><a href='r.one.log'>"
    assert b"dfo23" not in exported(elsewhere, place="/a/logs/2014-10-22/r.one.html", remote=REMOTE).html
