"""The towers: report encoders, image encoders and the pairs of both. Imports nothing else of this project."""

from __future__ import annotations
