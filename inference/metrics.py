"""What this process counts for Prometheus. Knows no person: labels are sources, outcomes, reasons and states."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from inference.errors import InferenceError
from inference.gate import get_gate
from inference.limits import model_name
from inference.models import Source, UsageRecord
from inference.request import CUT_OFF, Outcome
from inference.status import STATE_NAMES
from inference.supervisor import get_supervisor

REGISTRY = CollectorRegistry()

GENERATIONS = Counter(
    "localai_generations", "Generations that ended, by source and outcome.", ["source", "outcome"], registry=REGISTRY
)
TOKENS = Counter("localai_tokens", "Tokens, by what they were for.", ["kind"], registry=REGISTRY)
FIRST_TOKEN = Histogram(
    "localai_first_token_seconds",
    "From the request to the engine to its first token.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120),
    registry=REGISTRY,
)
DURATION = Histogram(
    "localai_generation_seconds",
    "From the request to the engine to the end.",
    ["source"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600),
    registry=REGISTRY,
)
REFUSALS = Counter(
    "localai_refusals",
    "What was refused before anything was generated, by source and reason.",
    ["source", "reason"],
    registry=REGISTRY,
)
ProcessCollector(registry=REGISTRY)
disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series began interests nobody here

# A series that begins with its first event would hide that event from a rate.
for _source in Source:
    DURATION.labels(_source.value)
    REFUSALS.labels(_source.value, "busy")
    for _outcome in (*Outcome, CUT_OFF):
        GENERATIONS.labels(_source.value, str(_outcome))
for _kind in ("prompt", "thinking", "answer"):
    TOKENS.labels(_kind)


def count_generation(record: UsageRecord) -> None:
    GENERATIONS.labels(record.source, record.outcome).inc()
    TOKENS.labels("prompt").inc(record.prompt_tokens)
    TOKENS.labels("thinking").inc(record.thinking_tokens)
    TOKENS.labels("answer").inc(record.answer_tokens)
    DURATION.labels(record.source).observe(record.total_seconds)
    if record.first_token_seconds is not None:
        FIRST_TOKEN.observe(record.first_token_seconds)


def count_refusal(source: Source, error: InferenceError) -> None:
    """The reason is the error's own name: BusyError is `busy`, EngineNotReadyError `engine_not_ready`."""
    name = type(error).__name__.removesuffix("Error")
    REFUSALS.labels(source.value, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()).inc()


class _Now:
    """What is looked up when somebody asks."""

    def describe(self) -> Iterable[Metric]:
        return []  # without it, the registry would look everything up to learn the names

    def collect(self) -> Iterator[Metric]:
        gate, supervisor = get_gate(), get_supervisor()
        yield GaugeMetricFamily("localai_gate_held", "Generations that hold the gate.", gate.held)
        yield GaugeMetricFamily("localai_gate_width", "Generations that may hold it at once.", gate.width)
        starts = supervisor.history.starts
        yield CounterMetricFamily("localai_engine_starts", "Times that the engine became ready.", starts)
        states = GaugeMetricFamily("localai_engine_state", "1 for the state that the engine is in.", labels=["state"])
        for state in STATE_NAMES:
            states.add_metric([state], float(state == supervisor.status.state))
        yield states
        build = GaugeMetricFamily("localai_build_info", "Always 1.", labels=["version", "python", "engine", "model"])
        build.add_metric([settings.VERSION, platform.python_version(), settings.ENGINE, model_name()], 1)
        yield build


REGISTRY.register(_Now())
