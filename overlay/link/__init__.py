"""One connection: frames over TLS, hello, keep-alive, flow control; and the set of all links."""
