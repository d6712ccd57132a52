from vivace.cli.options import with_settings
from vivace.settings import Loaded


def run(loaded: Loaded) -> None:
    """Serve a model."""
    print(loaded)


command = with_settings(run)
