"""
The policies that ship, and the place where third-party ones are found.

The files of this package lie in the top-level folder C{plugins/}; other distributions, and a folder given with
C{--plugin-dir}, add modules to it (see docs/plugins.md).
"""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
