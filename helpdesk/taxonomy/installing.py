"""What comes with the program: put into an empty system, and added to one that there is.

A new version of the program adds the codes that are new in it, at the end of their kind. What is there stays as the operator
has it: labels, traits, order, what is retired, and the rules of severity.
"""

from collections import defaultdict

from helpdesk.identity.administration import record_administration
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy import queries, versions
from helpdesk.taxonomy.events import TaxonomyShipped
from helpdesk.taxonomy.models import SEVERITY, SeveritySpec, TaxonomyTerm
from helpdesk.taxonomy.terms import shipped_severity, shipped_terms


def install_taxonomy(uow: UnitOfWork) -> bool:
    """Whether anything was added. Safe to repeat; of two at once, one has to wait (`roles.install_permissions` sees to that)."""
    severity = queries.severity_if_installed(uow.session)
    known = {(row.kind, row.code) for row in queries.all_terms(uow.session)}
    new = [item for item in shipped_terms() if (item["kind"], item["code"]) not in known]
    if severity is not None and not new:
        return False
    if severity is None:
        severity = SeveritySpec(id=SEVERITY, spec=shipped_severity(), version=1)
        uow.session.add(severity)
    added: dict[str, list[str]] = defaultdict(list)
    last = {kind: queries.last_position(uow.session, kind) for kind in {item["kind"] for item in new}}
    for item in new:
        last[item["kind"]] += 1
        added[item["kind"]].append(item["code"])
        row = TaxonomyTerm(id=new_id(), created_at=uow.now, position=last[item["kind"]], version=1, **item)
        uow.session.add(row)
    version = versions.keep(uow, severity)
    record_administration(uow, TaxonomyShipped(rules_id=SEVERITY, taxonomy_version=version, codes=dict(added)))
    return True
