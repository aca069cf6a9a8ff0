"""`helpdesk search`: the index of complaints, from the command line."""

import click

from helpdesk.complaints import search_index, search_jobs
from helpdesk.identity.actors import SYSTEM


@click.group()
def search() -> None:
    """The index of the text of complaints."""


@search.command()
@click.pass_context
def rebuild(context: click.Context) -> None:
    """Make the index anew from the text. What was there is found all the while."""
    database = context.obj().database
    with database.unit_of_work(SYSTEM) as uow:
        waiting = search_index.forget_all(uow)
    done = 0
    while count := search_jobs.index_unsearched(database):
        done += count
        click.echo(f"{done} of {waiting}")
    click.echo(f"{done} complaints indexed.")
