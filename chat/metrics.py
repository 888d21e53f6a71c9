"""What this process counts of the chat for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from inference.metrics import REGISTRY

OPEN_SOCKETS = Gauge("localai_sockets_open", "Pages that are connected.", registry=REGISTRY)
RUNNING_REPLIES = Gauge("localai_replies_running", "Answers that are written for the chat.", registry=REGISTRY)
CHECKPOINT_FAILURES = Counter(
    "localai_checkpoint_failures", "Times that an answer could not be saved for now.", registry=REGISTRY
)
