"""Who complained: people and organisations, apart from any one complaint of theirs.

So far: name, contact, tier and external id. A tier moves goodwill, never what is owed.
"""
