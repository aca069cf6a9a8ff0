"""What happens to routing rules: administrative acts."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRuleEvent(Event):
    """`changes`: field -> [before, after]."""

    rule_id: UUID
    version: int
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.rule_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRuleCreated(RoutingRuleEvent):
    type: ClassVar[str] = "routing.rule_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRuleChanged(RoutingRuleEvent):
    type: ClassVar[str] = "routing.rule_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRuleRemoved(RoutingRuleEvent):
    type: ClassVar[str] = "routing.rule_removed"
