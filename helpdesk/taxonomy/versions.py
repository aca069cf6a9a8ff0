"""One version after the other: whoever has changed something says so here, and the whole as it then is is kept."""

from collections.abc import Iterable
from typing import Any

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy import queries
from helpdesk.taxonomy.in_force import changed
from helpdesk.taxonomy.models import SeveritySpec, TaxonomyTerm, TaxonomyVersion


def keep(uow: UnitOfWork, severity: SeveritySpec) -> int:
    """Begin a version with what stands there now; its number. `severity`: the row, which the caller has locked."""
    uow.session.flush()  # what was changed is read below
    version = queries.last_version(uow.session) + 1
    content = content_of(queries.all_terms(uow.session), severity)
    row = {"version": version, "content": content, "created_at": uow.now}
    uow.add_rows(TaxonomyVersion, [{**row, "actor_kind": uow.actor.kind, "actor_id": uow.actor.id}])
    changed(uow)
    return version


def content_of(terms: Iterable[TaxonomyTerm], severity: SeveritySpec) -> dict[str, Any]:
    """A version as it is kept, of terms in their order."""
    return {
        "terms": [
            {
                "kind": row.kind,
                "code": row.code,
                "labels": row.labels,
                "traits": row.traits,
                "retired": row.retired_at is not None,
            }
            for row in terms
        ],
        "severity": {**severity.spec, "version": severity.version},
    }
