from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel import jobs
from helpdesk.kernel.http import Blueprint, language
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.suggestions import figures, schemas, suggesting, training
from helpdesk.suggestions.errors import TrainingInProgress
from helpdesk.suggestions.suggesting import LANGUAGES

blp = Blueprint("suggestions", __name__, description="Which category the words of a complaint speak for, and why.")


@blp.read(
    "/complaints/<ref>/category-suggestions",
    operation_id="get_complaint_category_suggestions",
    summary="Categories that its text suggests, with the words that speak for each",
    description="From subject and description, by a model that learned from the complaints that people have categorised here; "
    "until there are enough of them, and for categories with too few, by lists of words that come with the program. Nothing "
    "is applied: triage is. What an agent who may triage is shown is noted, so that it can be counted whether they follow.",
    answer=schemas.CategorySuggestions,
    permission="complaint:read",
    languages=LANGUAGES,
)
def get_suggestions(session: Session, actor: Actor, ref: str) -> dict[str, Any]:
    return suggesting.for_complaint(session, actor, ref, language(LANGUAGES))


@blp.read(
    "/category-model",
    operation_id="get_category_model",
    summary="The model that suggests categories: how good it is, what it confuses, whether people follow",
    description="Accuracy is on complaints that the model did not know (the newest 2 000, in five parts, each tried by a model "
    "that learned from all but that part), beside a guess of the most frequent category and beside the lists of words.",
    answer=schemas.CategoryModel,
    permission="category_model:read",
    languages=LANGUAGES,
)
def get_model(session: Session, _actor: Actor) -> dict[str, Any]:
    return figures.model_figures(session, language(LANGUAGES))


@blp.read(
    "/category-model/versions",
    operation_id="list_category_model_versions",
    summary="The last versions of the model with their figures, the newest first",
    answer=schemas.CategoryModelVersion,
    query=PageQuery,
    permission="category_model:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return figures.versions(session, page, given)


def _show_job(session: Session, actor: Actor, job_id: UUID) -> Any:
    return jobs.detail(session, actor, job_id)


@blp.write(
    "/category-model/trainings",
    operation_id="train_category_model",
    summary="Train the model on what is categorised now",
    description="A job reads every complaint that was categorised by a person here or imported with a category, as it is now. "
    "The new version is in use when the job is done; with too little to learn from, its result says so. The schedule does "
    "the same every night, and soon after a text was redacted.",
    answer=JobOut,
    status=202,
    permission="category_model:train",
    show=_show_job,
    location=lambda job: f"/api/v1/jobs/{job['id']}",
    errors=(TrainingInProgress,),
)
def train_model(uow: UnitOfWork, actor: Actor) -> UUID:
    return training.ask(uow, actor)
