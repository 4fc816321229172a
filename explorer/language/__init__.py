"""The language of reports: text in, text or records out. No torch, no screen."""

from __future__ import annotations
