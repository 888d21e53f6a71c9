"""HTML as a tree, with the out-of-band swaps of htmx that the site uses. For well-formed HTML only."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from chat.markdown.document import render

VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclass(eq=False, slots=True)
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def where(self, name: str, value: str | None = None) -> list[Element]:
        """All below that have the attribute, with this value if one is given; in their order."""
        found: list[Element] = []
        for child in self.children:
            if isinstance(child, Element):
                if name in child.attributes and value in (None, child.attributes[name]):
                    found.append(child)
                found += child.where(name, value)
        return found

    def of_class(self, name: str) -> list[Element]:
        return [element for element in self.where("class") if name in element.attributes["class"].split()]

    def with_id(self, identifier: str) -> Element:
        (element,) = self.where("id", identifier)
        return element

    def put(self, children: list[Element | str], index: int) -> None:
        for child in children:
            if isinstance(child, Element):
                child.parent = self
        self.children[index:index] = children


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self._open = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:  # <br/>
            return
        assert self._open.tag == tag, f"</{tag}> closes <{self._open.tag}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)


def parsed(html: str) -> Element:
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder._open is builder.root, f"<{builder._open.tag}> is not closed"
    return builder.root


def shown(text: str) -> str:
    """The text that a page shows of an answer's Markdown, without blanks around it."""
    return parsed(render(text)).text.strip()


def swap(page: Element, html: str) -> None:
    """Put each piece of `html` where its hx-swap-oob says; what has no place is left out, as htmx does."""
    for piece in parsed(html).children:
        if isinstance(piece, str):
            assert not piece.strip(), f"text that has no place: {piece!r}"
            continue
        how, _, selector = piece.attributes.pop("hx-swap-oob").partition(":")
        identifier, _, of_class = (selector.removeprefix("#") or piece.attributes["id"]).partition(" .")
        for target in page.where("id", identifier)[:1]:
            for element in target.of_class(of_class) if of_class else [target]:
                _swap(how, element, piece)


def _swap(how: str, target: Element, piece: Element) -> None:
    if how == "beforeend":
        target.put(piece.children, len(target.children))
    elif how == "afterbegin":
        target.put(piece.children, 0)
    elif how == "innerHTML":
        target.children.clear()
        target.put(piece.children, 0)
    elif how == "beforebegin":
        assert target.parent is not None
        target.parent.put(piece.children, target.parent.children.index(target))
    else:
        assert how in ("true", "delete")
        assert target.parent is not None
        index = target.parent.children.index(target)
        del target.parent.children[index]
        if how == "true":
            target.parent.put([piece], index)
