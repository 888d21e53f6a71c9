"""A logged-in person without a browser: plain requests over one connection."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import httpx

from tests.site_process import PASSWORD, SiteProcess

TIMEOUT_SECONDS = 60


class Visitor:
    def __init__(self, site: SiteProcess, name: str = "ann") -> None:
        self._site = site
        self.client = httpx.Client(base_url=site.url, trust_env=False, timeout=TIMEOUT_SECONDS)
        self.client.get("/accounts/login/")
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": self.client.cookies["csrftoken"]}
        if self.client.post("/accounts/login/", data=form).status_code != httpx.codes.FOUND:
            raise RuntimeError("The person was not let in.")

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._checked(self.client.get(path, headers=headers))

    def post(self, path: str, **fields: str) -> httpx.Response:
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], "Referer": self._site.url}
        return self._checked(self.client.post(path, data=fields, headers=headers))

    def newest(self) -> str:
        """The path of the conversation that the site opens with."""
        return self.get("/").headers["location"]

    def new_conversation(self) -> str:
        """The path of an empty one."""
        return urlsplit(self.post("/new/").headers["location"]).path

    def socket_of(self, path: str) -> tuple[str, dict[str, str]]:
        """The address that the page at this path opens a socket to, and the headers that go with it."""
        (address,) = re.findall(r'ws-connect="([^"]+)"', self.get(path).text)
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        return f"{self._site.url}{html.unescape(address)}", {"Origin": self._site.url, "Cookie": cookies}

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_error:
            raise RuntimeError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")
        return response
