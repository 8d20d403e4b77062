"""What all analyses share: the error they raise and the confidence of their intervals."""

CONFIDENCE = 0.95


class AnalysisError(ValueError):
    """Results that do not allow an analysis; the message is one line and says what would."""
