"""What a vLLM server says it serves; asking is also how to learn whether it is well."""

from __future__ import annotations

import re
import ssl
from functools import cache
from typing import TYPE_CHECKING

import httpx
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.engine import EngineFacts
from inference.errors import EngineFailedError

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

CONNECT_SECONDS = 5.0


@cache
def authorities() -> ssl.SSLContext:
    """Whom a server's certificate must come from. Loading them takes 13 ms: as long as everything else together."""
    return httpx.create_ssl_context()


def without_password(url: str) -> str:
    """The address as it may be shown."""
    return re.sub(r"//[^/@]*@", "//", url)


def served_model(url: str, headers: dict[str, str], configured: str, timeout_seconds: float) -> EngineFacts:
    """Ask the server for its models and return the one to use; blocks. Raises EngineFailedError."""
    where = format_lazy(_("The vLLM server at {address}"), address=without_password(url))
    try:
        response = httpx.get(
            f"{url}/v1/models",
            headers=headers,
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            trust_env=False,
            verify=authorities(),
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:  # the settings
        raise EngineFailedError(
            format_lazy(_("{where} cannot be asked: {error}"), where=where, error=error),
            _("Check VLLM_SERVER_URL and VLLM_SERVER_API_KEY."),
        ) from error
    except httpx.ReadTimeout as error:  # the server: it hangs, or has far too much to do
        raise EngineFailedError(
            format_lazy(
                _("{where} does not answer within {seconds:.0f} s."),
                where=where,
                seconds=timeout_seconds,
            ),
            _("Look at its log; restart it if it hangs."),
        ) from error
    except httpx.HTTPError as error:  # the server or the network
        raise EngineFailedError(
            format_lazy(
                _("{where} cannot be reached: {error}."), where=where, error=str(error) or type(error).__name__
            ),
            _("Start it, or check VLLM_SERVER_URL."),
        ) from error
    if response.status_code in (401, 403):
        raise EngineFailedError(
            format_lazy(_("{where} refuses the key."), where=where), _("Check VLLM_SERVER_API_KEY.")
        )
    if response.status_code != httpx.codes.OK:
        raise EngineFailedError(
            format_lazy(
                _("{where} answers {status_code} to /v1/models."), where=where, status_code=response.status_code
            ),
            _("Check VLLM_SERVER_URL: is it a vLLM server?"),
        )
    return _chosen(_models(response, where), configured, where)


def _models(response: httpx.Response, where: Text) -> dict[str, int | None]:
    """Return the names of the served models and their lengths."""
    try:
        models = {str(each["id"]): each.get("max_model_len") for each in response.json()["data"]}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EngineFailedError(
            format_lazy(_("{where} does not answer like a vLLM server."), where=where), _("Check VLLM_SERVER_URL.")
        ) from error
    return {name: length if isinstance(length, int) else None for name, length in models.items()}


def _chosen(models: dict[str, int | None], configured: str, where: Text) -> EngineFacts:
    if configured in models:
        return EngineFacts(configured, models[configured])
    if len(models) == 1:
        ((name, length),) = models.items()
        return EngineFacts(name, length)
    served = ", ".join(models) or _("none")
    raise EngineFailedError(
        format_lazy(_("{where} does not serve {configured}."), where=where, configured=configured),
        format_lazy(_("Set MODEL_NAME to a model it serves: {served}."), served=served),
    )
