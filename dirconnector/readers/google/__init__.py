"""Google Workspace and Cloud Identity, through the Directory API of the Admin SDK."""

from dirconnector.readers.google.reader import GoogleReader
from dirconnector.readers.google.settings import GoogleSettings

__all__ = ["GoogleReader", "GoogleSettings"]
