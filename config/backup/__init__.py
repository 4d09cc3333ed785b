"""Backup and restore: the whole database as one file, and back, on either engine."""
