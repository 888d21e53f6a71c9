"""All checks, in the order in which a person would go about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from localai_site.doctor import configuration, engine, hardware, services, software, storage
from localai_site.doctor.finding import Finding

Check = Callable[[], Finding | None]

CHECKS: tuple[Check, ...] = (
    software.python,
    software.packages,
    software.static_files,
    configuration.debug,
    configuration.secret_key,
    configuration.encryption,
    configuration.hosts,
    configuration.origins,
    configuration.dotenv,
    configuration.clock,
    configuration.django_checks,
    hardware.gpu,
    hardware.cpu,
    hardware.memory,
    engine.weights,
    engine.leftovers,
    storage.model_disk,
    storage.database,
    storage.integrity,
    storage.privacy,
    storage.database_disk,
    storage.backup_disk,
    services.redis,
)


def examine(port: int) -> Iterator[Finding]:
    """What the checks find, each as soon as it is known; what does not apply is left out."""
    for check in CHECKS:
        finding = check()
        if finding:
            yield finding
    yield from configuration.secret_files()
    yield from services.vllm_servers()
    yield services.port(port)
