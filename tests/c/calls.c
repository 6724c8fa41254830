/*
 * calls [full]: a table of socket() calls, good and bad, one line each: whether there is a
 * descriptor, errno after the call (MARK before it), and the socket's protocol. The output is the
 * same natively and under the tool, but for the protocol of TCP sockets.
 * full: with no descriptor left, so that what can work does not.
 */
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>

#define CALL(domain, type, protocol) { #domain ", " #type ", " #protocol, domain, type, protocol }

static const struct {
	const char *name;
	int domain, type, protocol;
} calls[] = {
	CALL(AF_INET, SOCK_STREAM, 0),
	CALL(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	CALL(AF_INET6, SOCK_STREAM, 0),
	CALL(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	CALL(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	CALL(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
	CALL(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP),
	CALL(AF_INET, SOCK_DGRAM, 0),
	CALL(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	CALL(AF_INET, SOCK_RAW, IPPROTO_TCP),
	CALL(AF_INET, SOCK_RAW, IPPROTO_ICMP),
	CALL(AF_UNIX, SOCK_STREAM, 0),
	CALL(AF_UNIX, SOCK_SEQPACKET, 0),
	CALL(AF_NETLINK, SOCK_RAW, 0),
	CALL(AF_PACKET, SOCK_RAW, 0),
	/* What fails, each way. */
	CALL(AF_INET, SOCK_STREAM, IPPROTO_UDP),
	CALL(AF_INET, SOCK_STREAM, 253),
	CALL(AF_INET, SOCK_STREAM, -1),
	CALL(AF_INET, SOCK_STREAM, 300),
	CALL(AF_INET, SOCK_DGRAM, IPPROTO_TCP),
	CALL(AF_INET, SOCK_SEQPACKET, 0),
	CALL(AF_INET, SOCK_STREAM | 0x1000, 0),
	CALL(AF_INET6, SOCK_STREAM | 0x40000000, IPPROTO_TCP),
	CALL(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | 0x10, 0),
	CALL(AF_INET, 0, 0),
	CALL(AF_INET, 9, 0),
	CALL(AF_INET, -1, 0),
	CALL(AF_UNIX, SOCK_STREAM, IPPROTO_TCP),
	CALL(AF_MAX, SOCK_STREAM, 0),
	CALL(1000000, SOCK_STREAM, 0),
	CALL(-1, SOCK_STREAM, IPPROTO_TCP),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "full") == 0) {
		struct rlimit none = { 3, 3 };

		must(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
	}
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int after, fd, flags;

		errno = MARK;
		fd = socket(calls[i].domain, calls[i].type, calls[i].protocol);
		after = errno;
		flags = fd < 0 ? -1 : fcntl(fd, F_GETFD);
		printf("%-70s %s errno %d protocol %d cloexec %d\n", calls[i].name,
		       fd < 0 ? "no" : "yes", after, protocol_of(fd), flags);
		if (fd >= 0)
			close(fd);
	}
	return 0;
}
