"""What a link says of the channel that it goes over."""

from overlay.link.channel import IChannel


class OverChannel:
    """See L{IChannel} for each of these."""

    __slots__ = ("_channel",)

    def __init__(self, channel: IChannel) -> None:
        self._channel = channel

    @property
    def dialled(self) -> bool:
        return self._channel.dialled

    @property
    def address(self) -> str:
        return self._channel.remoteAddress

    @property
    def dialledAddress(self) -> str:
        return self._channel.dialledAddress

    @property
    def binding(self) -> bytes:
        return self._channel.binding

    @property
    def bytesSent(self) -> int:
        return self._channel.bytesSent

    @property
    def bytesReceived(self) -> int:
        return self._channel.bytesReceived

    @property
    def congested(self) -> bool:
        return self._channel.congested
