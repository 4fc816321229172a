"""Recipes, data sets, losses, the stages that train the towers, and their evaluation."""

from __future__ import annotations
