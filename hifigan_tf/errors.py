"""The one exception whose message is written for the user."""


class UserError(Exception):
    """Something the user can mend: the message is one line with what was wrong, the value, and what to do."""
