"""What must hold of who may do what: the chain of administrative acts verifies."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from helpdesk.identity.administration_queries import all_faults
from helpdesk.kernel.verification import Violation


def administration_holds(session: Session) -> Iterator[Violation]:
    """A changed, removed or reordered act is named by its place."""
    for broken in all_faults(session):
        yield Violation("chain", f"administration log, act {broken.stream_seq}", broken.what)


CHAIN_CHECKS = (administration_holds,)
