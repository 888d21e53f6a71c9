"""What browsers are told beside each answer, by the real server, as behind a proxy that speaks TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest
from django.test import RequestFactory

from localai_site import policy
from tests.conftest import NewSite
from tests.site.conftest import ScriptedSite
from tests.site_process import PASSWORD, SiteProcess
from tests.viewer import Person

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PATHS = {
    "/": 302,
    "/accounts/login/": 200,
    "/admin/": 302,
    "/api/docs": 200,
    "/api/openapi.json": 200,
    "/c/00000000-0000-0000-0000-000000000000/": 302,
    "/healthz": 200,
    "/metrics": 403,
    "/nothing/here": 404,
    "/readyz": 503,
    "/static/chat/nothing.css": 404,
    "/v1/models": 401,
    "/v1/nothing": 404,
}


@pytest.fixture(scope="module")
def secure_site(new_site: NewSite) -> Iterator[SiteProcess]:
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL="http://127.0.0.1:9", MODEL_NAME="demo", HTTPS="True")
    try:
        yield site.start()
    finally:
        site.stop()


@pytest.fixture
def visitor(secure_site: SiteProcess) -> Iterator[httpx.Client]:
    headers = {"X-Forwarded-Proto": "https", "Referer": secure_site.url.replace("http:", "https:")}
    with httpx.Client(base_url=secure_site.url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def check(response: httpx.Response) -> None:
    assert {name: response.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "Python" not in str(response.headers)
    assert len(response.headers.get_list("Cache-Control")) == 1


@pytest.mark.parametrize(("path", "status"), PATHS.items())
def test_every_answer_has_them(visitor: httpx.Client, path: str, status: int) -> None:
    response = visitor.get(path)
    assert response.status_code == status
    assert "no-store" in response.headers["Cache-Control"] or "no-cache" in response.headers["Cache-Control"]
    check(response)


def test_files_that_never_change_are_kept(visitor: httpx.Client) -> None:
    page = visitor.get("/accounts/login/")
    assert "max-age=31536000" in page.headers["Strict-Transport-Security"]
    address = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    response = visitor.get(address)
    assert response.status_code == 200
    assert "max-age=" in response.headers["Cache-Control"]
    check(response)


def test_what_fails_before_any_view_has_them(visitor: httpx.Client, secure_site: SiteProcess) -> None:
    for answer in (
        visitor.get("/", headers={"Host": "evil.invalid"}),
        visitor.post("/new/"),
        visitor.get("/", headers={"X-Forwarded-Proto": "http"}),
        visitor.post("/accounts/login/", content=b"x" * 30_000_000, headers={"Content-Type": "text/plain"}),
    ):
        assert answer.status_code in (301, 400, 403, 413)
        check(answer)


def test_downloads_are_for_the_disk(scripted_site: ScriptedSite) -> None:
    """A page that somebody wrote, imported or had the model write would otherwise be one of this site."""
    ann = Person(scripted_site.site)
    path = ann.new_conversation(scripted_site.site)
    with httpx.Client(base_url=scripted_site.site.url, headers=ann.headers, trust_env=False, timeout=30) as client:
        for address in (f"{path}export/markdown/", f"{path}export/json/", f"{path}export/harmony/", "/export/"):
            file = client.get(address)
            assert (address, file.status_code) == (address, 200)
            assert file.headers["Content-Disposition"].startswith("attachment; ")
            assert "html" not in file.headers["Content-Type"]
            check(file)


def test_streams_have_them(scripted_site: ScriptedSite) -> None:
    headers = {"Authorization": f"Bearer {scripted_site.key}"}
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with (
        httpx.Client(base_url=scripted_site.site.url, headers=headers, trust_env=False, timeout=30) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as stream,
    ):
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        check(stream)
        assert "[DONE]" in "".join(stream.iter_text())


def test_a_wrong_name_of_the_host_is_told_as_its_reader_reads(visitor: httpx.Client) -> None:
    page = visitor.get("/", headers={"Host": "evil.invalid"})
    assert (page.status_code, "evil" in page.text) == (400, False)
    assert "ALLOWED_HOSTS" in page.text
    for path in ("/v1/models", "/api/nothing"):
        for headers in ({}, {"Authorization": "Bearer x"}):
            told = visitor.get(path, headers={"Host": "evil.invalid", **headers})
            assert (told.status_code, told.json()["error"]["code"]) == (400, "bad_request")
            assert "ALLOWED_HOSTS" in told.json()["error"]["message"]


def test_too_much_at_once_is_told_with_what_to_do(visitor: httpx.Client) -> None:
    token = visitor.get("/accounts/login/").cookies["csrftoken"]
    headers = {"Cookie": f"csrftoken={token}"}
    told = visitor.post("/accounts/login/", data={"username": "x" * 3_000_000}, headers=headers)
    assert told.status_code == 413
    assert "send less of it" in told.text
    check(told)


def test_cookies_are_for_this_site_over_tls_alone(visitor: httpx.Client) -> None:
    token = visitor.get("/accounts/login/").cookies["csrftoken"]
    visitor.cookies.clear()  # it does not send them without TLS
    form = {"username": "ann", "password": PASSWORD, "csrfmiddlewaretoken": token}
    told = visitor.post("/accounts/login/", data=form, headers={"Cookie": f"csrftoken={token}"})
    assert told.status_code == 302
    cookies: SimpleCookie = SimpleCookie()
    for line in told.headers.get_list("Set-Cookie"):
        cookies.load(line)
    for cookie in (cookies["sessionid"], cookies["csrftoken"]):
        assert (bool(cookie["secure"]), cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert cookies["sessionid"]["httponly"]


@pytest.fixture(autouse=True)
def no_reports_before() -> None:
    policy._told.clear()


def report(body: bytes) -> int:
    sent = RequestFactory().post("/policy/report/", body, content_type="application/csp-report")
    return policy.report(sent).status_code


def test_what_a_browser_tells_of_a_broken_policy_is_a_line_without_words(caplog: pytest.LogCaptureFixture) -> None:
    told = {
        "document-uri": "http://localhost/search/?q=secret",
        "effective-directive": "img-src",
        "blocked-uri": "https://evil.invalid/secret\n" + "x" * 500,
        "script-sample": "secret",
    }
    assert report(json.dumps({"csp-report": told}).encode()) == 204
    (line,) = caplog.messages
    assert line == "A page of 'localhost' broke the policy: 'img-src' does not allow 'evil.invalid'."


@pytest.mark.parametrize(
    ("blocked", "shown"),
    [
        ("inline", "'inline'"),
        ("data", "'data'"),
        ("data:text/plain,secret", "'data'"),
        ("secret words", "something else"),
        ("https://evil.invalid/secret?secret", "'evil.invalid'"),
        ("https://" + "x" * 500, f"'{'x' * 60}'"),
        ({"secret": "words"}, "something else"),
        (None, "something else"),
    ],
)
def test_of_what_is_blocked_no_words_are_told(blocked: object, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    assert report(json.dumps({"csp-report": {"blocked-uri": blocked}}).encode()) == 204
    assert caplog.messages[0].endswith(f"does not allow {shown}.")


def test_of_very_many_reports_a_few_are_told(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        assert report(b'{"csp-report": {}}') == 204
    assert len(caplog.messages) == policy.REPORTS_AT_ONCE


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"csp-report": 1}', b"[" * 10_000, b'{"csp-report": null}', b"\xff"]
)
def test_what_is_no_report_is_refused(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert report(body) == 400
    assert not caplog.messages


def test_only_developers_have_reports(secure_site: SiteProcess, visitor: httpx.Client) -> None:
    assert "report" not in visitor.get("/accounts/login/").headers["Content-Security-Policy"]
    assert visitor.post("/policy/report/").status_code in (403, 404)
    code = (
        "from django.test import Client; c = Client(); "
        "print(c.get('/accounts/login/')['Content-Security-Policy'].partition('report-uri ')[2], "
        "c.post('/policy/report/', '{\"csp-report\": {}}', content_type='application/csp-report').status_code)"
    )
    done = secure_site.manage("shell", "-v0", "-c", code, DEBUG="True", HTTPS="False", ALLOWED_HOSTS="*")
    assert done.stdout.split() == ["/policy/report/", "204"], done.stderr
