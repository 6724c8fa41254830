"""A VPN's tunnel: a TUN device in each of two network namespaces, and the packets between them in
UDP, as WireGuard carries them. `tunnel.py NAMESPACE DEVICE MARK NAMESPACE DEVICE ADDRESS PORT INNER…`

The first namespace is the client's: its packets to the server's ADDRESS and PORT carry MARK
(SO_MARK, 0 for none). The server takes no packet out of the tunnel whose source is not one of
INNER (WireGuard's AllowedIPs). The devices go with this program.
"""

import ctypes
import fcntl
import ipaddress
import os
import select
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000


def enter(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            sys.exit(f"{namespace}: {os.strerror(ctypes.get_errno())}")


def device(name):
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


def source(packet):
    return packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]


near_namespace, near_device, mark, far_namespace, far_device, address, port, *inner = sys.argv[1:]
inner = {ipaddress.ip_address(text).packed for text in inner}

enter(far_namespace)
outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
outside.bind((address, int(port)))
far = device(far_device)

enter(near_namespace)
inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
inside.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark))
inside.connect((address, int(port)))
near = device(near_device)

peer = None
while True:
    for ready in select.select([near, far, inside, outside], [], [])[0]:
        try:
            if ready == near:
                inside.send(os.read(near, 65536))
            elif ready == far and peer:
                outside.sendto(os.read(far, 65536), peer)
            elif ready == far:
                os.read(far, 65536)
            elif ready == inside:
                os.write(near, inside.recv(65536))
            else:
                packet, peer = outside.recvfrom(65536)
                if source(packet) in inner:
                    os.write(far, packet)
        except OSError:
            # A device or a route is away: the packet is lost, as on any link.
            pass
