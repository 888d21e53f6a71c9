"""Somebody with a browser of their own making: logged in, with the site's tokens, and no manners."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from tests.document import Element, parsed
from tests.hostile.pages import check
from tests.site_process import PASSWORD, SiteProcess

Fields = Mapping[str, str]
File = tuple[str, bytes, str]


class Visitor:
    """Every response is checked, see `pages.check`. Without a name nobody is logged in."""

    def __init__(self, site: SiteProcess, name: str = "") -> None:
        self._client = httpx.Client(base_url=site.url, trust_env=False, timeout=30)
        self._client.get("/accounts/login/")
        if name:
            answer = self.post("/accounts/login/", {"username": name, "password": PASSWORD})
            assert answer.status_code == httpx.codes.FOUND, answer.text

    def close(self) -> None:
        self._client.close()

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._client.cookies)

    @property
    def _token(self) -> dict[str, str]:
        return {"X-CSRFToken": self._client.cookies["csrftoken"]}

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Fields | None = None,
        fields: Fields | None = None,
        headers: Fields | None = None,
    ) -> httpx.Response:
        sent = {**self._token, **(headers or {})}
        return check(self._client.request(method, path, params=query, data=fields, headers=sent))

    def get(self, path: str, query: Fields | None = None) -> httpx.Response:
        return self.request("GET", path, query=query)

    def post(self, path: str, fields: Fields) -> httpx.Response:
        return self.request("POST", path, fields=fields)

    def upload(self, path: str, file: File) -> httpx.Response:
        return check(self._client.post(path, files={"file": file}, headers=self._token))

    def page(self, path: str, query: Fields | None = None) -> Element:
        """A page that is there."""
        response = self.get(path, query)
        assert response.status_code == httpx.codes.OK, response.text
        return parsed(response.text)

    def new_conversation(self) -> str:
        """Its path."""
        return self.post("/new/", {}).headers["location"]
