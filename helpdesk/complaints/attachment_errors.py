from helpdesk.kernel.errors import Conflict


class TooManyAttachments(Conflict):
    code = "too_many_attachments"
    title = "The complaint has as many attachments as it may have"
    advice = "Redact what is not needed, or ask whoever runs this installation for more room."


class AttachmentRedactedAlready(Conflict):
    code = "attachment_redacted"
    title = "This attachment was redacted"
    advice = "Its bytes are gone; what is left of it is its size and digest."


class AttachmentNotClean(Conflict):
    code = "attachment_not_clean"
    title = "This attachment is not known to be clean"
    advice = (
        "Wait until it is scanned (`scan`); one that failed can be scanned again; an infected one is never given out."
    )


class ScannerNotConfigured(Conflict):
    code = "scanner_not_configured"
    title = "No virus scanner is configured"
    advice = "Set HELPDESK_CLAMD_URL."
