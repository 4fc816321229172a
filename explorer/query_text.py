"""What can be searched for as a text."""

from __future__ import annotations

from explorer.errors import BadQuery


def check_text(text: str, limit: int) -> None:
    """Raise BadQuery for a text that is empty, longer than `limit` characters, or cannot be text."""
    if len(text) > limit:
        raise BadQuery(f"The text has {len(text):,} characters; at most {limit:,} can be searched. Shorten it.")
    if not text.strip():
        raise BadQuery("The query is empty. Type a finding, a sentence or a whole report.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadQuery("The query holds characters that are not text. Type or paste it again.")
