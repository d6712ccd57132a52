import os

from hypothesis import settings

from vivace.engine.environment import import_mlx_lm

import_mlx_lm()  # before a test module does it, and lowers the limit of open files for all that follow

# CI tries the same examples every time; elsewhere each run looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
