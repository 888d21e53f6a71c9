"""What is wrong with an installation, and how it is put right: one module for each kind of thing that can be wrong."""

from __future__ import annotations
