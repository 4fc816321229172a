"""The pages. Gradio lives here and nowhere else."""

from __future__ import annotations
