"""One cell of the table: somebody asks, and what they were told and what it wrote is looked at; then it is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, override_settings

from tests.access.cast import Cast
from tests.access.examples import CASES, body_of, url_of
from tests.access.table import Row

REFUSED = ("log in", "401", "403", "404", "405")
NEEDS_ENGINE = ("/readyz", "/c/<pk>/prompt/", "/api/generate", "/v1/chat/completions", "/v1/responses")
"""There is none here: whoever hears so was let in."""
LOG_IN = ("/accounts/login/", "/admin/login/")
WRITES = ("INSERT", "UPDATE", "DELETE")
OF_EVERY_VISIT = '"django_session"'

Context = dict[str, CursorWrapper]

_client = Client(enforce_csrf_checks=True, raise_request_exception=False)
"""One for all: its middleware is loaded once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    word: str
    """As in the table: yes, log in, or the status of a refusal."""
    writes: tuple[str, ...]
    """The database's tables in which something changed."""
    body: bytes

    @property
    def is_refusal(self) -> bool:
        return self.word in REFUSED


def visit(
    cast: Cast,
    actor: str,
    method: str,
    address: str,
    case: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, object] | None = None,
) -> Outcome:
    """`headers` and `form` are sent in place of the usual ones."""
    circumstances = CASES[case]
    sent = dict(cast.headers(actor) if headers is None else headers) | dict(circumstances.headers)
    with _undone(), override_settings(**circumstances.settings):
        circumstances.prepare(cast)
        url = url_of(address, case, cast)
        body = {} if method in ("GET", "HEAD") else body_of(address, case, cast, form)
        _client.cookies = SimpleCookie(cast.cookies(actor))
        with _writes() as writes:
            response = getattr(_client, method.lower())(url, **body, headers=sent, REMOTE_ADDR=circumstances.network)
            content = async_to_sync(_read)(response) if response.streaming else response.content
    return Outcome(_word(response, address), tuple(writes), content)


def disagreements(cast: Cast, row: Row, actors: Mapping[str, Sequence[str]]) -> list[str]:
    """What is not as the table says; `actors` are those who ask for a column."""
    wrong = []
    for method in row.detail.split():
        for column, word in row.words.items():
            for actor in actors[column]:
                outcome = visit(cast, actor, method, row.name, row.case)
                if outcome.word != word:
                    wrong.append(f"{method} {row.name} by {actor}: {outcome.word}; the table says {word}")
                if outcome.is_refusal and outcome.writes:
                    wrong.append(f"{method} {row.name} by {actor}: refused, and yet it wrote {outcome.writes}")
    return wrong


def _word(response: HttpResponse, address: str) -> str:
    if response.status_code in (301, 302):
        return "log in" if urlsplit(response["Location"]).path in LOG_IN else "yes"
    is_without_engine = response.status_code == 503 and address in NEEDS_ENGINE
    return "yes" if response.status_code < 300 or is_without_engine else str(response.status_code)


async def _read(response: StreamingHttpResponse) -> bytes:
    return b"".join([piece async for piece in response])


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def _writes() -> Iterator[list[str]]:
    writes: list[str] = []

    def note(execute: Callable[..., object], sql: str, parameters: object, many: bool, context: Context) -> object:
        done = execute(sql, parameters, many, context)
        has_changed = sql.startswith("INSERT") or context["cursor"].rowcount  # it is 0 until what returns is fetched
        if sql.startswith(WRITES) and OF_EVERY_VISIT not in sql and has_changed:
            writes.append(sql.split('"')[1])
        return done

    with connection.execute_wrapper(note):
        yield writes
