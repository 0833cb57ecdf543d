"""The warnings of this package."""


class BitLinearWarning(UserWarning):
    """Something was left as it was, or does not do what it looks like."""
