"""The auditor: looks whether what Tocsin promises holds, in the rows themselves.

It reads, and shares nothing with the engines but the tables: no claim, no cache, no memory of what
they meant to do. What it cannot look at counts as broken, and where there is nothing to look at it
says so.
"""
