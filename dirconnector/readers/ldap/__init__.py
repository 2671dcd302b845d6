"""LDAP directories: Active Directory, OpenLDAP, 389 Directory Server, FreeIPA, JumpCloud and their like."""

from dirconnector.readers.ldap.reader import LdapReader
from dirconnector.readers.ldap.settings import LdapSettings

__all__ = ["LdapReader", "LdapSettings"]
