from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.markdown.document import render
from chat.markdown.stream import Stream


class Elements(HTMLParser):
    """The elements of a piece of HTML, and whether they are closed in order."""

    VOID = frozenset({"br", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.is_balanced = True
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.is_balanced = self.is_balanced and not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_balanced = self.is_balanced and bool(self._open) and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(html: str) -> str:
    return Elements(html).text


def test_result_needs_no_escaping() -> None:
    assert isinstance(render("*a*"), SafeString)
    assert render("") == ""


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>\n"),
        ("> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
        ("a  \nb\n\n---", "<p>a<br>\nb</p>\n<hr>\n"),
        ("😀 **ü**", "<p>😀 <strong>ü</strong></p>\n"),
        ("README.md and node.js", "<p>README.md and node.js</p>\n"),
        ("about ~5 to ~10", "<p>about ~5 to ~10</p>\n"),
    ],
)
def test_markdown_becomes_html(markdown: str, html: str) -> None:
    assert render(markdown) == html


def test_headings_follow_the_pages_own_and_skip_no_level() -> None:
    assert re.findall(r"<h\d>", render("## a\n#### b\n## c\n# d\n\ne\n===")) == ["<h3>", "<h4>", "<h3>", "<h3>", "<h3>"]


def test_tables_are_aligned_by_class_and_can_be_scrolled_by_keyboard() -> None:
    html = render("| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |")

    assert '<div class="table" tabindex="0"><table>' in html
    assert '<th class="left">a</th>\n<th class="center">b</th>\n<th class="right">c</th>' in html
    assert '<td class="right">3</td>' in html
    assert "style" not in html


def test_tasks_are_named_boxes_that_cannot_be_ticked() -> None:
    inputs = [attributes for tag, attributes in Elements(render("- [x] a\n- [ ] b")).found if tag == "input"]

    assert [("checked" in box, "disabled" in box, box["aria-label"]) for box in inputs] == [
        (True, True, "Done"),
        (False, True, "To do"),
    ]


@pytest.mark.parametrize(
    ("markdown", "address"),
    [
        ("https://example.com/a_b", "https://example.com/a_b"),
        ("www.example.com", "http://www.example.com"),
        ("<https://example.com>", "https://example.com"),
        ("a@example.com", "mailto:a@example.com"),
        ("[a](https://example.com 'b')", "https://example.com"),
        ("[a]\n\n[a]: https://example.com", "https://example.com"),
        ("![a cat](https://example.com/cat.png)", "https://example.com/cat.png"),
    ],
)
def test_links_open_elsewhere_and_tell_nothing(markdown: str, address: str) -> None:
    links = [attributes for tag, attributes in Elements(render(markdown)).found if tag == "a"]

    assert [link["href"] for link in links] == [address]
    assert links[0]["rel"] == "noopener noreferrer nofollow"
    assert links[0]["target"] == "_blank"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("[a](JaVaScRiPt:alert(1))", "[a](JaVaScRiPt:alert(1))"),
        ("[a](java\nscript:alert(1))", "[a](java\nscript:alert(1))"),
        ("[a](&#106;avascript:alert)", "[a](javascript:alert)"),
        ("[a](data:text/html,x)", "[a](data:text/html,x)"),
        ("![a](data:image/png;base64,AAAA)", "![a](data:image/png;base64,AAAA)"),
        ("![a](data:image/svg+xml,<svg/onload=alert(1)>)", "![a](data:image/svg+xml,<svg/onload=alert(1)>)"),
        ("[a](vbscript:x)", "[a](vbscript:x)"),
        ("[a](file:///etc/passwd)", "[a](file:///etc/passwd)"),
        ("[a](blob:https://x.y/1)", "a"),
        ("[a](view-source:javascript:x)", "a"),
        ("[a](jav\u200bascript:x)", "a"),
        ("[a](\uff4aavascript:x)", "a"),
        ("[a](\u202ejavascript:x)", "a"),
        ("[a](java&NewLine;script:x)", "a"),
        ("[a](java&Tab;script:x)", "a"),
        ("[a](https:evil)", "a"),
        ("<javascript:alert(1)>", "<javascript:alert(1)>"),
        ("[a](/logout/)", "a"),
        ("[a](//evil.example)", "a"),
        ("[a](ftp://x.y)", "a"),
        ("![a](/x.png)", "a"),
    ],
)
def test_what_is_no_link_to_the_web_is_text(markdown: str, text: str) -> None:
    html = render(markdown)

    assert text_of(html).strip() == text
    assert "a" not in [tag for tag, _ in Elements(html).found]
    assert "javascript:" not in str(Elements(html).found)


def test_image_within_a_link_makes_one_link() -> None:
    html = render("[![a](https://x.y/i.png)](https://x.y)")

    assert [attributes["href"] for tag, attributes in Elements(html).found if tag == "a"] == ["https://x.y"]


