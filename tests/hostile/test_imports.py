"""Files that somebody imports: read or refused in whole, never half; what is read comes out again as it went in."""

from __future__ import annotations

import io
import json
import zipfile
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.vocabulary import without_lone_surrogates
from tests.hostile.conftest import HostedSite
from tests.hostile.documents import Json, anything, changed
from tests.hostile.examples import hostile
from tests.hostile.texts import any_characters, texts
from tests.hostile.visitor import Visitor

OURS: dict[str, Json] = {
    "format": "localai-conversation",
    "version": 1,
    "id": "5b3f6c0e-7f0e-4f43-9a25-6d8f4f0a1c6e",
    "title": "A title",
    "effort": "low",
    "max_tokens": 100,
    "instructions": "Be brief.",
    "is_pinned": False,
    "is_archived": False,
    "created_at": "2025-01-01T00:00:00+00:00",
    "updated_at": "2025-01-01T00:00:00+00:00",
    "leaf": 2,
    "messages": [
        {"id": 1, "parent": None, "role": "user", "status": "complete", "text": "Hello",
        "created_at": "2025-01-01T00:00:00Z"},
        {
            "id": 2, "parent": 1, "role": "assistant", "status": "stopped", "text": "Hi", "thinking": "A greeting.",
            "error": "",
            "model": "scripted", "effort": "low", "prompt_tokens": 3, "first_token_seconds": 0.1, "is_malformed": False,
            "prompt_token_ids": "AQAAAA==", "token_ids": "AQAAAA==", "feedback": {"rating": 1, "note": "Good."},
        },
    ],
}  # fmt: skip
CHATGPT: dict[str, Json] = {
    "title": "A title", "create_time": 1.7e9, "update_time": 1.7e9, "current_node": "b", "conversation_id": "x",
    "is_starred": True,
    "mapping": {
        "r": {"id": "r", "message": None, "parent": None, "children": ["a"]},
        "a": {"id": "a", "parent": "r", "children": ["b"], "message": {
            "author": {"role": "user"}, "create_time": 1.7e9, "recipient": "all", "metadata": {},
            "content": {"content_type": "text", "parts": ["Hello", {"content_type": "image_asset_pointer"}]}}},
        "b": {"id": "b", "parent": "a", "children": [], "message": {
            "author": {"role": "assistant"}, "create_time": None, "channel": "final", "metadata": {"model_slug": "x"},
            "content": {"content_type": "code", "language": "python", "text": "1", "thoughts": [{"summary": "a",
            "content": "b"}]}}},
    },
}  # fmt: skip
OPEN_WEBUI: dict[str, Json] = {
    "id": "y", "title": "A title", "created_at": 1.7e9, "updated_at": 1.7e9, "archived": False, "pinned": None,
    "chat": {
        "title": "A title", "models": ["m"], "system": "Be brief.", "params": {"system": ""}, "timestamp": 1.7e12,
        "messages": [],
        "history": {"currentId": "b", "messages": {
            "a": {"id": "a", "parentId": None, "childrenIds": ["b"], "role": "user", "content": "Hello",
            "timestamp": 1.7e9},
            "b": {"id": "b", "parentId": "a", "childrenIds": [], "role": "assistant", "model": "m", "modelName": "M",
            "done": True,
                  "content": '<details type="reasoning" duration="3">\n<summary>x</summary>\n> a\n</details>\nHi'}}},
    },
}  # fmt: skip

documents = st.sampled_from([OURS, CHATGPT, OPEN_WEBUI]).flatmap(changed)
files = st.lists(documents, max_size=2) | documents | anything | changed([OURS, CHATGPT, OPEN_WEBUI])


