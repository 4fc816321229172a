"""From untrusted bytes to a `QueryImage`. pydicom and PIL live here, in a child process."""

from __future__ import annotations
