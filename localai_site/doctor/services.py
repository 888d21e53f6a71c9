"""What the site talks to: its port, Redis, vLLM servers. Everything is on this machine or named by the settings."""

from __future__ import annotations

import socket

import httpx
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from inference.engines.served import served_model, without_password
from inference.errors import EngineFailedError
from localai_site.doctor.finding import Finding, Level, ok, problem, warning

ANSWER_SECONDS = 5.0
OLDEST_REDIS = 6


def port(number: int) -> Finding:
    """Free, or our own server's."""
    subject = f"Port {number}"
    try:
        socket.create_connection(("127.0.0.1", number), ANSWER_SECONDS).close()
    except OSError:
        return ok(subject, "free; LocalAI does not run there")
    host = next((name for name in settings.ALLOWED_HOSTS if not name.startswith(("*", "."))), "localhost")
    headers = {"Host": host, "X-Forwarded-Proto": "https" if settings.HTTPS else "http"}
    address = f"http://127.0.0.1:{number}/healthz"
    try:
        answer = httpx.get(address, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return problem(subject, "another program listens there", "Choose another port: make run PORT=8001")
    if answer.status_code != httpx.codes.OK or not answer.text.startswith("ok"):
        return problem(subject, "another server answers there", "Choose another port: make run PORT=8001")
    return ok(subject, "LocalAI answers")


def redis() -> Finding | None:
    """None where there is none."""
    if not settings.REDIS_URL:
        return None
    address = without_password(settings.REDIS_URL)
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        ) as client:
            version = str(client.info("server")["redis_version"])
    except (RedisError, ValueError, OSError) as error:
        reason = without_password(" ".join(str(error).split()))
        return problem("Redis", f"{address} cannot be used: {reason}", "Start it, or check REDIS_URL.")
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        return warning("Redis", f"{version} at {address} is old", f"Use version {OLDEST_REDIS} or newer.")
    return ok("Redis", f"{version} at {address}")


def vllm_servers() -> list[Finding]:
    """One for each; while another one is well, a dead one is no more than a warning."""
    if settings.ENGINE != "vllm-server":
        return []
    found = [_vllm_server(url) for url in settings.VLLM_SERVER_URL.split(",")]
    if any(finding.level is Level.OK for finding in found):
        return [warning(each.subject, each.text, each.fix) if each.fix else each for each in found]
    return found


def _vllm_server(url: str) -> Finding:
    key = settings.VLLM_SERVER_API_KEY
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        facts = served_model(url.rstrip("/").removesuffix("/v1"), headers, settings.MODEL_NAME, ANSWER_SECONDS)
    except EngineFailedError as error:
        return problem("vLLM server", str(error.reason), str(error.fix))
    return ok("vLLM server", f"{without_password(url)} serves {facts.model}")
