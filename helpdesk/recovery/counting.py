"""How many of something, in words that are right for one too. Pure."""

from decimal import Decimal

from helpdesk.recovery.case_facts import plain


def counted(number: Decimal | int | str, one: str) -> str:
    """`1 week`, `2 weeks`, `0.5 weeks`; `one`: a word that takes an s."""
    exact = Decimal(number)
    return f"{plain(exact)} {one}" if exact == 1 else f"{plain(exact)} {one}s"
