"""Who is let in to the API, by key and by session; behind the site's own middleware."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.contrib.auth.models import User
from django.db import DatabaseError, connections
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from inference.api import auth
from inference.api.auth import authenticate
from inference.api.errors import ApiError
from inference.models import ApiKey, ApiKeyQuerySet
from tests.chat.conftest import until


@csrf_exempt
async def whoami(request: HttpRequest) -> HttpResponseBase:
    try:
        credentials = await authenticate(request)
    except ApiError as error:
        return error.response()
    return JsonResponse({"user": credentials.user.username, "key": credentials.key_id, "sent": request.body.decode()})


urlpatterns = [path("whoami", whoami)]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


@pytest.fixture
async def ann() -> AsyncIterator[User]:
    yield await User.objects.acreate(username="ann")
    await until(lambda: not auth._tasks)


@pytest.fixture
async def issued(ann: User) -> tuple[ApiKey, str]:
    return await sync_to_async(ApiKey.issue)(ann, "Editor")


@pytest.fixture
def program() -> AsyncClient:
    """Has neither session nor token; what Django would let a test pass is checked."""
    return AsyncClient(enforce_csrf_checks=True)


@pytest.fixture
async def browser(ann: User) -> AsyncClient:
    browser = AsyncClient(enforce_csrf_checks=True)
    await browser.aforce_login(ann)
    return browser


async def ask(client: AsyncClient, header: str | None = None, body: str = "{}", **headers: str) -> SimpleNamespace:
    """A POST of JSON; returns the answer's status, its body's fields and those of its error."""
    sent = headers if header is None else {"Authorization": header, **headers}
    response = await client.post("/whoami", body, content_type="application/json", headers=sent)
    answer = response.json()
    return SimpleNamespace(status=response.status_code, headers=response.headers, **answer, **answer.get("error", {}))


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   ", " Bearer "])
async def test_a_key_is_its_person(program: AsyncClient, issued: tuple[ApiKey, str], scheme: str) -> None:
    key, secret = issued
    answer = await ask(program, scheme + secret)
    assert (answer.status, answer.user, answer.key, answer.sent) == (200, "ann", key.pk, "{}")


async def test_a_key_costs_one_query(program: AsyncClient, issued: tuple[ApiKey, str]) -> None:
    await ApiKey.objects.aupdate(last_used_at=timezone.now())
    capture = CaptureQueriesContext(await sync_to_async(lambda: connections["default"])())
    await sync_to_async(capture.__enter__)()
    assert (await ask(program, f"Bearer {issued[1]}")).status == 200
    await sync_to_async(capture.__exit__)(None, None, None)
    assert len(capture) == 1, capture.captured_queries


@pytest.mark.parametrize(
    "changed",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"digest": "0" * 64},
    ],
)
async def test_a_key_that_no_longer_holds_is_refused(
    program: AsyncClient, issued: tuple[ApiKey, str], changed: dict[str, object]
) -> None:
    assert (await ask(program, f"Bearer {issued[1]}")).status == 200
    await ApiKey.objects.aupdate(**changed)
    answer = await ask(program, f"Bearer {issued[1]}")
    assert (answer.status, answer.code, answer.type) == (401, "invalid_api_key", "invalid_request_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Create a key" in answer.message
    assert issued[1] not in str(answer)


async def test_the_key_of_somebody_who_may_not_log_in_is_refused(
    program: AsyncClient, issued: tuple[ApiKey, str]
) -> None:
    await User.objects.aupdate(is_active=False)
    assert (await ask(program, f"Bearer {issued[1]}")).status == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer  ",
        "Basic YW5uOg==",
        "sk-alone",
        "Bearer schlüssel",
        "Bearer sk-\0",
        "Bearer " + "x" * 10_000,
    ],
)
async def test_a_header_that_is_no_key_is_told_so_even_with_a_session(
    program: AsyncClient, browser: AsyncClient, header: str
) -> None:
    for client in (program, browser):
        answer = await ask(client, header)
        assert (answer.status, answer.code) == (401, "invalid_api_key")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_who_sends_nothing_is_told_what_to_send(program: AsyncClient, ann: User) -> None:
    answer = await ask(program)
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert "Authorization: Bearer" in answer.message


async def test_a_session_reads_without_a_token(browser: AsyncClient) -> None:
    response = await browser.get("/whoami")
    assert (response.status_code, response.json()["user"], response.json()["key"]) == (200, "ann", None)


async def test_a_session_changes_nothing_without_a_token(browser: AsyncClient) -> None:
    token = "a" * 32
    refused = [await ask(browser)]
    browser.cookies["csrftoken"] = token
    refused += [await ask(browser), await ask(browser, **{"X-CSRFToken": "b" * 32})]
    refused += [await ask(browser, **{"X-CSRFToken": token, "Origin": "https://elsewhere.example"})]
    for answer in refused:
        assert (answer.status, answer.code) == (403, "csrf_failed")
        assert "X-CSRFToken" in answer.message
    allowed = await ask(browser, body='{"a": 1}', **{"X-CSRFToken": token, "Origin": "http://testserver"})
    assert (allowed.status, allowed.user, allowed.key, allowed.sent) == (200, "ann", None, '{"a": 1}')


async def test_a_token_in_a_forms_field_does_not_count_and_leaves_the_body_unread(browser: AsyncClient) -> None:
    token = "a" * 32
    browser.cookies["csrftoken"] = token
    form = {"csrfmiddlewaretoken": token}
    assert (await browser.post("/whoami", form)).status_code == 403
    assert (await browser.post("/whoami", form, headers={"X-CSRFToken": token})).status_code == 200


async def test_the_last_use_is_noted_once_a_minute(program: AsyncClient, issued: tuple[ApiKey, str]) -> None:
    key, secret = issued

    async def use() -> None:
        assert (await ask(program, f"Bearer {secret}")).status == 200
        await until(lambda: not auth._tasks)
        await key.arefresh_from_db()

    await use()
    first = key.last_used_at
    assert first is not None
    await use()
    assert key.last_used_at == first
    for seconds, is_noted in ((50, False), (70, True)):
        before = timezone.now() - timedelta(seconds=seconds)
        await ApiKey.objects.aupdate(last_used_at=before)
        await use()
        assert key.last_used_at is not None
        assert (key.last_used_at > before) == is_noted


async def test_of_many_at_once_one_writes(issued: tuple[ApiKey, str]) -> None:
    key, _ = issued
    await sync_to_async(auth._write_use)(key.pk)
    await key.arefresh_from_db()
    first = key.last_used_at
    await sync_to_async(auth._write_use)(key.pk)
    await key.arefresh_from_db()
    assert key.last_used_at == first


async def test_a_request_does_not_wait_for_its_note_nor_fail_with_it(
    program: AsyncClient,
    issued: tuple[ApiKey, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    is_answered = threading.Event()

    def refuse(*_: object, **__: object) -> int:
        assert is_answered.wait(10), "the request waited"
        raise DatabaseError("locked")

    monkeypatch.setattr(ApiKeyQuerySet, "update", refuse)
    monkeypatch.setattr(auth.logger, "propagate", True)
    async with ThreadSensitiveContext():  # as a server gives each request its own thread
        assert (await ask(program, f"Bearer {issued[1]}")).status == 200
        await sync_to_async(connections.close_all)()  # that thread's, as a server does at a request's end
    is_answered.set()
    await until(lambda: not auth._tasks)
    assert "The use of an API key could not be noted." in caplog.text
    assert "the request waited" not in caplog.text
