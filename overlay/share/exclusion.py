"""What of a folder is not shared: hidden files, version control, key files, and what the user excludes."""

import re
from collections.abc import Sequence
from fnmatch import translate

VERSION_CONTROL = frozenset({"CVS", "_darcs", "RCS", "SCCS"})
"""The others begin with a dot, and are hidden."""
KEY_FILES = (
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdb", "*.kdbx",
    "*.keychain", "*.ppk", "secring.*", "*.gpg-key", "*.ovpn", "credentials.json", "wallet.dat",
)


class Exclusion:
    """
    @ivar patterns: of the user, as given.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        """
        @param patterns: shell patterns; one with a slash is held against the path within the share, one without against each name.
        """
        self.patterns = tuple(patterns)
        self._keys = re.compile("|".join(translate(one) for one in KEY_FILES), re.IGNORECASE)
        self._names = [re.compile(translate(one.rstrip("/"))) for one in patterns if "/" not in one.rstrip("/")]
        self._paths = [re.compile(translate(one.strip("/"))) for one in patterns if "/" in one.rstrip("/")]

    def reason(self, path: str, name: str, folder: bool) -> str:
        """
        Why something is left out; empty if it is not.

        @param path: within the share, with C{/} between the parts.
        @param name: its last part.
        """
        if name.startswith("."):
            return "hidden"
        if folder and name in VERSION_CONTROL:
            return "version control"
        if not folder and self._keys.match(name):
            return "key file"
        if any(one.match(name) for one in self._names) or any(one.match(path) for one in self._paths):
            return "excluded"
        return ""
