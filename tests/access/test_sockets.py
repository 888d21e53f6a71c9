"""Everybody sends every message through a page's socket; what is heard of it is what docs/access.md says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from uuid import UUID

import pytest
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.layers import channel_layers
from channels.security.websocket import AllowedHostsOriginValidator
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from pytest_django import Settings

from chat import broadcast, orders, replies
from chat.forms import ActionForm
from chat.models import Conversation
from chat.routing import sockets
from inference.supervisor import Supervisor
from tests.access import table
from tests.access.addresses import names
from tests.access.cast import NOBODY, PEOPLE, QUICK_HASHERS, Belongings, Cast, make_cast
from tests.access.test_complete import incompleteness

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = table.rows("The socket")
SECONDS = 20
OURS, ELSEWHERE = b"http://localhost", b"http://elsewhere.example"
OF_STAFF, OF_ANOTHER = "of staff", "another's message"

FRAMES = {"a prompt": '{"prompt": "Hello?"}', "no form": "[]", "no JSON": "{", "an unknown action": '{"action": "x"}'}


def of_logged_out(session_key: str, person: User) -> None:
    Session.objects.filter(pk=session_key).delete()


def of_disabled(session_key: str, person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False)


def of_new_password(session_key: str, person: User) -> None:
    User.objects.filter(pk=person.pk).update(password="md5$x$y")


WAYS_TO_LEAVE: tuple[Callable[[str, User], None], ...] = (of_logged_out, of_disabled, of_new_password)


class Site:
    """The sockets as the server serves them, and what they have heard."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.heard: list[str] = []
        self._application = AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))

    async def word(
        self,
        actor: str,
        row: table.Row,
        leave: Callable[[str, User], None] | None = None,
        origin: bytes = OURS,
    ) -> str:
        self.heard.clear()
        owned = self.cast.staff if row.case == OF_STAFF else self.cast.owner
        about = self.cast.other if row.case == OF_ANOTHER else owned
        socket = self._socket(actor, row.name, owned.talk.pk, origin)
        connected, _ = await socket.connect(timeout=SECONDS)
        if not connected:
            return "403"
        try:
            closed = await _shown(socket)
            if leave:
                await database_sync_to_async(leave)(self.cast.sessions[actor], self.cast.people[actor])
            await socket.send_to(_frame(row.detail, about))
            return closed or await self._answer(socket)
        finally:
            await socket.disconnect(timeout=SECONDS)

    async def _answer(self, socket: WebsocketCommunicator) -> str:
        """A close, an error, or what has been heard."""
        while True:
            event = await socket.receive_output(timeout=SECONDS)
            if event["type"] == "websocket.close":
                return str(event["code"])
            if self.heard:
                return "yes"
            if 'id="alert"' in event["text"]:
                return "error"

    def _socket(self, actor: str, address: str, pk: UUID, origin: bytes) -> WebsocketCommunicator:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cast.cookies(actor).items())
        headers = [(b"host", b"localhost"), (b"origin", origin), (b"cookie", cookies.encode())]
        return WebsocketCommunicator(self._application, address.replace("<pk>", str(pk)), headers=headers)


async def _shown(socket: WebsocketCommunicator) -> str:
    """Until the conversation is shown: nothing; else the code with which the socket is closed."""
    while True:
        event = await socket.receive_output(timeout=SECONDS)
        if event["type"] == "websocket.close":
            return str(event["code"])
        if 'id="engine-status"' in event["text"]:
            return ""


def _frame(message: str, about: Belongings) -> str:
    return FRAMES.get(message) or json.dumps({"action": message, "message": about.answer.pk})


@pytest.fixture
def site(transactional_db: None, static_files: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Site:
    """With ears where orders arrive, in place of an engine."""
    settings.PASSWORD_HASHERS = QUICK_HASHERS
    settings.ALLOWED_HOSTS = ["localhost"]
    site = Site(make_cast())
    channel_layers.backends.clear()
    monkeypatch.setattr(broadcast, "watch", lambda: None)
    later = ((replies, "submit"), (broadcast, "stop"), (broadcast, "answer_now"))
    for where, name in later:
        monkeypatch.setattr(where, name, _ear_later(site, name))
    monkeypatch.setattr(orders, "show_version", _ear(site, "version"))
    monkeypatch.setattr(Supervisor, "retry", _ear(site, "retry"))
    monkeypatch.setattr(Conversation, "earlier", _ear(site, "earlier"))
    return site


def _ear(site: Site, name: str) -> Callable[..., None]:
    def hear(*_: object, **__: object) -> None:
        site.heard.append(name)

    return hear


def _ear_later(site: Site, name: str) -> Callable[..., object]:
    async def hear(*_: object, **__: object) -> None:
        site.heard.append(name)

    return hear


async def words(site: Site, row: table.Row) -> Mapping[str, set[str]]:
    owner = "staff" if row.case == OF_STAFF else "owner"
    others = [person for person in PEOPLE if person != owner]
    found = {
        "nobody": {await site.word(actor, row) for actor in NOBODY},
        "owner": {await site.word(owner, row)},
        "others": {await site.word(actor, row) for actor in others},
        "another site": {await site.word(owner, row, origin=ELSEWHERE)},
        "left since": set(),
    }
    for leave in WAYS_TO_LEAVE:
        found["left since"].add(await site.word(owner, row, leave))
        assert not site.heard
        await database_sync_to_async(_come_back)(site.cast, owner)
    return found


def _come_back(cast: Cast, actor: str) -> None:
    cast.people[actor].save()
    cast.renew_session(actor)


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_what_is_heard_is_what_the_table_says(row: table.Row, site: Site) -> None:
    assert await words(site, row) == {column: {word} for column, word in row.words.items()}


@pytest.mark.parametrize("actor", ["anonymous", "disabled", "logged out", "other", "superuser"])
async def test_who_was_sent_away_is_not_heard(actor: str, site: Site) -> None:
    for row in ROWS:
        await site.word(actor, row)
        assert not site.heard, f"{row} by {actor}"


def test_every_message_and_every_address_has_its_line() -> None:
    field = ActionForm.base_fields["action"]
    actions = [str(name) for name, _ in field.choices]  # type: ignore[attr-defined]  # a choice field's
    assert not incompleteness([*actions, *FRAMES], {row.detail for row in ROWS}, "message")
    there = names(sockets.routes)  # type: ignore[arg-type]  # patterns, as those of pages
    assert not incompleteness(there, {row.name for row in ROWS}, "address")
