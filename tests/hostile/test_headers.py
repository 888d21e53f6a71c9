"""Headers and request lines that no browser sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.conftest import HostedSite
from tests.hostile.examples import hostile
from tests.hostile.pages import check
from tests.hostile.texts import texts
from tests.hostile.visitor import Visitor
from tests.hostile.wire import exchange

PATHS = [
    b"/",
    b"/settings/",
    b"/search/?q=a",
    b"/accounts/login/?next=/",
    b"/admin/",
    b"/v1/models",
    b"/export/",
    b"/static/x",
]
NAMES = """
    Host Origin Referer Cookie Accept Accept-Language Accept-Encoding Accept-Charset Content-Type Content-Encoding
    Authorization If-Match If-None-Match If-Modified-Since If-Unmodified-Since If-Range Range Expect Upgrade
    Connection Transfer-Encoding TE X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Real-IP
    Forwarded Via X-HTTP-Method-Override X-Method X-CSRFToken X-Request-ID X-Requested-With HX-Request
    HX-Current-URL HX-Target HX-Trigger HX-Prompt HX-Boosted HX-History Sec-WebSocket-Key Sec-WebSocket-Version
    Sec-WebSocket-Protocol Sec-Fetch-Site User-Agent Date Cache-Control DNT Max-Forwards
