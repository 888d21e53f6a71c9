from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.markdown.document import render
from chat.markdown.open_blocks import Change
from chat.markdown.stream import Stream
from tests.chat import commonmark

LATEST = re.compile(r'<(li|tr) class="(?:[a-z-]+ )?latest">.*</\1>\n(?=</(?:ul|ol|tbody)>)', re.DOTALL)


class Page:
    """What a page makes of the changes it gets."""

    def __init__(self) -> None:
        self.closed = self.open = ""
        self.received = 0

    def apply(self, change: Change) -> None:
        self.closed = change.closed if change.is_whole else self.closed + change.closed
        self.open = self.open if change.open is None else change.open
        self.received += len(change.closed) + len(change.open or "") + len(change.grown)
        if change.grown:
            self._grow(change.grown)

    def _grow(self, html: str) -> None:
        assert self.open.count("grows") == 1
        self.open = LATEST.sub("", self.open)
        growing = re.search(r'<(\w+)[^>]* class="grows"', self.open) or re.search(r'<(\w+) class="grows"', self.open)
        assert growing is not None
        end = self.open.rindex(f"</{growing[1]}>")
        self.open = self.open[:end] + html + self.open[end:]

    @property
    def html(self) -> str:
        return self.closed + self.open


def pieces(text: str, sizes: Sequence[int], seed: int = 0) -> list[str]:
    choose, found, at = random.Random(seed), [], 0
    while at < len(text):
        size = choose.choice(sizes)
        found.append(text[at : at + size])
        at += size
    return found


def streamed(parts: Sequence[str]) -> str:
    """What a page shows at the end; on the way it never differs from what a page shows that comes then."""
    stream, page = Stream(), Page()
    for part in parts:
        page.apply(stream.feed(part))
        assert page.html.replace("\n", "") == stream.html.replace("\n", "")
    page.apply(stream.finish())
    assert page.open == ""
    assert stream.html == page.html
    return page.html


def test_examples_of_commonmark_come_out_as_at_once(request: pytest.FixtureRequest) -> None:
    examples = commonmark.examples(request.config)
    assert len(examples) > 600
    assert any("€" in example for example in examples), "not the specification's version 0.31"

    different = [
        (number, sizes)
        for number, text in enumerate(examples, start=1)
        for sizes in ([1], [1, 2, 3, 7, 20], [4, 11])
        if streamed(pieces(text, sizes, seed=number)) != render(text)
    ]

    assert different == []


FRAGMENTS = (
    *(
        "a b",
        "`c`",
        "*e*",
        "**",
        "- x",
        "1. y",
        "  - z",
        "```\n",
        "```py\n",
        "~~~\n",
        "> q",
        "# h\n",
        "## k\n",
        "===\n",
    ),
    *("---\n", "$$\n", "$$ x\n", "$x^2$", "\\[\n", "\\]\n", "\\(a\\)", "    code\n", "[foo]", "[foo]: http://u\n"),
    *("[foo]: https://x.y 'ti\ntle'\n", "'more'\n", "- [ ] t\n", "\t", "<div>", "&amp;", "https://a.bc/d", "   "),
    *("![i](https://a.b/c)", "[l](javascript:x)", "\r\n", "\r", "\0", "😀", "\ud83d", "\ude00", "- a\n\n- b\n", "|"),
    *("| a | b |\n|---|:-:|\n", "| 1 | 2 |\n", "# a | b\n", "- item\n- item\n- item\n", "| 3 | 4 |\n" * 3),
    *("\n",) * 6,
    *("\n\n",) * 3,
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(FRAGMENTS), max_size=30), st.integers(0, 99), st.sampled_from([[1], [1, 2, 5], [3, 30]])
)
def test_any_markdown_in_any_pieces_comes_out_as_at_once(parts: list[str], seed: int, sizes: list[int]) -> None:
    text = "".join(parts)

    assert streamed(pieces(text, sizes, seed)) == render(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=10))
def test_any_text_in_any_pieces_comes_out_as_at_once(parts: list[str]) -> None:
    assert streamed(parts) == render("".join(parts))


@pytest.mark.parametrize(
    "parts",
    [
        ["😀"[:1], " \ud83d", "\ude00 x"],
        ["a\r", "\nb\r", "c"],
        ["&am", "p; &#x4", "1;"],
        ["``", "`py\nx = 1\n`", "``", "\nafter"],
        ["*", "*b*", "* [l](http", "://x.y) $a", "^2$"],
        ["[foo]: http://u\n'title\n", "goes on'\n", "\n[foo]"],
        ["- a\n- b\n- c\n\n", "- loose\n"],
        ["$$\n# x\n", "$$\n", "after"],
    ],
    ids=["character", "line-end", "entity", "fence", "inline", "definition", "loose-list", "formula"],
)
def test_marks_may_be_cut_anywhere(parts: list[str]) -> None:
    assert streamed(parts) == render("".join(parts))


def test_link_defined_after_its_use_is_put_right_at_the_end() -> None:
    stream = Stream()
    before = stream.feed("See [the guide].\n\nMore.\n\n")
    stream.feed("[the guide]: https://example.com\n")
    end = stream.finish()

    assert "<a " not in before.closed
    assert end.is_whole
    assert end.closed == render("See [the guide].\n\nMore.\n\n[the guide]: https://example.com\n")
    assert 'href="https://example.com"' in end.closed


def test_block_is_closed_once_and_as_soon_as_it_is_final() -> None:
    stream = Stream()

    assert stream.feed("# Title\n").closed == "<h3>Title</h3>\n"
    assert stream.feed("One") == Change(open='<p class="grows">One</p>\n')
    assert stream.feed(" two\n\n") == Change(closed="<p>One two</p>\n", open="")


def test_code_grows_by_its_new_text_and_is_coloured_at_its_end() -> None:
    stream = Stream()
    stream.feed("```python\nx = 1\n")

    assert stream.feed("if x < 2:") == Change(grown="if x &lt; 2:")
    assert stream.feed("\n``") == Change(grown="\n"), "what may be the end is no code"
    end = stream.feed("`\n")
    assert '<span class="k">if</span>' in end.closed
    assert end.open == ""


LONG = {
    "fence": "```python\n" + "    total += value_of(item)  # add it\n" * 430,
    "list": "".join(f"- item number {number} with **bold** and `code` words\n" for number in range(320)),
    "table": "| a | b |\n|---|---|\n" + "".join(f"| row {number} | **x** |\n" for number in range(700)),
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_long_block_is_neither_rendered_nor_sent_again_and_again(text: str) -> None:
    """4,000 tokens at 1,000 a second, flushed every 50 ms: rendering all anew each time would take 40 times as long."""
    stream, page = Stream(), Page()
    render(text)
    begin = time.process_time()
    expected = render(text)
    once = time.process_time() - begin
    for part in pieces(text, [200]):
        page.apply(stream.feed(part))
    page.apply(stream.finish())

    assert time.process_time() - begin - once < 10 * once
    assert page.html == expected
    assert page.received < 5 * len(expected)


@pytest.mark.parametrize("make", [lambda: "a ", lambda: "- b", lambda: "\n"], ids=["words", "items", "lines"])
def test_nothing_is_lost_of_a_very_long_block(make: Callable[[], str]) -> None:
    text = make() * 6_000

    assert streamed(pieces(text, [997])) == render(text)
