from __future__ import annotations

import numpy as np
import pytest
import torch

from models.baselines import MAX_TOKENS, minilm_encoder
from models.interfaces import TextEncoder
from models.packaged import minilm
from models.precision import place

NOTES = (
    "There is a small pleural effusion on the left.",
    "Small left-sided effusion.",
    "The invoice for the new printer was paid on Tuesday.",
)


@pytest.fixture(scope="module")
def encoder():
    return minilm_encoder(place("fp32", "cpu"))


def by_hand(text):
    """Mean of the token states that transformers' own loading of the package gives, normalised."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder, _ = minilm()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    ids = tokenizer.encode(text).ids
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        mean = sum(model(torch.tensor([ids])).last_hidden_state[0]) / len(ids)
    return (mean / mean.norm()).numpy()


def test_an_identical_sentence_scores_one(encoder):
    vectors = encoder.encode([NOTES[0], NOTES[0]])
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-6)


def test_the_same_in_other_words_is_nearer_than_something_else(encoder):
    effusion, reworded, printer = encoder.encode(NOTES)
    assert effusion @ reworded > 0.5 > 0.2 > effusion @ printer


def test_pooling_is_the_mean_over_the_texts_tokens(encoder):
    padded = encoder.encode([NOTES[1], NOTES[2] * 3])[0]
    assert np.abs(padded - by_hand(NOTES[1])).max() < 1e-5


def test_an_embedding_never_depends_on_its_batch_mates(encoder):
    texts = [*NOTES, "", NOTES[0] * 20]
    together = encoder.encode(texts)
    assert np.abs(together - np.concatenate([encoder.encode([text]) for text in texts])).max() < 1e-5


def test_an_instruction_is_put_before_the_text(encoder):
    assert np.allclose(encoder.encode([NOTES[1]], "Find"), encoder.encode([f"Find\n{NOTES[1]}"]), atol=1e-6)


def test_what_lies_beyond_the_limit_changes_nothing(encoder):
    long = "effusion " * MAX_TOKENS
    vectors = encoder.encode([long, f"{long} and a printer"])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_it_describes_itself_as_a_baseline(encoder):
    info = encoder.info
    assert isinstance(encoder, TextEncoder)
    assert (info.name, info.space, info.dim, info.score, info.instructed) == ("minilm", "report", 384, "cosine", False)
    assert info.note.startswith("baseline")
    assert len(info.revision) == 64
    assert info.revision != minilm_encoder(place("bf16", "cpu")).info.revision
