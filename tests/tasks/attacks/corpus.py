"""The whole corpus. Left out: V37, as no judge here asks a model yet, and V41, which needs a GPU."""

from tests.tasks.attacks.floods import FLOODS
from tests.tasks.attacks.forgeries import FORGERIES
from tests.tasks.attacks.peeks import PEEKS
from tests.tasks.attacks.tempo import LEFTOVERS, TEMPO

WRONG_ANSWERS = [*FORGERIES, *PEEKS, *FLOODS]
"""None of these may pass."""
SLOW_ANSWERS = TEMPO
"""None of these may look fast."""
AGAINST_PYTEST = [*FORGERIES, *PEEKS, *TEMPO, *LEFTOVERS]
"""What the naive verifier is tried with too; the rest aims at whoever reads results."""
