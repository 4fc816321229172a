"""The blinded error review: cases, reviewers' answers, judges, and what they add up to."""

from __future__ import annotations
