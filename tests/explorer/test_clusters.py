from __future__ import annotations

from explorer.clusters import names, terms_of

TEXTS = (
    "Large left pleural effusion. Heart size is normal.",
    "Small right pleural effusion.",
    "Heart is normal in size. No pneumothorax.",
    "The heart is normal. No pneumothorax.",
)


def test_a_group_is_named_by_what_sets_it_apart():
    first, second = names(TEXTS, [0, 0, 1, 1], 2)
    assert first.split(" · ")[0] in ("pleural effusion", "effusion", "pleural")
    assert "no pneumothorax" in second.split(" · ")


def test_no_word_comes_twice_in_a_name():
    for name in names(TEXTS, [0, 0, 1, 1], 2):
        words = [word for word in name.replace(" · ", " ").split() if word != "no"]
        assert len(words) == len(set(words))


def test_a_denial_counts_only_with_what_it_denies():
    assert list(terms_of("No pleural effusion.")) == ["pleural", "effusion", "no pleural", "pleural effusion"]


def test_pairs_do_not_reach_over_the_end_of_a_sentence_or_a_small_word():
    found = list(terms_of("Clear lungs. Effusion of the pleura"))
    assert "lungs effusion" not in found
    assert "effusion pleura" not in found


def test_a_report_that_repeats_itself_weighs_no_more_than_another():
    once = names(("opacity opacity opacity opacity", "nodule", "nodule", "clear"), [0, 0, 0, 1], 2)
    assert once[0].split(" · ")[0] == "nodule"


def test_a_group_without_words_is_named_by_its_number():
    assert names(("", "effusion"), [0, 1], 2) == ("group 1", "effusion")
