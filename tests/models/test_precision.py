from __future__ import annotations

import pytest
import torch

from models.interfaces import TowerError
from models.precision import Placement, place

CPU = torch.device("cpu")


def test_what_is_asked_for_is_given():
    assert place("fp32", "cpu") == Placement(CPU, "fp32")
    assert place("bf16", "cpu") == Placement(CPU, "bf16")


def test_auto_takes_bf16_only_where_the_processor_multiplies_it():
    native = torch.cpu._is_avx512_bf16_supported()
    assert place("auto", "cpu") == Placement(CPU, "bf16" if native else "fp32")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_cuda_that_is_not_there_is_refused_with_what_to_do():
    with pytest.raises(TowerError, match=r"no CUDA device is available\. Use device 'cpu' or 'auto'"):
        place("fp32", "cuda")
    assert place("fp32", "auto").device == CPU


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_have_the_precision_chosen(precision, dtype):
    placement = place(precision, "cpu")
    assert placement.dtype == dtype
    with placement.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
