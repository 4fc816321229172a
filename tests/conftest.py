"""Two test processes share two cores: each computes on one, or they wait for each other."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# The quick suite judges a change, so it must not fail by a draw that has nothing to do with it: it tries the same
# examples every time, however slow the machine. New ones are looked for by `make test-slow`, which asks for "explore".
settings.register_profile("quick", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1_000, deadline=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def open_i():
    """The published reports; reading them takes seconds, so all tests share one reading."""
    from explorer.corpora import openi  # loads NumPy, which must find the numbers of threads set above

    return openi.read()


def pytest_terminal_summary(terminalreporter):
    """Say what was tried: tests that try many cases or inject faults count them, and may have something to say."""
    done = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ()) if one.when == "call"]
    told = [dict(one.user_properties) for one in done]
    cases, faults = sum(one.get("cases", 1) for one in told), sum(one.get("faults", 0) for one in told)
    losses = len(terminalreporter.stats.get("failed", ())) + len(terminalreporter.stats.get("error", ()))
    for one in told:
        if "said" in one:
            terminalreporter.write_line(one["said"])
    terminalreporter.write_line(f"cases tried: {cases:,} · faults injected: {faults:,} · losses: {losses}")
