"""Reports, queries, search and the pages. Knows the towers through `models.interfaces` only."""

from __future__ import annotations

__version__ = "0.1.0"
