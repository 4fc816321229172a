"""One reader per source: each turns its files into `Report` records."""

from __future__ import annotations
