"""What the gateway's port waits for: importing the application must stay cheap."""

import subprocess
import sys

HEAVY = ("mlx", "mlx_lm", "tokenizers", "llguidance", "jsonschema", "numpy", "huggingface_hub", "torch", "transformers")


def test_the_application_imports_nothing_heavy() -> None:
    program = f"import sys, vivace.server.run; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
