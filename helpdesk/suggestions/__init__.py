"""Which category a complaint's own words speak for: a suggestion with its evidence, which nothing but a person applies.

A small model counts in how many complaints of each category, as people have judged them here, a word stood. All that it
says can be said by those counts, so every suggestion shows the words that speak for it. Until there is enough to learn
from, lists of words that come with the program do the same. Whether people follow is counted, and shown beside how often
the model is right on complaints that it has not learned from.
"""