SAMPLES = {
    "python": ("def f():\n    return 1\n", "Python", "k"),
    "js": ("const a = 1;\n", "JavaScript", "kd"),
    "ts": ("let a: number = 1;\n", "TypeScript", "kd"),
    "bash": ("for a in b; do echo $a; done\n", "Bash", "k"),
    "rust": ("fn main() {}\n", "Rust", "k"),
    "go": ("func main() {}\n", "Go", "kd"),
    "sql": ("SELECT 1;\n", "SQL", "k"),
    "html": ("<p class='a'>b</p>\n", "HTML", "nt"),
    "json": ('{"a": 1}\n', "JSON", "nt"),
    "c++": ("int main() { return 0; }\n", "C++", "kt"),
    "Java": ("class A {}\n", "Java", "kd"),
}


@pytest.mark.parametrize("language", SAMPLES)
def test_code_has_colours_a_label_and_a_copy_button(language: str) -> None:
    source, label, kind = SAMPLES[language]
    html = render(f"```{language}\n{source}```")

    assert f"<span>{label}</span>" in html
    assert f'<span class="{kind}">' in html
    assert '<button type="button" class="quiet" data-action="copy-code">Copy</button>' in html
    assert text_of(html[html.index("<code>") :]).rstrip() == source.rstrip()


def test_unknown_language_is_its_own_label() -> None:
    html = render("```<b>nonsense\na < b\n```")

    assert "<span>&lt;b&gt;nonsense</span>" in html
    assert "<code>a &lt; b\n</code>" in html


def test_indented_code_stays_as_it_is() -> None:
    assert "<code>a  *b*\n</code>" in render("    a  *b*")


@pytest.mark.parametrize(
    ("markdown", "display"),
    [
        (r"\(x^2\)", "inline"),
        ("$x^2$", "inline"),
        ("so $x^2$, and", "inline"),
        (r"\[x^2\]", "block"),
        ("$$x^2$$", "block"),
        ("text\n\\[\nx^2\n\\]\ntext", "block"),
        ("- item\n  $$\n  x^2\n  $$", "block"),
        (r"in text \[x^2\] goes on", "block"),
        ("| a |\n|---|\n| $x^2$ |", "inline"),
    ],
)
def test_formulas_become_mathml(markdown: str, display: str) -> None:
    assert f'<math display="{display}"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>' in render(markdown)


@pytest.mark.parametrize(
    "latex",
    [
        r"\frac{a}{b}",
        r"\sum_{i=1}^n \sqrt[3]{x_i}",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
        r"\left( \int_0^\infty e^{-x^2}\,dx \right)",
        r"\text{if } x \in \mathbb{R}",
        "a < b > c",
    ],
)
def test_usual_latex_is_understood(latex: str) -> None:
    html = render(rf"\[{latex}\]")

    assert "<math " in html
    assert "\\" not in html
    assert "#x" not in html
    assert Elements(html).is_balanced


@pytest.mark.parametrize(
    "latex",
    [
        "{",
        r"\left(",
        r"\frac{a}",
        r"\unheardof{x}",
        "x^2^3",
        r"\newcommand{\a}{b}\a",
        r"\begin{nothing}x&y\end{nothing}",
        r"\rule{9999em}{9999em}",
        r"a\hspace{100em}b",
    ],
)
def test_bad_latex_shows_its_source(latex: str) -> None:
    html = render(rf"\({latex}\)")

    assert "<math" not in html
    assert text_of(html).strip() == latex
    assert '<code class="formula">' in html


@pytest.mark.parametrize(
    "markdown",
    [
        "It costs $5 and $6.",
        "$5, $6 or $7",
        "from $20,000 to $30,000 a year",
        "US$5 and US$6",
        "between $5M and 10$ it is",
        "$5-$10",
        "echo $HOME/$USER",
        "a $ b $ c",
        r"\$5 and x$",
        "`$a$`",
    ],
)
def test_prices_and_shell_variables_are_no_formulas(markdown: str) -> None:
    html = render(markdown)

    assert "<math" not in html
    assert "formula" not in html


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><style>*{color:red}</style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<link rel=stylesheet href=https://evil.example/a.css>",
    "<style>@import 'https://evil.example/a.css'</style>",
    "<div hx-get='/logout/' hx-trigger='load'>x</div>",
    "<div id='composer' hx-swap-oob='true'>x</div>",
    "<button data-action='delete' type='submit'>x</button>",
    "</div></article></main><form action='https://evil.example'><input name=a></form>",
    "</code></pre></div>",
    "```\n</code></pre></div><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "```hx-get onclick=alert(1)\nx\n```",
    "~~~ id=composer style=color:red\nx\n~~~",
    '[a](https://x.y "t\\" onmouseover=alert(1) x=\\"")',
    '[a](https://x.y/"onmouseover=alert(1))',
    '![" onerror=alert(1) x="](https://x.y/i.png)',
    "![a](https://evil.example/pixel.gif?secret)",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    r"\(\text{<script>alert(1)</script>}\)",
    r"\(\text{</math><img src=x onerror=alert(1)>}\)",
    r"\(\text{&lt;img src=x onerror=alert(1)&gt;}\)",
    r"\(\href{javascript:alert(1)}{x}\)",
    r"\(\class{latest}{x} \style{background:url(https://evil.example)}{y}\)",
    r"\(\hspace{1em\" onclick=alert(1)}\)",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "- [x] <input type=text autofocus onfocus=alert(1)>",
    "<!-- --><![CDATA[ x ]]><?php x ?>",
    "[a]: javascript:alert(1)\n\n[a]",
    "<a href='javascript:alert(1)'>x</a><base href='https://evil.example'>",
    "\x00<\x00script>alert(1)</script>\ufeff\u202e",
]
TAGS = frozenset(
    "a blockquote br button code div em h3 h4 h5 h6 hr input li math mi mn mo mrow ms mspace mstyle mtext ol p pre s "
    "span strong table tbody td th thead tr ul".split()
)
ATTRIBUTES = frozenset(
    "aria-label checked class data-action disabled display href mathvariant rel start stretchy tabindex target title "
    "type width".split()
)


