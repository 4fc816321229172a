"""The losses, each a plain function of tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_LOG_SCALE = math.log(100)


def contrastive(queries: Tensor, documents: Tensor, same: Tensor, scale: float) -> Tensor:
    """In-batch contrastive loss with hard negatives and a false-negative guard, paper section 3.

    Args:
        queries: [b, d]; query i belongs to document i.
        documents: [b + n, d]; the b positives first, then hard negatives of any query.
        same: [b, b + n] bool, True where document j says the same as document i, so that it is no negative of query i.
            The diagonal is ignored.
        scale: multiplies the cosine; 1 / temperature.

    Returns:
        Scalar: mean cross-entropy of each query against all documents.
    """
    logits = scale * F.normalize(queries, dim=-1) @ F.normalize(documents, dim=-1).T  # [b, b + n]
    own = torch.eye(len(queries), len(documents), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(same & ~own, float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(queries), device=logits.device))


def semantic_targets(image_labels: Tensor, report_labels: Tensor, temperature: float) -> Tensor:
    """Soft targets for unpaired images and reports from the labels they share, MedCLIP (arXiv 2210.10163) section 3.3.

    Args:
        image_labels: [n, c] 0 or 1.
        report_labels: [m, c] 0 or 1.
        temperature: of the softmax over reports.

    Returns:
        [n, m] rows that sum to 1, from the cosine of the label vectors; a study without any label matches its like.
    """
    similarity = _unit(image_labels) @ _unit(report_labels).T
    return (similarity / temperature).softmax(dim=-1)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of rows of logits [n, m] against target distributions [n, m]."""
    return -(targets * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def _unit(labels: Tensor) -> Tensor:
    unlabelled = (labels.sum(dim=1, keepdim=True) == 0).float()
    return F.normalize(torch.cat((labels, unlabelled), dim=1), dim=-1)  # [n, c] → [n, c + 1]


def image_text_contrastive(images: Tensor, texts: Tensor, log_scale: Tensor) -> Tensor:
    """Symmetric contrastive loss of films and their reports, paper equation 1.

    Args:
        images, texts: [n, d], not normalised; row i of both is a pair.
        log_scale: scalar; its exponential, at most 100, multiplies the cosine.

    Returns:
        Scalar: mean cross-entropy of each film against all reports and of each report against all films.
    """
    scale = log_scale.clamp(0, MAX_LOG_SCALE).exp()
    logits = scale * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    own = torch.arange(len(images), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
