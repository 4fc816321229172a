"""Reports, queries, search and the pages. Knows the towers through `models.interfaces` only."""

from __future__ import annotations