@pytest.mark.parametrize("markdown", HOSTILE)
@pytest.mark.parametrize("around", ["{}", "> {}", "- {}", "text {} text"])
def test_hostile_output_stays_text(markdown: str, around: str) -> None:
    stream = Stream()
    shown: list[str] = [render(around.format(markdown))]
    for character in around.format(markdown):
        stream.feed(character)
        shown.append(stream.html)

    for html in shown:
        elements = Elements(html)
        assert elements.is_balanced
        for tag, attributes in elements.found:
            assert tag in TAGS
            assert attributes.keys() <= ATTRIBUTES
            assert attributes.get("data-action", "copy-code") == "copy-code"
            assert str(attributes.get("href", "https:")).startswith(("https:", "http:", "mailto:"))


UNITS = (
    *("`", "` ", "[", "![", "[a](", "](", "[foo]: ", "<", "</div>", "*", "*a **", "***a ", "_", "*_", "~~a "),
    *("$", "$a ", "$$a", r"\(", r"\[a", "{", ">", "> ", "- ", "1. ", "|", "\n", "-\n", "```a\n"),
    *(":", "http://", "a@", "www.", "&", "&amp;", "\\"),
)


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_bounded(unit: str) -> None:
    """10,000 characters of it; the slowest takes about 0.15 s."""
    text = unit * (10_000 // len(unit))
    begin = time.process_time()
    html = render(text)

    assert time.process_time() - begin < 1.5
    assert Elements(html).is_balanced


@pytest.mark.parametrize(
    "nested", ["> " * 500 + "end", "".join("  " * level + "- a\n" for level in range(300)) + "end", "- " * 500 + "end"]
)
def test_deep_nesting_ends_and_loses_nothing(nested: str) -> None:
    html = render(nested)

    assert "end" in html
    assert html.count("<blockquote>") + html.count("<ul>") < 50


@pytest.mark.parametrize(
    "latex", ["{" * 900 + "}" * 900, r"\frac{a}{" * 200 + "x" + "}" * 200, "x^{" * 600 + "}" * 600]
)
def test_deep_latex_ends(latex: str) -> None:
    begin = time.process_time()
    html = render(f"$${latex}$$")

    assert time.process_time() - begin < 1.5
    assert Elements(html).is_balanced


LATEX = (
    *("{", "}", "^", "_", "&", "\\\\", "x", "1", "+", " ", "<", "'", "|", "[", "]", "\\", "$", "%", "#", "~", "é"),
    *(
        r"\frac",
        r"\sqrt",
        r"\left(",
        r"\right)",
        r"\left",
        r"\right",
        r"\sum",
        r"\text{a",
        r"\begin{matrix}",
        r"\end{matrix}",
    ),
    *(
        r"\begin{array}{c|c}",
        r"\end{array}",
        r"\hspace{1em}",
        r"\limits",
        r"\color{red}",
        r"\genfrac",
        r"\not",
        r"\substack",
    ),
    *(
        r"\begin{cases}",
        r"\end{cases}",
        r"\mathbb{R}",
        r"\overset",
        r"\binom",
        r"\tag{1}",
        r"\operatorname{a}",
        r"\\[2pt]",
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(LATEX), max_size=15))
def test_any_latex_is_shown(parts: list[str]) -> None:
    latex = "".join(parts).replace("$", "")

    assert Elements(render(f"$$a{latex}b$$")).is_balanced


def test_wide_table_does_not_multiply() -> None:
    text = "|a" * 256 + "\n" + "|-" * 256 + "\n" + "|\n" * 256

    assert len(render(text)) < 10 * len(text)
