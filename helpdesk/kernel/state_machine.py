"""A lifecycle as data, and everything that follows from it.

When to use it: for a state that several callers change and that others wait for (a complaint, an offer). When not: for
a flag. A transition is one row of a table; the guard, the actions a caller may take now, the check constraint and the
diagram are read off that table, so there is no second list to keep alike. The engine assigns nothing: the one function
of a domain that writes its status asks `Lifecycle.transition` first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpdesk.kernel.errors import ActionNotAllowed


@dataclass(frozen=True, slots=True)
class Requirement:
    """A fact about the row that must hold before an action, beside what its body supplies.

    `holds` takes the row; False means that `detail` is told to the caller under `code`. `unless` names a field of the body
    that lifts it: whoever goes on all the same says there why.
    """

    code: str
    detail: str
    holds: Callable[[Any], bool]
    unless: str | None = None

    def told(self) -> dict[str, str]:
        return {"code": self.code, "detail": self.detail} | ({"unless": self.unless} if self.unless else {})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a lifecycle table. `target` None: the state stays as it is, or is one of `back_to`, as the act says: what
    undoes another act leads back to where that one began.
    """

    action: str
    sources: frozenset[str]
    target: str | None
    permission: str
    summary: str
    supplies: tuple[str, ...] = ()
    """Names of the body's fields that the action must be given, for `allowed_actions`."""
    requires: tuple[Requirement, ...] = field(default=())
    back_to: frozenset[str] = frozenset()
    only: Requirement | None = None
    """Of rows of one kind; of others the action is neither possible nor listed."""
    also: Callable[[Any], str | None] = lambda _: None
    """A further permission that some rows ask for."""

    def exists_for(self, row: Any) -> bool:
        return self.only is None or self.only.holds(row)

    def permissions(self, row: Any) -> tuple[str, ...]:
        """All that somebody needs for it."""
        more = self.also(row)
        return (self.permission,) if more is None else (self.permission, more)

    def missing(self, row: Any) -> list[dict[str, str]]:
        """What this row still lacks before the action is possible: `[{code, detail, unless}]`, empty when nothing; `unless`
        only where a field of the body lifts it.
        """
        return [need.told() for need in self.requires if not need.holds(row)]

    def leads_to(self, source: str) -> frozenset[str]:
        """Where it may lead from `source`."""
        return frozenset({self.target}) if self.target else self.back_to or frozenset({source})


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The whole table. `states` is in the order of the happy path; `initial` is where a row is born."""

    name: str
    states: tuple[str, ...]
    initial: str
    transitions: tuple[Transition, ...]
    further: Callable[[Any, str], list[dict[str, str]]] = lambda _row, _action: []
    """What a row lacks for an action by rules that are data, beyond the table: `[{code, detail}]`."""

    def __post_init__(self) -> None:
        actions = [transition.action for transition in self.transitions]
        if len(set(actions)) != len(actions):
            raise ValueError(f"{self.name}: an action stands twice")
        known = set(self.states)
        for transition in self.transitions:
            unknown = (transition.sources | transition.back_to | {transition.target or self.initial}) - known
            if unknown:
                raise ValueError(f"{self.name}.{transition.action}: unknown states {sorted(unknown)}")

    def by_action(self, action: str) -> Transition:
        """Raises KeyError for an action that is not in the table."""
        return next(row for row in self.transitions if row.action == action) if action in self.actions else _no(action)

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(row.action for row in self.transitions)

    def from_state(self, state: str) -> list[Transition]:
        return [row for row in self.transitions if state in row.sources]

    def missing(self, step: Transition, row: Any) -> list[dict[str, str]]:
        """What this row still lacks before the action is possible, by the table and beyond it."""
        return step.missing(row) + self.further(row, step.action)

    def allowed(self, state: str, row: Any, may: Callable[[str], bool]) -> list[dict[str, Any]]:
        """What this caller can do now: `[{action, supplies, missing}]`, in the table's order.

        `may` tells whether the caller holds a permission. An action with something `missing` is listed, because what
        is missing is the news; it is refused until that is mended.
        """
        return [
            {"action": step.action, "supplies": list(step.supplies), "missing": self.missing(step, row)}
            for step in self.from_state(state)
            if step.exists_for(row) and all(map(may, step.permissions(row)))
        ]

    def transition(
        self, action: str, state: str, row: Any, may: Callable[[str], bool], given: Mapping[str, Any] | None = None
    ) -> Transition:
        """The guard: the row of the table, or `ActionNotAllowed` with what is allowed and what is missing. `given`: the
        body; before it is known, what it may lift is not asked for.
        """
        step = self.by_action(action)
        missing = [
            need
            for need in self.missing(step, row)
            if "unless" not in need or not (given is None or given.get(need["unless"]))
        ]
        if state in step.sources and step.exists_for(row) and not missing:
            return step
        if step.only is not None and not step.exists_for(row):
            detail = f"{action!r} is not possible: {step.only.detail}"
        elif state in step.sources:
            detail = f"{action!r} is not possible now: " + " ".join(need["detail"] for need in missing)
        else:
            detail = f"{action!r} is not possible from {state!r}; it is from {_listed(sorted(step.sources))}."
        raise ActionNotAllowed(
            detail, state=state, action=action, missing=missing, allowed_actions=self.allowed(state, row, may)
        )

    def check_constraint(self, column: str) -> str:
        """SQL for the column's check constraint."""
        return f"{column} IN ({', '.join(repr(state) for state in self.states)})"

    def diagram(self) -> str:
        """Mermaid source of the whole table; acts that leave the state alone are listed beside it."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        arrows: dict[tuple[str, str], list[str]] = {}
        stays: dict[str, list[str]] = {}
        for step in self.transitions:
            for source in sorted(step.sources, key=self.states.index):
                for target in sorted(step.leads_to(source), key=self.states.index):
                    if step.target is None and not step.back_to:
                        stays.setdefault(source, []).append(step.action)
                    else:
                        arrows.setdefault((source, target), []).append(step.action)
        lines += [f"    {source} --> {target}: {', '.join(acts)}" for (source, target), acts in arrows.items()]
        for state, acts in stays.items():
            lines.append(f"    {state}: {state}\\n({', '.join(acts)})")
        return "\n".join(lines)


def _listed(words: Sequence[str]) -> str:
    return " or ".join(repr(word) for word in words)


def _no(action: str) -> Transition:
    raise KeyError(action)


def states(*names: str) -> frozenset[str]:
    return frozenset(names)


def replay(lifecycle: Lifecycle, steps: Iterable[tuple[str, str, str]]) -> str:
    """Walk recorded `(action, from, to)` steps from the initial state; the state they end in.

    Raises ValueError naming the first step that does not follow from the one before or is not in the table.
    """
    state = lifecycle.initial
    for number, (action, source, target) in enumerate(steps, start=1):
        step = lifecycle.by_action(action)
        if source != state:
            raise ValueError(f"step {number} ({action}) starts from {source!r}, but the row was {state!r}")
        if source not in step.sources or target not in step.leads_to(source):
            raise ValueError(f"step {number} ({action}) from {source!r} to {target!r} is not in the table")
        state = target
    return state
