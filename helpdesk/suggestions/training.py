"""Training: what is read, what is made of it, and how a new version comes into use.

The whole of what was categorised is read each time (the newest `MOST_EXAMPLES`): counting is quick, and only then is what
was judged anew, redacted or dismissed since not in the counts any more. The newest are also what it is tried on
(`evaluation`), by models that are made for that alone; the one that comes into use has learned from all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete

from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.suggestions import evaluation, features, keywords, queries
from helpdesk.suggestions.categories import Labels
from helpdesk.suggestions.classifier import Classifier, learned, packed
from helpdesk.suggestions.counting import Counts
from helpdesk.suggestions.errors import TrainingInProgress
from helpdesk.suggestions.evaluation import Figures, HeldOut, Trial
from helpdesk.suggestions.events import CategoryModelTrained
from helpdesk.suggestions.models import CategoryModel
from helpdesk.suggestions.queries import Example

TOPIC: Final = "suggestions.train"
KIND: Final = "suggestions.train"
MOST_EXAMPLES: Final = 100_000
LEAST_EXAMPLES: Final = 50
"""With fewer, the shipped lists know more."""
VERSIONS: Final = 5
"""The last ones are kept."""


def ask(uow: UnitOfWork, actor: Actor) -> UUID:
    """Have the model trained, by a job; its id. Raises `TrainingInProgress`: one at a time, since two would be the same."""
    queries.lock_training(uow.session)
    job_id = queries.training_under_way(uow.session, KIND)
    if job_id is not None:
        raise TrainingInProgress(job_id=job_id)
    return jobs.begin(uow, actor, kind=KIND, topic=TOPIC, given={})


@dataclass(slots=True)
class Lesson:
    """What is learned from the examples it is told, the newest first. `tried`: the words of those that the model is tried on;
    all others are only counted.
    """

    allowed: Mapping[str, Labels]
    counts: Counts = field(default_factory=Counts)
    tried: list[HeldOut] = field(default_factory=list)

    def add(self, examples: Iterable[Example]) -> None:
        """Those of a category that is not in use any more teach nothing."""
        for one in examples:
            if one.category in self.allowed:
                self._add(one)

    def _add(self, one: Example) -> None:
        text = one.description if one.subject is None else features.whole(one.subject, one.description)
        words = features.without(features.words_of(text), one.names)
        if len(self.tried) < evaluation.MOST:
            ruled = keywords.judge(text, features.read(text), self.allowed)
            by_rules = ruled[0].category if ruled else None
            self.tried.append(HeldOut(evaluation.fold_of(one.id), one.category, words, by_rules))
        else:
            self.counts.add(one.category, words)

    @property
    def size(self) -> int:
        return self.counts.examples.total() + len(self.tried)

    def learn(self) -> "Learned | None":
        """None where there is too little to learn from."""
        counts = self._all_but(None)
        model = learned(counts) if self.size >= LEAST_EXAMPLES else None
        if model is None:
            return None
        trials = list(self._trials())
        sharpness = evaluation.sharpest(trials)
        figures = evaluation.evaluate(trials, sharpness)
        return Learned(model.sharpened(sharpness), figures, dict(counts.examples))

    def _trials(self) -> Iterator[Trial]:
        for fold in range(evaluation.FOLDS):
            model = learned(self._all_but(fold))
            if model is not None:
                yield evaluation.trial(model, (one for one in self.tried if one.fold == fold))

    def _all_but(self, fold: int | None) -> Counts:
        counts = self.counts.copy()
        for one in self.tried:
            if one.fold != fold:
                counts.add(one.category, one.words)
        return counts


@dataclass(frozen=True, slots=True)
class Learned:
    """`examples`: of every category, those of too few for the model included."""

    model: Classifier
    figures: Figures
    examples: dict[str, int]

    @property
    def size(self) -> int:
        return sum(self.examples.values())


def put_into_use(uow: UnitOfWork, job: jobs.Job, made: Learned, redactions: int) -> dict[str, Any]:
    """A new version, in use from the commit on; what to tell of it. `redactions`: how many there were when the examples
    were read. `queries.lock_training` comes first.
    """
    versions = queries.kept_versions(uow.session)
    version = versions[0].version + 1 if versions else 1
    content, checksum = packed(made.model.content)
    model_id = new_id()
    figures = made.figures.as_data() | {"examples": dict(sorted(made.examples.items()))}
    uow.session.add(
        CategoryModel(
            id=model_id,
            version=version,
            job_id=job.id,
            trained_by=job.created_by,
            redactions=redactions,
            examples=made.size,
            words=len(made.model.words),
            content=content,
            checksum=checksum,
            figures=figures,
            created_at=uow.now,
        )
    )
    forget(uow, redactions, before=version - VERSIONS + 1)
    uow.record(
        CategoryModelTrained(
            model_id=model_id,
            version=version,
            job_id=job.id,
            trained_by=job.created_by,
            examples=made.size,
            words=len(made.model.words),
            held_out=made.figures.count,
            right=made.figures.right,
        )
    )
    return {"trained": True, "version": version, "examples": made.size, "accuracy": figures["accuracy"]}


def too_little(uow: UnitOfWork, examples: int, redactions: int) -> dict[str, Any]:
    """Nothing was learned; what to tell. The versions before stay in use, unless they may hold words that are to be gone."""
    forget(uow, redactions)
    return {"trained": False, "examples": examples, "needed": LEAST_EXAMPLES}


def forget(uow: UnitOfWork, redactions: int, *, before: int = 0) -> None:
    """Versions `before` that one, and those that were read before something in their texts was redacted."""
    stale = (CategoryModel.version < before) | (CategoryModel.redactions < redactions)
    uow.session.execute(delete(CategoryModel).where(stale).execution_options(synchronize_session=False))
