"""A note as words with neighbours, and what those neighbours say about a reading."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass

from explorer.language.lexicon import Lexicon, Sense, Words

ADJACENT, SECOND, NEAR, FAR, SECTION = 3.0, 2.0, 1.5, 0.5, 1.0  # weights of evidence, in natural-log odds
AT_MOST = 2  # so many different near words count, and so many far ones
REACH = 6  # words on either side that are near
SKIPPED = frozenset("-–—()[]{}/\"'’")  # do not separate neighbours
ENDS = frozenset(".!?")
HEADING_GLUE = frozenset("/&()-,")
OLDEST = 120  # years; a larger number is no age
CAPITAL_WORD = 7  # letters from which an unknown word in capitals is taken for shouting, not for a short form


@dataclass(frozen=True)
class Token:
    """A piece of the note: text[start:end]."""

    start: int
    end: int
    text: str
    kind: str  # "symbol" | "label" | "number" | "word" | "mark"

    @property
    def names(self) -> tuple[str, ...]:
        """Return what a cue may call it: its small letters, and @number and @age for numbers."""
        if self.kind != "number":
            return (self.text.lower(),)
        is_age = self.text.isdecimal() and len(self.text) < 4 and 0 < int(self.text) <= OLDEST
        return (self.text, "@number", "@age") if is_age else (self.text, "@number")


@dataclass(frozen=True)
class Evidence:
    """What the context says about one reading."""

    strength: float  # natural-log odds
    words: tuple[str, ...]  # the supporting words as typed, in the order of the note
    cued: bool  # whether anything in the same sentence supports it


@dataclass(frozen=True)
class _Found:
    weight: float
    tokens: list[int]
    is_local: bool  # in the same sentence


_NOTHING = _Found(0.0, [], False)


class Tokenizer:
    """Cuts notes so that every short form of the lexicon is a token of its own."""

    def __init__(self, lexicon: Lexicon) -> None:
        symbols = "|".join(_symbol_pattern(form) for form in lexicon.symbols())
        self._lexicon = lexicon
        self._pattern = re.compile(
            rf"(?P<symbol>(?i:{symbols}))"
            r"|(?P<label>(?<![^\W_])[A-WYZa-wyz]\d{1,2}(?![^\W_]))"  # T5, L1: names of levels, not sides
            r"|(?P<number>\d+(?:[.,]\d+)*)"
            r"|(?P<word>[^\W\d_]+)"
            r"|(?P<mark>\S)"
        )

    def tokens(self, text: str) -> list[Token]:
        """Cut a note into tokens, in order; only white space lies between them."""
        found: list[Token] = []
        for match in self._pattern.finditer(text):
            token = Token(match.start(), match.end(), match.group(), match.lastgroup or "mark")
            found += self._unglued(token) if token.kind == "word" else [token]
        return found

    def _unglued(self, token: Token) -> list[Token]:
        """Cut "RULopac" where the capitals end, if both halves are short forms."""
        halves = re.fullmatch(r"([A-Z]{2,})([a-z]+)", token.text)
        if not halves or self._lexicon.lookup(token.text):
            return [token]
        if not all(self._lexicon.lookup(half) for half in halves.groups()):
            return [token]
        cut = token.start + halves.end(1)
        return [
            Token(token.start, cut, halves[1], "word"),
            Token(cut, token.end, halves[2], "word"),
        ]


def _symbol_pattern(form: str) -> str:
    before = r"(?<![\w/])" if form[0].isalnum() else r"(?<![:/\w])" if form[0] == "/" else ""
    after = r"(?![\w/])" if form[-1].isalnum() else r"(?!/)" if form == "//" else ""
    return before + re.escape(form) + after


class Note:
    """One note, cut and measured once, so that every reading can be weighed against it."""

    def __init__(self, text: str, tokens: list[Token], lexicon: Lexicon) -> None:
        self.text = text
        self.tokens = tokens
        self._content = [i for i, token in enumerate(tokens) if token.text not in SKIPPED]
        self._place = {i: at for at, i in enumerate(self._content)}
        self.sentence = self._sentences()
        self.section, self._heading = self._sections(lexicon)
        self.headings = self._headings()
        self.shouted = self._shouted(lexicon)
        self._named: dict[str, list[int]] = defaultdict(list)
        for i in self._content:
            for name in tokens[i].names:
                self._named[name].append(i)
        self._found: dict[Words, list[int]] = {}

    def weigh(self, sense: Sense, i: int) -> Evidence | None:
        """Weigh what stands around token i for and against one of its readings; None if what it needs is missing."""
        needed = [self._at(place, words, i) for place, words in sense.needs.items()]
        if not all(found.is_local for found in needed):
            return None
        supporting = needed + [self._at(place, words, i) for place, words in sense.supports.items()]
        opposing = [self._at(place, words, i) for place, words in sense.opposes.items()]
        strength = sum(found.weight for found in supporting) - sum(found.weight for found in opposing)
        because = sorted({j for found in supporting for j in found.tokens})
        words = tuple(dict.fromkeys(self.tokens[j].text for j in because))
        return Evidence(strength, words, any(found.is_local for found in supporting))

    def around(self, i: int) -> tuple[str, str]:
        """Return what the sentence of token i says before and after it."""
        first, last = bisect_left(self.sentence, self.sentence[i]), bisect_right(self.sentence, self.sentence[i]) - 1
        before = self.text[self.tokens[first].start : self.tokens[i].start]
        return before, self.text[self.tokens[i].end : self.tokens[last].end]

    def _neighbour(self, i: int, step: int) -> int | None:
        """Return the content token `step` words after i (before, if negative) in the same sentence."""
        at = self._place.get(i, -REACH) + step
        if not 0 <= at < len(self._content):
            return None
        j = self._content[at]
        return j if self.sentence[j] == self.sentence[i] else None

    def _at(self, place: str, words: Words, i: int) -> _Found:
        if place == "section":
            return _Found(SECTION, [self._heading[i]], False) if words.holds(self.section[i]) else _NOTHING
        if place == "near":
            return self._close_to(words, i)
        return self._beside(words, i, {"prev2": -2, "prev": -1, "next": 1, "next2": 2}[place])

    def _beside(self, words: Words, i: int, step: int) -> _Found:
        weight = ADJACENT if abs(step) == 1 else SECOND
        j = self._neighbour(i, step)
        if j is not None:
            return _Found(weight, [j], True) if any(map(words.holds, self.tokens[j].names)) else _NOTHING
        is_edge = abs(step) == 1 or self._neighbour(i, step // 2) is not None
        end = "@start" if step < 0 else "@end"
        return _Found(weight, [], True) if is_edge and words.holds(end) else _NOTHING

    def _close_to(self, words: Words, i: int) -> _Found:
        everywhere = self._positions(words)
        at = self._place.get(i, 0)
        low, high = self._content[max(0, at - REACH)], self._content[min(len(self._content) - 1, at + REACH)]
        window = everywhere[bisect_left(everywhere, low) : bisect_left(everywhere, high + 1)]
        near = {self.tokens[j].text.lower(): j for j in window if j != i and self.sentence[j] == self.sentence[i]}
        some = {self.tokens[j].text.lower(): j for j in everywhere[: 2 * AT_MOST] if j != i}
        far = {word: j for word, j in some.items() if word not in near}
        weight = NEAR * min(AT_MOST, len(near)) + FAR * min(AT_MOST, len(far))
        return _Found(weight, list((near or far).values()), bool(near))

    def _positions(self, words: Words) -> list[int]:
        found = self._found.get(words)
        if found is None:
            found = sorted({i for name, at in self._named.items() if words.holds(name) for i in at})
            self._found[words] = found
        return found

    def _sentences(self) -> list[int]:
        numbers, number, end = [], 0, 0
        for i, token in enumerate(self.tokens):
            gap = self.text[end : token.start]
            is_end = i > 0 and self.tokens[i - 1].text in ENDS and gap and not token.text[0].islower()
            number += bool(is_end or "\n" in gap)
            numbers.append(number)
            end = token.end
        return numbers

    def _sections(self, lexicon: Lexicon) -> tuple[list[str], list[int]]:
        """Return each token's section, and the token that is its heading."""
        sections, headings = [], []
        section, heading = "", 0
        for i, token in enumerate(self.tokens):
            is_heading = i + 1 < len(self.tokens) and self.tokens[i + 1].text == ":"
            if is_heading:
                section = lexicon.headings.get(token.text.lower(), section)
                heading = i if token.text.lower() in lexicon.headings else heading
            sections.append(section)
            headings.append(heading)
        return sections, headings

    def _headings(self) -> frozenset[int]:
        """Find the words in capitals that lead up to a colon."""
        found: set[int] = set()
        run: list[int] = []
        for i, token in enumerate(self.tokens):
            if token.text == ":":
                found.update(run)
            if token.text in HEADING_GLUE or (token.text.isalpha() and token.text.isupper()):
                run.append(i)
            else:
                run = []
        return frozenset(found)

    def _shouted(self, lexicon: Lexicon) -> frozenset[int]:
        """Find the sentences typed all in capitals, where capitals say nothing."""
        quiet: set[int] = set()
        loud: set[int] = set()
        for i, (token, number) in enumerate(zip(self.tokens, self.sentence, strict=True)):
            word = token.text.lower()
            if token.text != token.text.upper():
                quiet.add(number)
            elif token.kind == "word" and len(word) > 1 and i not in self.headings:
                is_long = len(word) >= CAPITAL_WORD and word not in lexicon.senses
                if lexicon.plain.holds(word) or is_long:
                    loud.add(number)
        return frozenset(loud - quiet)
