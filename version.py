"""The one number of this version; everything else that names it reads it here."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
