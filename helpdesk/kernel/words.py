"""Small words of the sentences that refusals are made of."""


def with_article(noun: str) -> str:
    """`an inquiry`, `a complaint`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def need_attention(count: int, noun: str) -> str:
    return f"1 {noun} needs attention." if count == 1 else f"{count} {noun}s need attention."
