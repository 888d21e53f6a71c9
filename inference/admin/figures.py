"""What an engine's own metrics say of the moment, in the few figures that people look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one engine, or of one server by its address."""

    server: str
    running: int
    waiting: int
    cache_percent: int
    prefix_hit_percent: int | None
    """Of all prompt tokens so far, how many were found in the cache; None before the first prompt."""
    prompt_tokens: int
    written_tokens: int


def figures_of(metrics: str) -> list[Figures]:
    """One for each server, none where the engine tells nothing."""
    values: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    caches: dict[str, list[float]] = defaultdict(list)
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            server = sample.labels.get("server", "")
            values[server][sample.name.removeprefix("vllm:")] += sample.value
            if sample.name == "vllm:kv_cache_usage_perc":
                caches[server].append(sample.value)
    return [_figures(server, values[server], caches[server]) for server in sorted(values)]


def _figures(server: str, values: dict[str, float], caches: list[float]) -> Figures:
    asked = values["prefix_cache_queries_total"]
    return Figures(
        server=server,
        running=int(values["num_requests_running"]),
        waiting=int(values["num_requests_waiting"]),
        cache_percent=round(100 * max(caches, default=0.0)),
        prefix_hit_percent=round(100 * values["prefix_cache_hits_total"] / asked) if asked else None,
        prompt_tokens=int(values["prompt_tokens_total"]),
        written_tokens=int(values["generation_tokens_total"]),
    )
