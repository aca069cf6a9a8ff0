"""The published contract against the program: the document, the docs page, a generated client, and bad input."""
