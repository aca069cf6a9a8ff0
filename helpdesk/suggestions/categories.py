"""The categories that may be suggested, as the taxonomy has them: the one place that asks for them."""

from collections.abc import Mapping
from typing import NamedTuple

from helpdesk.taxonomy.in_force import in_force
from helpdesk.taxonomy.terms import label_in


class Labels(NamedTuple):
    by_language: Mapping[str, str]

    def in_language(self, language: str) -> str:
        return label_in(self.by_language, language)


def in_use() -> dict[str, Labels]:
    """Code -> labels, in the order of the taxonomy. One that is retired is not among them, and so never suggested."""
    taxonomy = in_force()
    return {code: Labels(taxonomy.known("category")[code].labels) for code in taxonomy.codes("category")}