def zipped(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def send(visitor: Visitor, content: bytes, name: str = "export.json", kind: str = "application/json") -> httpx.Response:
    return visitor.upload("/import/", (name, content, kind))


def look_at(visitor: Visitor, hosted: HostedSite, *, known: set[str]) -> set[str]:
    """All pages of what is new; then it is deleted. Returns the ids of what was new."""
    fresh = ids(hosted) - known
    for key in fresh:
        path = f"/c/{UUID(key)}/"
        visitor.page(path)
        for form in ("json", "markdown", "harmony"):
            visitor.get(f"{path}export/{form}/")
        query = "SELECT max(id) FROM chat_message WHERE conversation_id = ? AND role = 'assistant'"
        for (message,) in hosted.rows(query, key):
            visitor.get(f"{path}context/{message or 0}/")
        visitor.post(f"{path}delete/", {})
    return fresh


def ids(hosted: HostedSite) -> set[str]:
    return {str(key) for (key,) in hosted.rows("SELECT id FROM chat_conversation WHERE deleted_at IS NULL")}


@hostile(120)
@given(document=files, is_zip=st.booleans(), name=texts)
def test_documents_of_all_kinds(ann: Visitor, hosted: HostedSite, document: Json, is_zip: bool, name: str) -> None:
    known, content = ids(hosted), json.dumps(document).encode()
    response = send(ann, zipped(**{"conversations.json": content}) if is_zip else content)

    assert response.status_code in (200, 422)
    fresh = look_at(ann, hosted, known=known)
    assert not (response.status_code == 422 and fresh)


@hostile(40)
@given(title=any_characters, prompt=any_characters, answer=any_characters, instructions=any_characters)
def test_what_is_imported_is_exported_again(
    ann: Visitor, hosted: HostedSite, title: str, prompt: str, answer: str, instructions: str
) -> None:
    messages = [dict(each) for each in OURS["messages"]]  # type: ignore[attr-defined]
    messages[0]["text"], messages[1]["text"], messages[1]["thinking"] = prompt, answer, instructions
    sent = OURS | {"id": "", "title": title, "instructions": instructions, "messages": messages}
    known = ids(hosted)
    assert send(ann, json.dumps(sent).encode()).status_code == httpx.codes.OK

    (key,) = ids(hosted) - known
    exported = ann.get(f"/c/{UUID(key)}/export/json/").json()
    assert exported["messages"][0]["text"] == taken(prompt)
    assert exported["messages"][1]["text"] == taken(answer)
    assert exported["messages"][1]["thinking"] == exported["instructions"] == taken(instructions)
    assert not title.strip("\0") or exported["title"] == taken(title)[:200]
    look_at(ann, hosted, known=known)


def taken(text: str) -> str:
    """As every database takes it."""
    return without_lone_surrogates(text.replace("\0", ""))


@hostile(60)
@given(content=st.binary(max_size=200) | texts.map(str.encode), name=texts, kind=texts)
def test_files_that_are_no_export(ann: Visitor, content: bytes, name: str, kind: str) -> None:
    printable = "".join(sign for sign in kind if sign.isprintable())
    assert send(ann, content, name[:200], printable[:200].encode("ascii", "replace").decode()).status_code in (200, 422)


WHOLE = json.dumps([OURS, CHATGPT, OPEN_WEBUI]).encode()
DEPTHS = [50, *range(900, 1000, 10), 3_000, 100_000]
BROKEN = {
    "nothing": b"",
    "a mark of order": b"\xef\xbb\xbf",
    "two marks of order": b"\xef\xbb\xbf\xef\xbb\xbf[]",
    "utf-16": "[]".encode("utf-16"),
    "half of it": WHOLE[: len(WHOLE) // 2],
    "twice": WHOLE * 2,
    "a long number": b'{"mapping": {}, "id": ' + b"9" * 10_000 + b"}",
    "a long name": b'{"mapping": {"' + b"a" * 1_000_000 + b'": 1}}',
    "no numbers": b'{"mapping": {}, "create_time": NaN, "update_time": -Infinity}',
    "the same names": b'{"mapping": {}, "mapping": 1, "mapping": {"a": {}, "a": null}}',
    "not a zip": b"PK",
    "half a zip": zipped(**{"conversations.json": WHOLE})[:-30],
    "an empty zip": zipped(),
    "a zip in a zip": zipped(**{"conversations.json": zipped(**{"a.json": WHOLE})}),
    "names in a zip": zipped(
        **{"../../../etc/passwd": b"x", "/abs.json": WHOLE, "\u202e.json": b"[]", "C:\\x.json": WHOLE}
    ),
    "a bomb": zipped(**{"conversations.json": b"[" + b" " * 60_000_000 + b"]"}),
    "many bombs": zipped(**{f"{number}.json": b" " * 30_000_000 for number in range(20)}),
    "many entries": zipped(**{f"{number}.json": b"" for number in range(5_000)}),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_files(ann: Visitor, hosted: HostedSite, content: bytes) -> None:
    known = ids(hosted)
    assert send(ann, content).status_code in (200, 422)
    look_at(ann, hosted, known=known)


@pytest.mark.parametrize("opening", ["[", '{"mapping":'])
def test_brackets_in_brackets(ann: Visitor, hosted: HostedSite, opening: str) -> None:
    """Also as deep as one reader just goes, and another does not."""
    known = ids(hosted)
    for depth in DEPTHS:
        deep = opening * depth + "1" + ("]" if opening == "[" else "}") * depth
        for document in (CHATGPT, OURS):
            whole = json.dumps(document | {"id": "", "conversation_id": "", "else": "HERE"}).replace('"HERE"', deep)
            assert send(ann, whole.encode()).status_code in (200, 422)
    look_at(ann, hosted, known=known)
