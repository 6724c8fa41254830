/*
 * Another preloaded library with a socket() of its own, as torsocks or proxychains have: says
 * what it is asked for, and passes the call on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int socket(int domain, int type, int protocol)
{
	int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	char line[80];
	int size = snprintf(line, sizeof line, "other: %d %d %d\n", domain, type, protocol);

	if (write(1, line, (size_t)size) != size)
		_exit(98);
	return next(domain, type, protocol);
}
