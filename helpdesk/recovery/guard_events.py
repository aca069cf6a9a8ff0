"""What happens to the guards' rules and to reviews: acts in the log of administration, and no part of a complaint's story."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRulesSet(Event):
    """A version of all of it. `changes`: field -> [before, after]."""

    type: ClassVar[str] = "guard.rules_set"
    rules_id: UUID
    number: int
    reason: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.rules_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReviewEvent(Event):
    """`offer_id`: with which it was opened."""

    review_id: UUID
    complaint_id: UUID
    offer_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.review_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReviewOpened(ClaimReviewEvent):
    """`rules`: number of the version. `reasons`: their codes. Personal, all that says what was thought of somebody."""

    type: ClassVar[str] = "guard.review_opened"
    personal: ClassVar[frozenset[str]] = frozenset({"score", "reasons"})
    score: int
    threshold: int
    rules: int
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReviewSettled(ClaimReviewEvent):
    type: ClassVar[str] = "guard.review_settled"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    decision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReviewDropped(ClaimReviewEvent):
    """Nobody is to be scored there any more, or there is nothing to approve."""

    type: ClassVar[str] = "guard.review_dropped"
