"""What an owner says of its homes: a list that it signs, in the order in which its records count there."""

import msgspec

from overlay.commons import Commons
from overlay.errors import Forged, SuperpeerError
from overlay.identity.ids import PeerId
from overlay.index.store import Registration
from overlay.questions import Deed
from overlay.wire.statements import HomeList, Signed, decodeBody, pack, unseal


def openHomes(commons: Commons, owner: bytes, signed: Signed) -> HomeList:
    """
    @raise SuperpeerError: it is not a list of homes that C{owner} has signed.
    """
    statement = unseal(commons.scheme, signed, HomeList, commons.network.id, owner)
    if statement.owner != owner:
        raise Forged("homes of another")
    return statement


def homesSaid(
    commons: Commons, owner: bytes, signed: Signed | None, held: Registration | None
) -> tuple[tuple[PeerId, ...] | None, bytes]:
    """The owner's homes if it has said something newer of them than what is held, and the statement, encoded."""
    if signed is None:
        return None, b""
    try:
        statement = openHomes(commons, owner, signed)
    except SuperpeerError:
        commons.report(PeerId(owner), Deed.FORGED_STATEMENT)
        return None, b""
    if held is not None and held.homesSigned:
        old = decodeBody(msgspec.msgpack.decode(held.homesSigned, type=Signed).body, HomeList)
        if old.sequence > statement.sequence:
            return None, b""
    return tuple(PeerId(one) for one in statement.homes), pack(signed)
