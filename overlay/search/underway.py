"""The copies that one branch of a search has sent and whose ends are to come: those that are waited for, and those of silent peers."""

from collections.abc import Iterator, Sequence

from overlay.search.copies import Copy
from overlay.search.receipts import NAME_BYTES, Account


class UnderWay:
    """
    Whoever is silent is counted as lost at once, and named; what it answers after all, as long as others are waited for, sets that right.

    @ivar waited: copies that are waited for.
    @ivar aside: those that are not.
    """

    __slots__ = ("_account", "aside", "waited")

    def __init__(self, account: Account) -> None:
        self._account = account
        self.waited: dict[Copy, None] = {}
        self.aside: dict[Copy, None] = {}

    def __iter__(self) -> Iterator[Copy]:
        return iter([*self.waited, *self.aside])

    def sent(self, copies: Sequence[Copy]) -> None:
        """Some more."""
        for copy in copies:
            self.waited[copy] = None
            if copy.link.silent:
                self.silenceChanged(copy)

    def silenceChanged(self, copy: Copy) -> None:
        """The peer has fallen silent, or speaks again."""
        name = copy.link.peerId[:NAME_BYTES]
        if copy.link.silent and copy in self.waited:
            del self.waited[copy]
            self.aside[copy] = None
            self._account.lost += 1
            self._account.nameSilent(name)
        elif not copy.link.silent and copy in self.aside:
            del self.aside[copy]
            self.waited[copy] = None
            self._account.lost -= 1
            self._account.silent.pop(name, None)

    def ended(self, copy: Copy, heard: bool) -> bool:
        """
        @param heard: whether its peer has spoken; else the link died.
        @return: whether it was under way.
        """
        if copy in self.waited:
            del self.waited[copy]
            return True
        if copy in self.aside:
            del self.aside[copy]
            self._account.lost -= 1
            if heard:
                self._account.silent.pop(copy.link.peerId[:NAME_BYTES], None)
            return True
        return False

    def clear(self) -> None:
        """Wait for none any more."""
        self.waited.clear()
        self.aside.clear()
