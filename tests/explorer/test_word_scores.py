from __future__ import annotations

from explorer.word_scores import word_scores


def test_a_document_without_a_shared_word_scores_nothing_and_the_rarer_word_more():
    scores = word_scores(["edema effusion", "nothing", "edema effusion"], ["edema", "effusion left", "effusion right"])
    assert scores[1].tolist() == [0, 0, 0]
    assert scores[0, 0] > scores[0, 1] > 0
    assert scores[0].tolist() == scores[2].tolist()
