"""A link between two network namespaces as a modem makes one: a TUN device in each, and this
program in between. `tun.py NAMESPACE DEVICE NAMESPACE DEVICE`; the devices go with it.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000


def device(namespace, name):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            sys.exit(f"{namespace}: {os.strerror(ctypes.get_errno())}")
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


near, far = device(*sys.argv[1:3]), device(*sys.argv[3:5])
other = {near: far, far: near}
while True:
    for end in select.select([near, far], [], [])[0]:
        try:
            os.write(other[end], os.read(end, 65536))
        except OSError:
            # The other device is down: the packet is lost, as on any link.
            pass
