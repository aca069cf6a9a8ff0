from collections.abc import Sequence

from helpdesk.integrations.mapping import load_mapping, shipped
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.code_map_events import CodeMapDeleted
from helpdesk.taxonomy.errors import CodeInUse


def refuse_named(_uow: UnitOfWork, events: Sequence[CodeMapDeleted]) -> None:
    """Raises `CodeInUse` for a map that a shipped import mapping goes by."""
    gone = {event.system for event in events}
    mappings = [load_mapping(name) for name in shipped()]
    found = [
        {"what": "import_mapping", "id": mapping.name, "name": mapping.title}
        for mapping in mappings
        if gone.intersection(mapping.code_maps)
    ]
    if found:
        raise CodeInUse(uses=found)
