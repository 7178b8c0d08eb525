"""What a leaf keeps of the heirs of its homes: it finds them when all its homes are gone."""

import msgspec

from overlay.commons import Commons
from overlay.wire import limits
from overlay.wire.statements import Signed, pack


class HeirLists:
    """
    Of the last few homes, also after a restart.

    @ivar byHome: the list of its heirs that each has signed; not to be changed.
    """

    __slots__ = ("_table", "byHome")

    def __init__(self, commons: Commons) -> None:
        self._table = commons.softTable("heirs")
        self.byHome: dict[bytes, Signed] = {}
        for home, value in list(self._table.items()):
            try:
                self.byHome[home] = msgspec.msgpack.decode(value, type=Signed)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._table.remove(home)

    def put(self, home: bytes, signed: Signed) -> None:
        """
        Keep the list of a home in place of its last one.

        @param signed: checked.
        """
        self.byHome.pop(home, None)
        self.byHome[home] = signed
        self._table.put(home, pack(signed))
        while len(self.byHome) > limits.HOMES:
            old = next(iter(self.byHome))
            del self.byHome[old]
            self._table.remove(old)
