"""Retrieval and clinical metrics on arrays and texts."""

from __future__ import annotations
