from __future__ import annotations

import pytest
import torch

from models.interfaces import EncoderInfo, TowerError
from models.precision import RETREATED, Home, Placement, for_films, place

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


class Roomy(torch.nn.Linear):
    """Says where it was put, and asks for memory that the GPU does not have when it is used there."""

    def __init__(self, fits_on):
        super().__init__(1, 1)
        self.fits_on, self.put = fits_on, []

    def to(self, device):
        self.put.append(device.type)
        return self

    def forward(self, x):
        if self.put[-1] not in self.fits_on:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x


INFO = EncoderInfo("toy", "report", 1, 9, "cosine", "bf16", "cuda", "r", note="toy")


def test_a_gpu_whose_memory_is_full_is_left_once_and_it_is_said():
    part = Roomy(fits_on=("cpu",))
    home = Home([part], Placement(torch.device("cuda"), "bf16"))
    assert home.told(INFO) == INFO
    assert (home.run(lambda: part(1)), home.run(lambda: part(2))) == (1, 2)
    assert part.put == ["cuda", "cpu"]
    assert home.placement == Placement(CPU, "bf16")
    assert home.told(INFO).device == "cpu"
    assert home.told(INFO).note == f"toy; {RETREATED}"
    assert home.told(INFO).revision == INFO.revision


def test_a_tower_that_does_not_even_load_on_the_gpu_starts_on_the_processor():
    class Heavy(Roomy):
        def to(self, device):
            if device.type == "cuda":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().to(device)

    home = Home([Heavy(fits_on=("cpu",))], Placement(torch.device("cuda"), "fp32"))
    assert home.placement == Placement(CPU, "fp32")
    assert home.told(INFO).note.endswith(RETREATED)


def test_a_processor_whose_memory_is_full_is_an_error_that_says_what_to_do():
    part = Roomy(fits_on=())
    home = Home([part], Placement(CPU, "fp32"))
    with pytest.raises(TowerError, match=r"too small for this tower\. Choose another"):
        home.run(lambda: part(1))


def test_what_fits_stays_where_it_is_and_says_nothing():
    part = Roomy(fits_on=("cpu", "cuda"))
    home = Home([part], Placement(torch.device("cuda"), "fp32"))
    assert home.run(lambda: part(3)) == 3
    assert home.told(INFO) == INFO
    assert part.put == ["cuda"]


def test_films_are_multiplied_in_fp32_on_a_processor_and_as_reports_are_elsewhere():
    assert for_films(Placement(CPU, "bf16")) == Placement(CPU, "fp32")
    assert for_films(Placement(torch.device("cuda"), "bf16")).precision == "bf16"
