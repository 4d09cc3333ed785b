"""The house put together.

Everything begins here, with a great many modules of which nothing is garbage: the collector would
look for some all the while. `ConfigConfig.ready` calls it back.
"""

import gc

gc.disable()
