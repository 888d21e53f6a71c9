"""How passwords are hashed."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class SmallArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, where Django takes 100: ten people at once must not take a gigabyte from the model.

    The figures are the first that OWASP's Password Storage Cheat Sheet recommends.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1
