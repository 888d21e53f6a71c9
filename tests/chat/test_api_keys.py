"""The page of API keys: create, see once, revoke; with htmx and as plain forms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from chat.models import Conversation
from inference.models import MAX_KEYS, ApiKey
from tests.chat.conftest import PASSWORD
from tests.document import Element, parsed

PAGE = "/settings/api-keys/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """A request leaves its language behind in this thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def page(client: Client, ann: User) -> Client:
    """Ann's browser."""
    client.force_login(ann)
    return client


@pytest.fixture
def key(ann: User) -> ApiKey:
    return ApiKey.issue(ann, "Editor")[0]


def html_of(client: Client, url: str = PAGE) -> str:
    return client.get(url).content.decode()


def secrets_on(document: Element) -> list[str]:
    return [field.attributes["value"] for field in document.where("id", "api-key-secret")]


def revocation(key: ApiKey) -> str:
    return f"{PAGE}{key.pk}/revoke/"


def test_without_keys_the_page_says_what_they_are_for_and_where_the_api_is(page: Client) -> None:
    html = html_of(page)
    assert "You have no keys yet." in html
    assert "another program uses the model" in html
    assert 'value="http://testserver/v1"' in html
    assert f'href="{PAGE}"' in html_of(page, "/settings/")


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_new_key_is_shown_once(page: Client, ann: User, headers: dict[str, str]) -> None:
    response = page.post(PAGE, {"name": " Editor  on the <laptop>", "days": ""}, headers=headers)
    html = response.content.decode()
    (secret,) = secrets_on(parsed(html) if headers else parsed(html.partition("<main>")[2].partition("</main>")[0]))
    key = ApiKey.objects.for_user(ann).usable().with_secret(secret).get()
    assert (key.name, key.expires_at) == ("Editor on the <laptop>", None)
    assert "it is not shown again" in html
    assert html.startswith("<section") == bool(headers)
    again = html_of(page)
    assert secret not in again
    assert "Editor on the &lt;laptop&gt;" in again
    assert f"{secret[:7]}…" in again
    assert "Never used" in again


def test_no_cache_keeps_the_page(page: Client) -> None:
    for response in (page.get(PAGE), page.post(PAGE, {"name": "Editor"})):
        assert "no-store" in response["Cache-Control"]
    assert 'hx-history="false"' in response.content.decode()


@pytest.mark.parametrize("days", [30, 90, 365])
def test_a_key_expires_when_it_was_told_to(page: Client, days: int) -> None:
    page.post(PAGE, {"name": "Editor", "days": str(days)})
    key = ApiKey.objects.get()
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)
    assert "Expires on" in html_of(page)


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"name": " ", "days": "30"}, "This field is required."),
        ({"name": "x" * 81, "days": "30"}, "at most 80 characters"),
        ({"name": "a\0b", "days": "30"}, "Null characters are not allowed"),
        ({"name": "Kept", "days": "31"}, "31 is not one of the available choices"),
    ],
)
def test_what_is_refused_is_told_and_kept(
    page: Client, headers: dict[str, str], data: dict[str, str], told: str
) -> None:
    response = page.post(PAGE, data, headers=headers)
    html = response.content.decode()
    assert response.status_code == 422
    assert told in html
    assert "autofocus" in html
    assert (f'value="{data["name"]}"' in html) or ('value="30" selected' in html)
    assert "api-key-secret" not in html
    assert not ApiKey.objects.exists()


def test_there_is_an_end_to_keys(page: Client, ann: User, bob: User) -> None:
    ApiKey.objects.bulk_create(ApiKey(user=ann, name=f"Key {number}", digest=str(number)) for number in range(MAX_KEYS))
    response = page.post(PAGE, {"name": "One more"})
    assert response.status_code == 422
    assert "There are 50 keys already" in response.content.decode()
    assert 'value="One more"' in response.content.decode()
    assert ApiKey.objects.count() == MAX_KEYS
    ApiKey.objects.filter(name="Key 7").get().revoke()
    assert page.post(PAGE, {"name": "One more"}).status_code == 200
    page.force_login(bob)
    assert page.post(PAGE, {"name": "Bob's"}).status_code == 200


def test_the_list_tells_of_use_and_expiry(page: Client, key: ApiKey) -> None:
    ApiKey.objects.update(
        last_used_at=timezone.now() - timedelta(minutes=5, seconds=1), expires_at=timezone.now() - timedelta(days=1)
    )
    html = html_of(page)
    assert "Last used: 5\xa0minutes ago" in html
    assert "Expired on" in html
    assert f'<li id="api-key-{key.pk}" class="expired">' in html


def test_a_revoked_key_leaves_the_list_and_is_kept(page: Client, key: ApiKey) -> None:
    html = page.post(revocation(key), follow=True).content.decode()
    assert "The key “Editor” is revoked." in html
    assert f"api-key-{key.pk}" not in html
    key.refresh_from_db()
    first = key.revoked_at
    assert first is not None
    html = page.post(revocation(key), headers=HTMX).content.decode()
    assert html.startswith("<section")
    assert "The key “Editor” is revoked." in html
    key.refresh_from_db()
    assert key.revoked_at == first


def test_a_key_of_somebody_else_does_not_exist(page: Client, bob: User) -> None:
    key = ApiKey.issue(bob, "Bob's")[0]
    assert page.post(revocation(key)).status_code == 404
    assert page.post(f"{PAGE}{2**70}/revoke/").status_code == 404
    assert "Bob" not in html_of(page)
    key.refresh_from_db()
    assert key.revoked_at is None


def test_who_is_not_logged_in_has_no_keys(client: Client, key: ApiKey) -> None:
    for url in (PAGE, revocation(key)):
        anonymous = client.post(url, {"name": "Editor"})
        assert anonymous["Location"].startswith("/accounts/login/")
        response = client.post(anonymous["Location"], {"username": "ann", "password": PASSWORD}, follow=True)
        assert response.status_code == 200
        client.logout()
    assert ApiKey.objects.unrevoked().count() == 1


def test_other_methods_are_refused(page: Client, key: ApiKey) -> None:
    assert page.get(revocation(key)).status_code == 405
    assert page.put(PAGE).status_code == 405


def test_forms_without_a_token_are_refused(ann: User, key: ApiKey) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ann)
    for url in (PAGE, revocation(key)):
        assert browser.post(url, {"name": "Editor"}).status_code == 403
    assert ApiKey.objects.unrevoked().count() == 1


def test_one_gets_back_to_the_conversation(page: Client, conversation: Conversation, key: ApiKey) -> None:
    query = f"?back={conversation.pk}"
    assert f'href="{PAGE}{query}"' in html_of(page, f"/settings/{query}")
    html = html_of(page, PAGE + query)
    assert f'href="/settings/{query}"' in html
    assert f'action="{revocation(key)}{query}"' in html
    assert page.post(revocation(key) + query)["Location"] == PAGE + query
