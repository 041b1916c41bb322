"""How commands of a page are run: in this environment, which make shall not make again, and without a browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "BROWSER": "true"}
MADE = [f"{sys.prefix}/.{name}" for name in ("made", "notebook", "test", "docs", "browser")]
MAKE = ["make", f"VENV={sys.prefix}", *(part for name in MADE for part in ("-o", name))]
NO_NETWORK = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    "HF_HUB_OFFLINE": "1",
}
