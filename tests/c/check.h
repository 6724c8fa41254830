/* What the small programs share. Not here: anything that a test looks at. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A value that no call leaves in errno by itself. */
#define MARK 12345

/* The protocol of a socket as the kernel knows it: 6 is TCP, 262 is MPTCP; -1 for no socket. */
static inline int protocol_of(int fd)
{
	int protocol = -1;
	socklen_t size = sizeof protocol;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
		return -1;
	return protocol;
}

static inline void must(int fine, const char *what)
{
	if (!fine) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		exit(99);
	}
}

#endif
