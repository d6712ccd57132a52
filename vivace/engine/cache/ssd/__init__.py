from typing import Any
Entry = Record = SsdTier = Any