""".split()
VALUES = """
    * */* text/html text/event-stream;q=x gzip;q=nan,br;q=-1 identity;q=0 de,en;q=0.5 en;q=1e999 xx-XX-XX-XX-XX-XX
    bytes=0-0 bytes=-1 bytes=9-1,0- bytes=0-,0-,0- W/"x" "x","y" Bearer Bearer~x Basic~Og== Bearer~sk-x
    localhost:99999 localhost:x [::1 [::1]:x localhost. LOCALHOST localhost,localhost evil.invalid@localhost
    localhost@evil.invalid https://localhost null http://[ http://a]b https 100-continue websocket h2c trailers
    sessionid=x; sessionid="\\"; csrftoken= =;=;; __Host-x=y unix:/ 127.0.0.1,::1,x
    Thu,~01~Jan~1970~00:00:00~GMT Thu,~99~Xxx~99999~99:99:99~GMT
""".split()  # fmt: skip
CHARSETS = """
    utf-7 utf-16 utf-32 latin-1 cp037 idna punycode unicode_escape raw_unicode_escape base64 rot13 hex zlib bz2 uu
    mbcs undefined utf-8-sig big5hkscs none "" ' a"b utf-8;utf-16 utf8 UTF_8 a\0b \xff
""".split()

values = st.sampled_from(VALUES).map(lambda value: value.replace("~", " ").encode()) | texts.map(
    lambda text: text[:4000].encode().replace(b"\r\n", b"\r\n ")
)
lines = st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode), values), min_size=1, max_size=4)
targets = st.sampled_from(PATHS) | texts.map(lambda text: b"/" + text[:300].encode().replace(b" ", b"%20"))


def cookie(person: Visitor) -> bytes:
    return "; ".join(f"{name}={value}" for name, value in person.cookies.items()).encode()


def request(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> bytes:
    """Those that are needed stand last, where most readers take them from."""
    names = {name.lower() for name, _value in headers}
    needed = [(b"Connection", b"close"), (b"Content-Length", b"%d" % len(body))]
    needed += [] if b"host" in names else [(b"Host", b"localhost")]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in headers + needed)
    return method + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body


@hostile(300)
@given(target=targets, headers=lines)
def test_headers(hosted: HostedSite, ann: Visitor, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    response = exchange(hosted.site, request(b"GET", target, [(b"Cookie", cookie(ann)), *headers]))

    if response is not None:
        check(response)


@pytest.mark.parametrize(
    "path", ["/settings/theme/", "/import/", "/search/?q=%FF", "/accounts/login/", "/v1/responses"]
)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "text/html"])
def test_character_sets(hosted: HostedSite, ann: Visitor, path: str, kind: str) -> None:
    parts = b'--b\r\nContent-Disposition: form-data; name="theme"\r\n\r\n\\ud800 \xff+AD0 \xed\xa0\x80\r\n--b--\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff\\ud800\0/../x"\r\n\r\n[]\r\n'
    for charset in CHARSETS:
        headers = [
            (b"Cookie", cookie(ann)),
            (b"X-CSRFToken", ann.cookies["csrftoken"].encode()),
            (b"Content-Type", f"{kind}; charset={charset}".encode("latin-1")),
        ]
        for body in (file + parts, b"theme=%FF%ud800&\xff=\x00", b"", b"--b", b"--b\r\n\r\n\r\n--b--"):
            response = exchange(hosted.site, request(b"POST", path.encode(), headers, body))
            assert response is not None, charset
            check(response)


REQUEST_LINES = [
    b"GET", b"GET /", b"GET / HTTP/9.9", b"GET  /  HTTP/1.1", b"\x00 / HTTP/1.1", b"G\xffT / HTTP/1.1",
    b"GET /\xff HTTP/1.1",
    b"GET /%FF%FE HTTP/1.1", b"GET /%00 HTTP/1.1", b"GET /%ZZ% HTTP/1.1", b"GET //evil.invalid/ HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET http://evil.invalid/ HTTP/1.1", b"GET http://[ HTTP/1.1", b"CONNECT evil.invalid:443 HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"GET /../../../../etc/passwd HTTP/1.1", b"GET /static/../../../../etc/passwd HTTP/1.1", b"GET ?q HTTP/1.1",
    b"GET /static/%2e%2e/%2e%2e/manage.py HTTP/1.1", b"GET /static/%00 HTTP/1.1", b"GET /static/\\..\\x HTTP/1.1",
    b"get / HTTP/1.1",
    b"GET /?" + b"&" * 5_000 + b" HTTP/1.1", b"GET /?" + b"a=&" * 3_000 + b" HTTP/1.1",
    b"GET /search/?q=%ED%A0%80 HTTP/1.1",
    b"GET /" + b"a" * 15_000 + b" HTTP/1.1", b"GET /" + b"a" * 100_000 + b" HTTP/1.1", b"A" * 5_000 + b" / HTTP/1.1",
    b"GET /c/%0d%0aX-Planted:%201/ HTTP/1.1", b"GET /accounts/login/?next=%0d%0aX-Planted:%201 HTTP/1.1",
    b"GET /#x HTTP/1.1",
    b"GET /accounts/login/?next=//evil.invalid HTTP/1.1", b"GET /accounts/login/?next=http://[ HTTP/1.1",
    b"GET /;x HTTP/1.1",
    b"GET /search?q=%0d%0aX-Planted:1 HTTP/1.1", b"GET /%0aSet-Cookie:planted=1/search HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00",
]  # fmt: skip


@pytest.mark.parametrize("line", REQUEST_LINES, ids=lambda line: ascii(line[:60]))
def test_request_lines(hosted: HostedSite, ann: Visitor, line: bytes) -> None:
    head = b"\r\nHost: localhost\r\nConnection: close\r\nCookie: " + cookie(ann) + b"\r\n\r\n"
    response = exchange(hosted.site, line + head, patience_seconds=1)

    if response is not None:
        check(response)


LENGTHS = [b"-1", b"abc", b"1e3", b"0x10", b"5, 5", b"5\r\nContent-Length: 6", b"", b"+5", b"9" * 400, b"1_0", b" 2 "]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("encoding", [b"", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x, chunked\r\n"])
def test_lengths(hosted: HostedSite, length: bytes, encoding: bytes) -> None:
    line = b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: "
    response = exchange(hosted.site, line + length + b"\r\n" + encoding + b"\r\nzz\r\n{}", patience_seconds=0.3)

    if response is not None:
        check(response)
