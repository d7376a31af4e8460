"""What all tests share. Lying here, it also puts this folder on the path: ``from fakes.supervisor import ...``."""

import os

from hypothesis import settings

# HEALER_EXAMPLES says how thorough the properties are: 20 is the usual, a night's run may take 5000.
settings.register_profile("healer", max_examples=max(1, 5 * int(os.environ.get("HEALER_EXAMPLES", "20"))))
settings.load_profile("healer")
