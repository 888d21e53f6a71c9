"""vLLM's own metrics in Prometheus' text format, without those of the process that they were asked of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "vllm:"


class _Families:
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(families: Iterable[Metric]) -> str:
    return generate_latest(_Families([family for family in families if family.name.startswith(PREFIX)])).decode()


def merged(texts: Mapping[str, str]) -> str:
    """Of servers by their address: each series says whose it is. What no vLLM would send is left out."""
    families: dict[str, Metric] = {}
    for server, text in texts.items():
        try:
            sent = list(text_string_to_metric_families(text))
        except ValueError:  # the server's fault
            continue
        for family in sent:
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [each._replace(labels={**each.labels, "server": server}) for each in family.samples]
    return exposition(families.values())
