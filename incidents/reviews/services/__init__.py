"""The verbs of this room. The only place that other rooms call."""
