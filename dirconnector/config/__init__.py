"""The configuration file: where it is, what it says, and the one that ``dirsync init`` starts from."""

from dirconnector.config.find import find
from dirconnector.config.load import load
from dirconnector.config.model import Config, Directory, OrganizationSection
from dirconnector.config.starter import starter_config

__all__ = ["Config", "Directory", "OrganizationSection", "find", "load", "starter_config"]
