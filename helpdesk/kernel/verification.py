"""What `helpdesk verify` is made of: checks that each name every violation they find, and change nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Violation:
    """`check` is the promise broken, `subject` the row (kind and id), `detail` what is wrong with it."""

    check: str
    subject: str
    detail: str


Check = Callable[[Session], Iterator[Violation]]
