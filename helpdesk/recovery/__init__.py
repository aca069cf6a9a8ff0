"""Making it right: what is suggested, offered, approved, paid for and delivered after a complaint was found justified.

What was lost is owed, whoever lost it; goodwill is given on top, by a formula whose every factor is shown. An offer is
drafted by one person and approved by another (or within the drafter's own small authority), its money is set aside in a
budget before the customer hears of it, and it is issued exactly once, whatever crashes. Three books are kept apart and
audited against each other: the offer's steps, the budget's ledger, and what was issued (`verification`).
"""
