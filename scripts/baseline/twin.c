/* The shim written in C, to tell what the language costs from what the work costs.
 *
 * Same behaviour: the next socket() is looked up at load, TCP sockets are asked for as MPTCP, what
 * the kernel refuses is asked for again as TCP, and errno is what plain TCP would have left.
 * MPTCPIZE=off is read at load too. Not here: the trace. For scripts/bench only, never installed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <netinet/in.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int (*next)(int, int, int);
static int off;

__attribute__((constructor)) static void load(void)
{
	const char *asked = getenv("MPTCPIZE");

	next = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	off = asked && (!strcmp(asked, "off") || !strcmp(asked, "0"));
}

static int next_socket(int domain, int type, int protocol)
{
	if (next)
		return next(domain, type, protocol);
	return (int)syscall(SYS_socket, domain, type, protocol);
}

static int is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP);
}

/* Out of something, or interrupted: TCP would fare no better. */
static int means_no_mptcp(int error)
{
	return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM &&
	       error != EINTR;
}

int socket(int domain, int type, int protocol)
{
	int before, fd;

	if (off || !is_tcp(domain, type, protocol))
		return next_socket(domain, type, protocol);
	before = errno;
	fd = next_socket(domain, type, IPPROTO_MPTCP);
	if (fd >= 0 || !means_no_mptcp(errno))
		return fd;
	errno = before;
	return next_socket(domain, type, protocol);
}
