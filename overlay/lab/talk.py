"""Talks to the console of a real peer over a blocking socket, as a simple client would."""

import socket


def _connected(console: str) -> socket.socket:
    """To a console at C{HOST:PORT} or C{unix:PATH}."""
    if console.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        connection.connect(console.removeprefix("unix:"))
    else:
        host, _, port = console.rpartition(":")
        connection = socket.create_connection((host.strip("[]"), int(port)), 10)
    connection.settimeout(60)
    return connection


def speak(console: str, *lines: str) -> list[str]:
    """Say some lines, end the input, and read all that comes: what netcat does."""
    with _connected(console) as connection:
        connection.sendall("".join(line + "\r\n" for line in lines).encode())
        connection.shutdown(socket.SHUT_WR)
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    return data.decode().split("\r\n")[:-1][1:]


def everything(console: str, query: str, codes: dict[int, int], seconds: int = 20) -> set[str]:
    """
    The content hashes of all rows of a query, with MORE until there are no more.

    @param codes: how each part ended is counted here.
    @param seconds: that each part may take.
    """
    seen: set[str] = set()
    with _connected(console) as connection:
        stream = connection.makefile("rwb")
        stream.readline()
        line = f"SEARCH limit=500 timeout={seconds} {query}"
        while line:
            stream.write(line.encode() + b"\r\n")
            stream.flush()
            line = ""
            while reply := stream.readline().decode().strip():
                if reply.startswith("q1 "):
                    seen.add(reply.split()[2])
                elif not reply.startswith("150"):
                    code = int(reply[:3])
                    codes[code] = codes.get(code, 0) + 1
                    if " held=" in reply and code < 300 and " hits=0 " not in reply and len(seen) < 1000:
                        line = "MORE q1"
                    break
    return seen
