"""What somebody typed into the search field, read. Total: every text is either a query or a reason why it is none.

    late parcel          both words, anywhere in the complaint
    "late parcel"        these words next to each other
    late*                words that begin so
    -refund              without this word; in the subject, -subject:refund or subject:-refund
    subject:late         in the subject; tag: in a tag; from: in a name, an address, a telephone number
    7k3m9qx2tam          a reference, however it is typed

A word that holds marks (`li.wei@example.com`) is a phrase of its parts; so is one with another name before a colon
(`re:parcel`), which means nothing here, as it stands in texts that are pasted. The beginning of a reference, with its dash,
is such a phrase that is only begun (`7K3M-9Q*`). A beginning has at least `MIN_PREFIX` letters or digits: half the index
begins with any one. Chinese, Japanese, Korean and Thai are found by
any part of two characters or more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Final

from helpdesk.complaints.search_text import TAGGED, Span, Token, tokens
from helpdesk.kernel.ids import parse_reference

MAX_TERMS: Final = 20
MIN_PREFIX: Final = 2
_WITHIN: Final = {"subject": "A", "tag": TAGGED, "from": "B"}
_ITEM: Final = re.compile(r'(-?)(?:(subject|tag|from):(-?))?(?:"([^"]*)("?)(\*?)|(\S+?:(?=")|\S+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """Tokens that stand next to each other, the last perhaps only begun. `within`: a weight, the only one that counts; or
    `TAGGED`, in tags only; or empty, anywhere. `typed`: the words of it. `others`: what means the same, of which any will do.
    """

    tokens: tuple[Token, ...]
    prefix: bool
    within: str
    typed: str = ""
    others: tuple["Term", ...] = ()

    def stands_at(self, found: Sequence[Span], place: int) -> int | None:
        """Whether it stands in a text from this place (an index into its spans) on: the index of its last span, or None."""
        shown = _without_single_ends(self.tokens)
        for token in shown:
            at = place + token.place - shown[0].place
            if at >= len(found) or not self._is(token, found[at].token, last=token is shown[-1]):
                return None
        return place + shown[-1].place - shown[0].place

    def _is(self, wanted: Token, there: Token, *, last: bool) -> bool:
        begun = self._begun(wanted, last=last)
        return there.text.startswith(wanted.text) if begun else there.text == wanted.text

    @property
    def pattern(self) -> str | None:
        """A regular expression that finds it in folded ASCII text; None where it is not ASCII itself."""
        if any(not token.text.isascii() for token in self.tokens):
            return None
        said = "[^0-9a-z]+".join(token.text for token in self.tokens)
        begun = self._begun(self.tokens[-1], last=True)
        return f"(?<![0-9a-z]){said}" + ("[0-9a-z]*" if begun else "(?![0-9a-z])")

    @property
    def tsquery(self) -> str:
        """PostgreSQL's text of it, to be cast to `tsquery`."""
        said = self._said(TAGGED) if self.within == TAGGED else self._said("", self.within)
        return f"({' | '.join([said, *(other.tsquery for other in self.others)])})"  # <-> binds closer than |

    @property
    def ranking(self) -> str:
        """As `tsquery`, to rank by: a tag with the weight of tags."""
        return self.tsquery if self.within else f"({self._said('')} | {self._said(TAGGED)})"  # <-> binds closer than |

    def _said(self, mark: str, weight: str = "") -> str:
        shown = _without_single_ends(self.tokens)
        lexemes = [self._lexeme(token, mark, weight, last=token is shown[-1]) for token in shown]
        gaps = [f" <{token.place - before.place}> " for before, token in pairwise(shown)]
        return "".join(chain.from_iterable(zip(lexemes, [*gaps, ""], strict=True)))

    def _lexeme(self, token: Token, mark: str, weight: str, *, last: bool) -> str:
        label = ("*" if self._begun(token, last=last) else "") + weight
        return f"'{mark}{token.text}'" + (f":{label}" if label else "")

    def _begun(self, token: Token, *, last: bool) -> bool:
        if token.pair:
            return len(token.text) == 1
        return last and self.prefix


def _without_single_ends(found: Sequence[Token]) -> list[Token]:
    """The last character of a run stands by itself in the index only where a run ends, which the typed part of one need
    not. It is in the pair before; alone, it is the beginning of a pair.
    """
    return [
        token
        for place, token in enumerate(found)
        if not (token.pair and len(token.text) == 1 and place > 0 and found[place - 1].pair
                and found[place - 1].place == token.place - 1 and len(found[place - 1].text) == 2)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """`reference`: what was typed is one, in its canonical form."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...]
    reference: str | None = None

    @property
    def all_of(self) -> str:
        return " & ".join([*(term.tsquery for term in self.wanted), *(f"!{term.tsquery}" for term in self.unwanted)])

    @property
    def any_of(self) -> str:
        return " | ".join(term.ranking for term in self.wanted)


def tags_named(query: Query) -> list[str]:
    """Names of tags that are looked for as a whole, as they were typed."""
    return [term.typed for term in (*query.wanted, *query.unwanted) if term.within == TAGGED and not term.prefix]


def also_called(query: Query, now: Mapping[str, str]) -> Query:
    """With tags that have another name by now looked for by that one too. `now`: name as it was typed -> name of now."""

    def widened(term: Term) -> Term:
        name = now.get(term.typed) if term.within == TAGGED and not term.prefix else None
        found = tuple(tokens(name)) if name is not None else ()
        return replace(term, others=(Term(found, prefix=False, within=TAGGED, typed=term.typed),)) if found else term

    return replace(query, wanted=tuple(map(widened, query.wanted)), unwanted=tuple(map(widened, query.unwanted)))


def read(text: str) -> Query:
    """Raises ValueError, with what to do, for a text in which there is nothing, too little or too much to look for."""
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for item in _ITEM.finditer(text):
        term = _term(item)
        if term is not None:
            (unwanted if item.group(1) or item.group(3) else wanted).append(term)
    if len(wanted) + len(unwanted) > MAX_TERMS:
        raise ValueError(f"Look for at most {MAX_TERMS} words at once.")
    reference = parse_reference(text) if len(text) <= 40 else None
    if not wanted and reference is None:
        raise ValueError("Give at least one word to look for; one with a minus before it only takes away.")
    return Query(tuple(wanted), tuple(unwanted), reference)


def _term(item: re.Match[str]) -> Term | None:
    _, name, _, phrase, _, phrase_begun, word = item.groups()
    body = phrase if phrase is not None else word
    begun = bool(phrase_begun) or (phrase is None and body.endswith("*"))
    found = tuple(tokens(body))
    if begun and found and not found[-1].pair and sum(len(token.text) for token in found) < MIN_PREFIX:
        raise ValueError(f"Give at least {MIN_PREFIX} letters or digits before a *.")
    return Term(found, begun, _WITHIN.get((name or "").lower(), ""), body) if found else None
