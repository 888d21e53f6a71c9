"""Who may read the metrics, and that they are what Prometheus understands."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from inference.admin.figures import figures_of
from inference.engines.exposition import merged
from inference.errors import BusyError, EngineNotReadyError
from inference.metrics import REGISTRY, count_refusal
from inference.models import Source
from inference.supervisor import Supervisor
from tests.inference.test_supervisor import ScriptedEngine

STRANGER = {"REMOTE_ADDR": "203.0.113.9"}
PROXIED = [
    {"HTTP_X_FORWARDED_FOR": "203.0.113.9"},
    {"HTTP_X_FORWARDED_PROTO": "https"},
    {"HTTP_FORWARDED": "for=203.0.113.9"},
    {"HTTP_X_REAL_IP": "203.0.113.9"},
    {"HTTP_VIA": "1.1 proxy"},
]
TOKEN = {"HTTP_AUTHORIZATION": "Bearer watch-1"}

SERVED = """# HELP vllm:num_requests_running Number of requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 2.0
vllm:num_requests_running{engine="1"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0"} 4.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0"} 0.1
vllm:kv_cache_usage_perc{engine="1"} 0.52
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0"} 200.0
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0"} 50.0
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0"} 1234.0
# TYPE process_open_fds gauge
process_open_fds 7.0
"""


@pytest.fixture
def watched(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """Of an engine that is stopped; a token is set."""
    supervisor = Supervisor(ScriptedEngine())
    for module in ("health", "scrape", "metrics", "limits"):
        monkeypatch.setattr(f"inference.{module}.get_supervisor", lambda: supervisor)
    settings.METRICS_TOKEN = "watch-1"
    return supervisor


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "::ffff:127.0.0.1"}, 200),
        (STRANGER, 403),
        ({"REMOTE_ADDR": ""}, 403),
        *[(headers, 403) for headers in PROXIED],
        (STRANGER | TOKEN, 200),
        (PROXIED[0] | TOKEN, 200),
        (STRANGER | {"HTTP_AUTHORIZATION": "bearer watch-1"}, 200),
        (STRANGER | {"HTTP_AUTHORIZATION": "Bearer watch-2"}, 403),
        ({"HTTP_AUTHORIZATION": "Bearer wätch-1"}, 403),
        (STRANGER | {"HTTP_AUTHORIZATION": "Basic watch-1"}, 403),
    ],
)
def test_only_watchers_read_the_metrics_and_why_the_engine_is_not_ready(
    client: Client, watched: Supervisor, sent: dict[str, str], status: int
) -> None:
    response = client.get("/metrics", **sent)  # type: ignore[arg-type]  # the stubs know no headers here
    assert response.status_code == status
    assert (b"localai_gate_width" in response.content) == (status == 200)
    assert (b"METRICS_TOKEN" in response.content) == (status == 403)
    ready = client.get("/readyz", **sent)  # type: ignore[arg-type]
    assert ready.status_code == 503
    assert (ready.json() == {"state": "stopped"}) == (status == 403)
    assert client.get("/healthz", **sent).content == b"ok\n"  # type: ignore[arg-type]


def test_networks_can_be_named_and_closed(client: Client, watched: Supervisor, settings: Settings) -> None:
    settings.METRICS_NETWORKS, settings.METRICS_TOKEN = [ip_network("203.0.113.0/24")], ""
    assert client.get("/metrics", **STRANGER).status_code == 200  # type: ignore[arg-type]
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 403
    assert client.post("/metrics").status_code == 405


def test_the_engines_own_metrics_follow_ours_while_it_runs(client: Client, watched: Supervisor) -> None:
    assert "vllm:" not in client.get("/metrics").content.decode()
    watched.start_in_background()
    watched.wait_ready(10)
    text = client.get("/metrics").content.decode()
    watched.stop()
    families = list(text_string_to_metric_families(text))
    samples = {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}
    assert samples["vllm:num_requests_running",] == 1
    assert samples["localai_engine_state", "ready"] == 1
    assert sum(value for key, value in samples.items() if key[0] == "localai_engine_state") == 1
    assert samples["localai_engine_starts_total",] == 1
    assert samples["process_resident_memory_bytes",] > 2**20
    assert len({each.name for each in families}) == len(families)


def test_refusals_are_counted_by_the_errors_name() -> None:
    def count(reason: str) -> float:
        labels = {"source": "generate", "reason": reason}
        return REGISTRY.get_sample_value("localai_refusals_total", labels) or 0.0

    before = count("busy"), count("engine_not_ready")
    count_refusal(Source.GENERATE, BusyError())
    count_refusal(Source.GENERATE, EngineNotReadyError("Not yet."))
    assert (count("busy"), count("engine_not_ready")) == (before[0] + 1, before[1] + 1)


def test_several_servers_are_told_apart_and_only_vllms_own_is_kept() -> None:
    text = merged({"http://one": SERVED, "http://two": SERVED, "http://broken": "{} {{ no metrics"})
    families = list(text_string_to_metric_families(text))
    assert {family.name.partition(":")[0] for family in families} == {"vllm"}
    assert len({family.name for family in families}) == len(families)
    running = next(family for family in families if family.name == "vllm:num_requests_running")
    assert [sample.labels["server"] for sample in running.samples] == ["http://one"] * 2 + ["http://two"] * 2
    assert (running.type, running.documentation) == ("gauge", "Number of requests.")


def test_figures_are_of_each_server() -> None:
    one, two = figures_of(merged({"http://one": SERVED, "http://two": 'vllm:num_requests_running{engine="0"} 5\n'}))
    assert (one.server, one.running, one.waiting) == ("http://one", 3, 4)
    assert (one.cache_percent, one.prefix_hit_percent, one.written_tokens) == (52, 25, 1234)
    assert (two.server, two.running, two.prefix_hit_percent) == ("http://two", 5, None)
    assert figures_of("") == []
