"""How sources name the direction of a film, in one table."""

from __future__ import annotations

_LATERAL = ("LATERAL", "LAT", "LL", "RL", "L", "XTABLE LATERAL", "LARGE LATERAL")
_AP = ("AP", "AP AXIAL", "AP LLD", "AP RLD", "AP SUPINE", "AP ERECT", "AP_HORIZONTAL", "ANTEROPOSTERIOR")
_PA = ("PA", "PA LLD", "PA RLD", "POSTEROANTERIOR")
_VIEWS = {name: view for view, names in (("LATERAL", _LATERAL), ("AP", _AP), ("PA", _PA)) for name in names}


def view_of(written: str) -> str:
    """Return "PA", "AP" or "LATERAL" for what a source writes; "" for any other direction, and for none."""
    return _VIEWS.get(written.strip().upper(), "")


def is_frontal(view: str) -> bool:
    """Return whether a view, as `view_of` names it, is a frontal one."""
    return view in {"PA", "AP"}
