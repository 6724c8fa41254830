"""nodelay.py: whether asyncio has set TCP_NODELAY on the sockets of its transports, and which protocol
Python takes them for: connected and accepted, with listeners and connections that it made itself, was
given as numbers, or inherited. asyncio sets it only on what it takes for TCP.
"""
import asyncio
import os
import socket
import subprocess
import sys


def show(name, transport):
    sock = transport.get_extra_info("socket")
    print(name, sock.proto, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), flush=True)


async def serve(name, **listener):
    """One connection between two transports."""
    done = asyncio.get_running_loop().create_future()

    async def accepted(reader, writer):
        show(f"{name}: accepted", writer.transport)
        writer.close()
        done.set_result(None)

    server = await asyncio.start_server(accepted, **listener)
    host, port = server.sockets[0].getsockname()[:2]
    _, writer = await asyncio.open_connection(host, port)
    await done
    show(f"{name}: connected", writer.transport)
    writer.close()
    server.close()


def listening():
    return socket.create_server(("127.0.0.1", 0))


async def handed_over():
    """A connection that somebody else accepted, and one that somebody else made."""
    listener = listening()
    ours = socket.create_connection(listener.getsockname())
    number, _ = listener._accept()
    loop = asyncio.get_running_loop()
    theirs = socket.socket(fileno=number)
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, theirs)
    show("handed over: accepted", transport)
    ours = socket.socket(fileno=ours.detach())
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    show("handed over: connected", transport)


async def main():
    await serve("address", host="127.0.0.1", port=0)
    await serve("own socket", sock=listening())
    await serve("number", sock=socket.socket(fileno=listening().detach()))
    original = listening()
    await serve("copy", sock=socket.socket(fileno=os.dup(original.fileno())))
    await handed_over()


if sys.argv[1:]:
    asyncio.run(serve("inherited", sock=socket.socket(fileno=int(sys.argv[1]))))
else:
    asyncio.run(main())
    listener = listening()
    number = str(listener.fileno())
    subprocess.run([sys.executable, __file__, number], pass_fds=[listener.fileno()], check=True)
    # Who asks for the protocol alone wants to know whether it is MPTCP.
    print("alone", listener.getsockopt(socket.SOL_SOCKET, 38), file=sys.stderr)
    # Who asks for MPTCP is told so, however it asks, and from then on of every socket.
    mptcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    print("MPTCP", socket.socket(fileno=mptcp.detach()).proto)
