from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.agreeing import (
    AgreeingConfig,
    AgreeingNotes,
    AgreeingStep,
    agreeing_loss,
    agreeing_notes,
    steady_loss,
)
from training.texts import Told

EFFUSION = "There is a small left pleural effusion. The heart is normal in size."
CLEAR = "No pleural effusion. No pneumothorax. The heart is normal in size."


def told(name: str, report: str) -> Told:
    return Told(name, "", "", report, (), "", "", "", (), ())


@pytest.fixture(scope="module")
def notes() -> AgreeingNotes:
    return agreeing_notes([told("a", EFFUSION), told("b", CLEAR), told("c", CLEAR)], made=200, excerpts=1.0, seed=3)


def test_the_bank_is_every_report_once_and_every_note_states_a_finding(notes):
    assert notes.reports == (CLEAR, EFFUSION)
    assert notes.shares.shape == (len(notes.full), 2)
    assert 3 < len(notes.full) < 203  # three excerpts, and those made notes that name a finding
    assert not {full for full in notes.full if "effusion" not in full.lower()} >= set(notes.full)


def test_a_report_agrees_with_a_note_by_the_share_of_its_findings_that_it_states_alike(notes):
    row = next(
        row for row, full in enumerate(notes.full) if full in (EFFUSION, "There is a small left pleural effusion.")
    )
    assert notes.shares[row, 1] == 1
    assert notes.shares[row, 0] < 1  # it denies the effusion


def test_short_and_full_forms_are_drawn_of_the_same_notes(notes):
    asked, reports, shares = notes.batch(len(notes.full), 0, np.random.default_rng(0))
    assert len(asked) == len(shares) == len(notes.full)
    assert tuple(reports) == notes.reports
    forms = dict.fromkeys(notes.short, "short") | dict.fromkeys(notes.full, "full")
    drawn = [forms[one] for one in asked]
    assert 0.2 < drawn.count("short") / len(drawn) < 0.8


def test_of_drawn_reports_one_that_agrees_best_with_each_note_is_among_them():
    shares = np.array([[0.2, 0.9, 0.0, 0.9, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.4]])
    found = AgreeingNotes(("s", "t"), ("u", "v"), tuple("abcdef"), shares)
    drawn = [found.batch(2, 3, np.random.default_rng(seed)) for seed in range(40)]
    for asked, reports, some in drawn:
        assert len(set(reports)) == len(reports) == 3
        assert "f" in reports and set("bd") & set(reports)
        rows = [0 if note in "su" else 1 for note in asked]
        assert np.array_equal(some, shares[np.ix_(rows, ["abcdef".index(report) for report in reports])])
    assert {report for _, reports, _ in drawn for report in reports} == set("abcdef")


