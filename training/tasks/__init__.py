"""The paper's evaluation tasks as plain data, and how any ranker is measured on them."""

from __future__ import annotations
