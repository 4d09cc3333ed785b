"""A convincing organisation with years of history, for screenshots, benchmarks and looking around.

History is made by the rooms' own verbs on a virtual clock that walks from then to now; nothing of
it ever leaves the house.
"""
