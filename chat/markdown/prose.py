"""How the parts of Markdown look as HTML: what differs from markdown-it's own renderer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it.common.utils import unescapeAll
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from chat.markdown import code, mathml
from chat.markdown.sanitiser import ALIGNMENTS

TOP_HEADING = 3
"""The page's own headings end at the one above each message."""

LINKED = ("http://", "https://", "mailto:")


class ProseRenderer(RendererHTML):
    """Reads from `env`: `headings`, the levels of the headings around; `is_open`, while the last block grows."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Levels are renumbered so that none is skipped, whatever the model wrote."""
        level, above = int(tokens[idx].tag[1]), env["headings"]
        while above and above[-1] >= level:
            above.pop()
        above.append(level)
        return f"<h{_heading_level(env)}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"</h{_heading_level(env)}>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        language = (unescapeAll(token.info).split() or [""])[0]
        if env.get("is_open") and token.meta.get("is_last"):
            return code.open_code_block(token.content, language, grows=token.level == 0)
        return code.code_block(token.content, language)

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return code.code_block(tokens[idx].content, "")

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="table" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell("th", tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell("td", tokens[idx])

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        item = self.renderToken(tokens, idx, options, env)
        if "checked" not in tokens[idx].meta:
            return item
        state = 'checked="" aria-label="Done"' if tokens[idx].meta["checked"] else 'aria-label="To do"'
        return f'{item}<input type="checkbox" disabled="" {state}> '

    def math_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return mathml.formula(tokens[idx].content, is_display=False)

    def math_display(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return mathml.formula(tokens[idx].content, is_display=True)

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<div class="formula" tabindex="0">{mathml.formula(tokens[idx].content, is_display=True)}</div>\n'

    def math_source(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<div class="formula" tabindex="0">{mathml.source(tokens[idx].content)}</div>\n'


def mark_last(state: StateCore) -> None:
    """A core rule: a fence that has no end yet may still grow."""
    fences = [token for token in state.tokens if token.type == "fence"] if state.env.get("is_open") else []
    if fences and fences[-1].map:
        is_at_end = fences[-1].map[1] >= state.src.rstrip("\n").count("\n") + 1
        fences[-1].meta["is_last"] = is_at_end and not is_closed(fences[-1])


def is_closed(fence: Token) -> bool:
    start, end = fence.map or (0, 0)
    lines = len(fence.content.split("\n")) - (not fence.content or fence.content.endswith("\n"))
    return end - start - 1 > lines


def safe_links(state: StateCore) -> None:
    """A core rule: what is no link to the web or to a mailbox becomes its text; an image becomes a link to it."""
    for token in state.tokens:
        if token.children:
            token.children = list(_with_safe_links(token.children))


def _with_safe_links(tokens: list[Token]) -> Iterator[Token]:
    kept: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            kept.append(_is_linked(token.attrGet("href")) and not any(kept))
            if kept[-1]:
                yield token
        elif token.type == "link_close":
            if kept.pop():
                yield token
        elif token.type == "image":
            yield from _image(token, is_inside_link=any(kept))
        else:
            yield token


def _image(image: Token, *, is_inside_link: bool) -> Iterator[Token]:
    source = str(image.attrGet("src") or "")
    alternative = "".join(_plain(image.children or ()))
    text = Token("text", "", 0, content=alternative or source or "image")
    if is_inside_link or not _is_linked(source):
        yield text
        return
    yield Token("link_open", "a", 1, attrs={"href": source, "class": "image"})
    yield text
    yield Token("link_close", "a", -1)


def _plain(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.children:
            yield from _plain(token.children)
        else:
            yield " " if token.type in ("softbreak", "hardbreak") else token.content


def _is_linked(address: object) -> bool:
    return isinstance(address, str) and address.lower().startswith(LINKED)


def _heading_level(env: EnvType) -> int:
    return min(TOP_HEADING - 1 + len(env["headings"]), 6)


def _cell(tag: str, token: Token) -> str:
    alignment = str(token.attrGet("style") or "").removeprefix("text-align:")
    return f'<{tag} class="{alignment}">' if alignment in ALIGNMENTS else f"<{tag}>"
