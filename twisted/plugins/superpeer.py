"""Makes C{twistd superpeer} known to Twisted. Nothing else: every start of twistd imports this file."""

from twisted.application.service import ServiceMaker

superpeer = ServiceMaker("superpeer", "overlay.tap", "One peer of a search network without a server.", "superpeer")
