"""`vivace serve` with the engine of `_muting_engine`.

python -m benchmarks._muting_server MODEL PORT
"""

import asyncio
import sys

from vivace.fleet import Fleet
from vivace.server.app import create_app
from vivace.server.run import bind, server_for
from vivace.settings import Settings

_ENGINE = (sys.executable, "-m", "benchmarks._muting_engine")


def main() -> None:
    model, port = sys.argv[1:]
    settings = Settings(model=model, port=int(port))
    app = create_app(settings, Fleet(settings, engine_command=_ENGINE))
    with bind(settings.host, settings.port) as sock:
        asyncio.run(server_for(app, settings).serve([sock]))


if __name__ == "__main__":
    main()