def test_both_forms_of_a_note_are_drawn_in_the_same_order_the_short_ones_first(notes):
    size = 2 * (len(notes.full) // 2)
    asked, _, shares = notes.batch(size, 0, np.random.default_rng(0), both=True)
    short, full = asked[: size // 2], asked[size // 2 :]
    known = set(zip(notes.short, notes.full, strict=True))
    assert len(short) == size // 2 and set(zip(short, full, strict=True)) <= known
    assert np.array_equal(shares[: size // 2], shares[size // 2 :])


def test_agreement_is_the_mean_share_of_the_reports_that_come_first():
    shares = np.array([[1.0, 0.0, 0.5] + [0.0] * 9, [0.0] * 11 + [1.0]])
    reports = np.eye(12)
    first_ten = np.array([[1.0] * 10 + [0.0] * 2, [0.0] * 2 + [1.0] * 10])
    found = AgreeingNotes(("s", "t"), ("u", "v"), tuple("abcdefghijkl"), shares)
    assert found.agreement(first_ten, reports) == pytest.approx((1.5 / 10 + 1 / 10) / 2)


def test_the_loss_is_the_cross_entropy_against_targets_in_proportion_to_the_sharpened_shares():
    notes, reports = torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    config = AgreeingConfig(weight=1.0, scale=2.0, sharpness=2.0)
    loss = agreeing_loss(notes, reports, torch.tensor([[1.0, 0.5]]), config)
    away = math.log(1 + math.exp(2.0))  # minus the log of the share of the report at cosine 0
    assert loss.item() == pytest.approx(0.8 * (away - 2.0) + 0.2 * away, rel=1e-5)


def test_a_note_with_which_no_report_agrees_has_no_part_in_the_loss():
    config = AgreeingConfig(weight=1.0)
    notes, reports = torch.randn(2, 4), torch.randn(3, 4)
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    one = agreeing_loss(notes[:1], reports, shares[:1], config)
    assert agreeing_loss(notes, reports, shares, config).item() == pytest.approx(one.item(), rel=1e-5)


def test_a_steady_note_has_no_more_than_the_entropy_of_what_its_full_form_finds():
    full, reports = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    share = math.exp(2.0) / (math.exp(2.0) + 1)  # of the report at cosine 1, at scale 2
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert steady_loss(3 * full, full, reports, 2.0).item() == pytest.approx(entropy, rel=1e-5)
    turned = -share * math.log(1 - share) - (1 - share) * math.log(share)
    assert steady_loss(torch.tensor([[0.0, 1.0]]), full, reports, 2.0).item() == pytest.approx(turned, rel=1e-5)


def test_the_steady_pull_moves_the_short_form_and_leaves_the_full_one_alone():
    short, full, reports = (torch.randn(3, 4, requires_grad=True) for _ in range(3))
    steady_loss(short, full, reports, 5.0).backward()
    assert short.grad is not None and short.grad.abs().sum() > 0
    assert full.grad is None


def test_a_step_with_a_steady_pull_holds_both_forms_and_adds_the_pull_to_the_loss():
    studies = [told("a", EFFUSION), told("b", CLEAR)]
    plain = AgreeingConfig(weight=0.5, made=100, excerpts=1.0, batch=8, steady=1e-12)
    pulled = AgreeingConfig(weight=0.5, made=100, excerpts=1.0, batch=8, steady=2.0)
    steps = [AgreeingStep(config, studies, seed=5) for config in (plain, pulled)]
    assert steps[0].texts(7) == steps[1].texts(7)
    vectors = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    without, with_pull = (step.loss(vectors, 7).item() for step in steps)
    pull = steady_loss(vectors[:4], vectors[4:8], vectors[8:], pulled.scale).item()
    assert with_pull == pytest.approx(without + 2 * pull, rel=1e-5)


def test_notes_with_which_no_report_agrees_at_all_give_no_loss_and_no_gradient():
    notes, reports = torch.randn(2, 4, requires_grad=True), torch.randn(3, 4)
    loss = agreeing_loss(notes, reports, torch.zeros(2, 3), AgreeingConfig(weight=1.0))
    loss.backward()
    assert loss.item() == 0
    assert notes.grad is not None and not notes.grad.any()


def test_a_step_is_a_function_of_its_number_and_pulls_notes_to_reports_that_agree():
    config = AgreeingConfig(weight=0.5, made=100, excerpts=1.0, batch=8)
    step = AgreeingStep(config, [told("a", EFFUSION), told("b", CLEAR)], seed=5)
    texts, instructions = step.texts(7)
    assert (texts, instructions) == step.texts(7)
    assert texts != step.texts(8)[0]
    assert texts[8:] == [CLEAR, EFFUSION]
    assert [bool(one) for one in instructions] == [True] * 8 + [False] * 2

    vectors = torch.nn.Parameter(torch.randn(10, 6, generator=torch.Generator().manual_seed(0)))
    descent = torch.optim.SGD([vectors], lr=1.0)
    before = step.loss(vectors, 7).item()
    for _ in range(20):
        descent.zero_grad()
        step.loss(vectors, 7).backward()
        descent.step()
    assert step.loss(vectors, 7).item() < before
