"""The line protocol: commands, server side, client side."""
