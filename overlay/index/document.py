"""One shared item before it is signed: what the share room hands to the owner's registration."""

import attrs


@attrs.frozen(slots=True)
class Document:
    """
    @ivar location: path in the share, C{/} between parts, beginning with the share's own name; unique within one owner.
    @ivar name: last part of the location.
    @ivar size: bytes.
    @ivar modified: seconds since the epoch, whole.
    @ivar mediaType: as in C{text/plain}.
    @ivar content: SHA-256 of the whole content, 32 bytes.
    @ivar text: the beginning of the text, within the text limit; empty if there is none.
    @ivar terms: distinct terms of the whole text with their counts, the most telling ones within the term limit.
    @ivar length: words in the whole text.
    @ivar title: what the document calls itself; its words count among those of the text as well.
    """

    location: str
    name: str
    size: int
    modified: int
    mediaType: str
    content: bytes
    text: str = ""
    terms: tuple[tuple[str, int], ...] = ()
    length: int = 0
    title: str = ""
