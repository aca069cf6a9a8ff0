from helpdesk.kernel.errors import Conflict, DomainError


class UnusableMapping(ValueError):
    """A mapping file that cannot be used; the message names each key and says what would be accepted."""


class UnusableFile(ValueError):
    """A file that cannot be imported at all, in distinction to single records of it."""


class ImportEnded(Conflict):
    code = "import_ended"
    title = "This import has ended"
    advice = "Create a new import; records that are known by their external id are skipped."


class ContentReceived(Conflict):
    code = "content_received"
    title = "This import has its content already"
    advice = "Create a new import for another file."


class ImportedBefore(Conflict):
    code = "imported_before"
    title = "This file has been imported before, or is being imported now"
    advice = (
        "Look at the import named in `earlier_import_id`. To take the file in once more, create an import with `again`."
    )


class UnsupportedContent(DomainError):
    status = 415
    code = "unsupported_content"
    title = "This kind of content cannot be imported"
    advice = "Send the file as it is, as `text/csv`, `application/x-ndjson` or `application/octet-stream`."
