"""A real service that really goes down, and a real monitor that notices: the cast of the demo."""
