"""What a page's socket may be sent: it answers or closes in order, and what was asked is saved as it was spelled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from inference.vocabulary import without_lone_surrogates
from tests.hostile.conftest import HostedSite
from tests.hostile.documents import anything
from tests.hostile.examples import hostile
from tests.hostile.pages import planted
from tests.hostile.test_fields import key_of, wait_until_answered
from tests.hostile.texts import any_characters, texts
from tests.hostile.visitor import Visitor

PATIENCE_SECONDS = 20
BROKEN = 1011
"""How a server closes that met an error of its own."""

ACTIONS = ["continue", "answer-now", "regenerate", "stop", "version", "earlier", "retry"]
FIELDS = ["prompt", "effort", "key", "edits", "action", "message", "with", "HEADERS"]
values = anything | st.sampled_from([*ACTIONS, "low", "high", 1, "1", -1, 2**63, 2**64, 10**400, True, None, 1.5])
orders = st.dictionaries(st.sampled_from(FIELDS) | any_characters, values, max_size=5).map(json.dumps)
plain = st.one_of(texts, anything.map(json.dumps), st.binary(max_size=100))
frames = st.lists(orders | plain, min_size=1, max_size=4)


def opened(hosted: HostedSite, visitor: Visitor, path: str, query: str = "") -> ClientConnection:
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    connection: ClientConnection = connect(
        f"ws://127.0.0.1:{hosted.site.port}/ws{path}{query}",
        origin=Origin(hosted.site.url),
        additional_headers={"Cookie": cookies},
        compression=None,
        ping_interval=None,
        max_size=None,
    )
    return connection


def heard(socket: ClientConnection, until: str) -> str:
    """All that comes until a frame has this in it; checked as pages are."""
    html = ""
    while until not in html:
        html += str(socket.recv(PATIENCE_SECONDS))
    assert not planted(html)
    return html


@pytest.fixture(scope="module")
def quiet(bob: Visitor) -> str:
    """The path of a conversation that nobody talks in."""
    return bob.new_conversation()


@hostile(100)
@given(sent=frames)
def test_frames_of_all_kinds(bob: Visitor, hosted: HostedSite, quiet: str, sent: list[str | bytes]) -> None:
    exchange(bob, hosted, quiet, sent)


@pytest.mark.parametrize("depth", [500, 950, 1_000, 5_000, 100_000])
def test_brackets_in_brackets(bob: Visitor, hosted: HostedSite, quiet: str, depth: int) -> None:
    exchange(bob, hosted, quiet, ["[" * depth, "[" * depth + "]" * depth])


def exchange(bob: Visitor, hosted: HostedSite, quiet: str, sent: Sequence[str | bytes]) -> None:
    """Each frame is answered, and the last one understood; or the socket is closed for a reason."""
    with opened(hosted, bob, quiet) as socket:
        try:
            for frame in sent:
                socket.send(frame)
                assert not planted(str(socket.recv(PATIENCE_SECONDS)))
            socket.send(json.dumps({"action": "none"}))
            heard(socket, 'id="alert"')
        except ConnectionClosed:
            assert socket.close_code != BROKEN, sent
    wait_until_answered(hosted)


@hostile(50)
@given(prompt=any_characters, key=any_characters)
def test_a_prompt_is_saved_or_refused(ann: Visitor, hosted: HostedSite, prompt: str, key: str) -> None:
    path = ann.new_conversation()
    with opened(hosted, ann, path) as socket:
        socket.send(json.dumps({"prompt": prompt, "key": key}))
        html = heard(socket, 'id="alert"')

    wait_until_answered(hosted)
    saved = hosted.rows("SELECT text FROM chat_message WHERE conversation_id = ? AND role = 'user'", key_of(path))
    if any(reason in html for reason in ("Write something", "Null characters", "at most 64 characters", "too long")):
        assert not saved
        assert not prompt.strip() or "\0" in prompt + key or len(key.strip()) > 64 or len(prompt) > 1000
    else:
        assert saved == [(without_lone_surrogates(prompt.replace("\r\n", "\n")),)]


@hostile(50)
@given(query=texts)
def test_addresses(bob: Visitor, hosted: HostedSite, quiet: str, query: str) -> None:
    query = query[:500]  # an address is not longer
    for asked in (f"?seen={quote(query)}&from={quote(query)}", f"?{quote(query)}"):
        with opened(hosted, bob, quiet, asked) as socket:
            heard(socket, 'id="engine-status"')


@hostile(30)
@given(part=texts.filter(bool))
def test_paths(bob: Visitor, hosted: HostedSite, part: str) -> None:
    for path in (f"/c/{quote(part, safe='')}/", f"/{quote(part)}"):
        with pytest.raises(InvalidStatus) as refused, opened(hosted, bob, path):
            pass
        assert refused.value.response.status_code < 500
