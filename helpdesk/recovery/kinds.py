"""Every kind of remedy, and what is true of each: one table that payloads, budgets, issuing and letters read.

A kind has an amount when it costs something. Of most it is what the customer gets; of a replacement, a new performance
and a gift it is what that costs us: it counts against authority and budget alike, and the customer is not told. A kind
that is sent or done arrives later than it is issued, and is delivered only when somebody says that it came; a letter, and the
code of a voucher, when the mail server took it, or somebody posted it or read it out; a code also when it was seen or used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OURSELVES: Final = "ourselves"
PROVIDER: Final = "provider"
NOBODY_YET: Final = "nobody_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`pays`: it has an amount. `amount_is`: given (to the customer), cost (to us) or nothing.

    `issuer`: ourselves; provider: an outside provider, or a person where none is enabled; nobody_yet: it can be named in
    a suggestion, and not be drafted.

    `taken_back`: how what was issued can be reversed. voided: by us, at once; returned: when the customer gave it back;
    never. `delivered`: issued (the customer has it with its issuance), handed_over (when the mail server took it, it was
    posted or read out, or, of a code, seen or used) or confirmed (when somebody says that it came).
    """

    amount_is: str
    issuer: str
    taken_back: str
    delivered: str

    @property
    def pays(self) -> bool:
        return self.amount_is != "nothing"


_MONEY: Final = Kind(amount_is="given", issuer=PROVIDER, taken_back="returned", delivered="issued")
_GOODS: Final = Kind(amount_is="cost", issuer=PROVIDER, taken_back="returned", delivered="confirmed")

TABLE: Final[Mapping[str, Kind]] = {
    "refund": _MONEY,
    "partial_refund": _MONEY,
    "replacement": _GOODS,
    "re_performance": Kind(amount_is="cost", issuer=PROVIDER, taken_back="never", delivered="confirmed"),
    "voucher": Kind(amount_is="given", issuer=OURSELVES, taken_back="voided", delivered="handed_over"),
    "points": Kind(amount_is="given", issuer=OURSELVES, taken_back="voided", delivered="issued"),
    "gift": _GOODS,
    "service_credit": _MONEY,
    "apology_letter": Kind(amount_is="nothing", issuer=OURSELVES, taken_back="never", delivered="handed_over"),
    "goodwill_payment": _MONEY,
}

KINDS: Final = tuple(TABLE)
"""Every kind of remedy there is a word for."""
ISSUABLE: Final = tuple(name for name, kind in TABLE.items() if kind.issuer != NOBODY_YET)
"""The kinds that can be drafted."""
PAYING: Final = frozenset(name for name, kind in TABLE.items() if kind.pays)
"""Kinds that have an amount, and so an authority and a budget. An apology costs nothing."""
OUTSIDE: Final = frozenset(name for name, kind in TABLE.items() if kind.issuer == PROVIDER)
"""Kinds that an outside provider issues, or a person by hand."""
SETTLES: Final = frozenset({"refund", "partial_refund", "goodwill_payment", "service_credit"})
"""Kinds that are money, so that what is owed can be paid with them. A voucher settles nothing that is owed."""
CONFIRMED: Final = frozenset(name for name, kind in TABLE.items() if kind.delivered == "confirmed")
"""Kinds that are delivered only when somebody says that they came."""
DELIVERED_AT_ONCE: Final = frozenset(name for name, kind in TABLE.items() if kind.delivered == "issued")
"""Kinds that the customer has with their issuance."""
HANDED_OVER: Final = frozenset(name for name, kind in TABLE.items() if kind.delivered == "handed_over")
"""Kinds that consist of words that the customer has to get: by mail, by post, or said."""
LETTER: Final = "apology_letter"
SEEN: Final = "recovery.voucher_seen"
"""Topic of the duty to record that the customer has seen the code of their voucher; its subject is the offer."""
ISSUE: Final = "recovery.issue"
"""Topic of the duty to issue an accepted offer ourselves; its subject is the offer."""
ASK: Final = "recovery.ask_provider"
"""Topic of the duty to have its provider issue it, or say how that stands; done on a queue of its own."""
ISSUING_TOPICS: Final = (ISSUE, ASK)
TOLD: Final = frozenset(name for name, kind in TABLE.items() if kind.amount_is == "given")
"""Kinds whose amount the customer is told."""
