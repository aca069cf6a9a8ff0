class EmbeddedServerError(Exception):
    """An embedded server cannot run here. The message is for a person and says what to do next; show it without a trace."""
