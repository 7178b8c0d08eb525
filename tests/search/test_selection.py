"""What of the hits of a search is passed on, and what is said to be held back."""

from overlay.search.receipts import KEY_BYTES, Account
from overlay.search.selection import Selection
from tests.search.test_replies import ids, rows


def test_whatWasSentIsNotHeldBack() -> None:
    """
    A super-peer passes on its own best, and another holds back the same records, as they are registered at both: at the end those count as
    held back that nobody has sent.
    """
    account = Account()
    selection = Selection(50, account, 1)
    own = rows(0, 3)
    assert selection.choose(own) is own and selection.passed == 3
    keys = [one[:KEY_BYTES] for one in ids(1, 5)]
    account.holdAll(keys, 0.5)
    selection.settle()
    assert list(account.held) == keys[2:]


def test_norWhatCameAfter() -> None:
    """The same with hits of others behind the first ones, each of which is passed on once."""
    account = Account()
    selection = Selection(50, account, 1)
    selection.choose(rows(0, 3))
    assert [one.recordId for one in selection.choose(rows(2, 5))] == ids(3, 5) and selection.passed == 5
    account.holdAll([one[:KEY_BYTES] for one in ids(0, 7)], 0.5)
    selection.settle()
    assert list(account.held) == [one[:KEY_BYTES] for one in ids(5, 7)]
