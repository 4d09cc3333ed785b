"""The admin's first page: what is open, what happens next and when, who is on call, what failed.

Reads only, in a number of queries that does not grow with what there is to show.
"""
