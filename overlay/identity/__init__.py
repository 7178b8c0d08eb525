"""Who a peer is: keys, peer ids, networks, invitations, proof of work, signed statements."""
