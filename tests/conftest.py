"""Before any library is loaded: one thread for each operation.

Tests run on tiny tensors, for which more threads only wait for one another, and `make test` runs
two of them at a time.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
