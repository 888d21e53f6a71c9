"""What reviewers see of other people's conversations, and the log of their looks. Knows no pages."""

from __future__ import annotations
