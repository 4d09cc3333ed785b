"""Decides; knows no database and no clock: when people hear of a review, and what it lacks."""
