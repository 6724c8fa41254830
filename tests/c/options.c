/*
 * options: sets and reads options that MPTCP refuses, and prints what becomes of them and of the socket:
 * the results, the value that is read, and the protocol.
 */
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static int fresh(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);

	must(fd >= 0, "socket");
	return fd;
}

static void tell(const char *what, int fd, int level, int name, int value)
{
	int set, got, read = -1;
	socklen_t size = sizeof read;

	errno = 0;
	set = setsockopt(fd, level, name, &value, sizeof value);
	set = set ? errno : 0;
	got = getsockopt(fd, level, name, &read, &size);
	printf("%s: %d, %d %d %u, protocol %d\n", what, set, got ? errno : 0, read, size,
	       protocol_of(fd));
}

/* All that can be seen of a socket, but the option itself. */
static void show(int fd)
{
	struct sockaddr_in address;
	struct linger linger;
	int values[4], names[4] = { SO_KEEPALIVE, SO_RCVBUF, SO_REUSEADDR, SO_PRIORITY };
	socklen_t size = sizeof address;

	must(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
	printf("bound %d, flags %x %x,", address.sin_port != 0, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
	for (int i = 0; i < 4; i++) {
		size = sizeof values[i];
		must(getsockopt(fd, SOL_SOCKET, names[i], &values[i], &size) == 0, "getsockopt");
		printf(" %d", values[i]);
	}
	size = sizeof linger;
	must(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0, "getsockopt");
	printf(" %d %d\n", linger.l_onoff, linger.l_linger);
}

/* A socket on which much was set. */
static int much(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct linger linger = { 1, 7 };
	int fd = fresh(AF_INET), on = 1, buffer = 30000, tos = 0x10;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
	must(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
	return fd;
}

static void wrong(void)
{
	int fd = fresh(AF_INET);
	socklen_t size = -1;
	int one = 1;

	/* -1 as a pointer: nobody's memory. */
	printf("no value: %d", setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (void *)-1, 4));
	printf(" %d", errno);
	printf(", short: %d", setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &one, 2));
	printf(" %d", errno);
	printf(", no room: %d", getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &one, &size));
	printf(" %d", errno);
	printf(", no socket: %d", setsockopt(77, IPPROTO_TCP, TCP_USER_TIMEOUT, &one, 4));
	printf(" %d\n", errno);
}

/* An answer into memory that the program may not write. */
static void forbidden(void)
{
	static const int constant = 1;
	int fd = fresh(AF_INET);
	socklen_t size = 4;
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0, "mmap");
	printf("read only: %d", getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (void *)&constant, &size));
	printf(" %d %d", errno, *(const volatile int *)&constant);
	printf(", beyond the end: %d",
	       getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, pages + PAGE - 2, &size));
	printf(" %d", errno);
	printf(", no size: %d", getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, pages, (void *)-1));
	printf(" %d", errno);
	printf(", half a size: %d",
	       getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, pages, (void *)(pages + PAGE - 2)));
	printf(" %d\n", errno);
}

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = much(), epoll, other;

	show(fd);
	tell("a time limit", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	show(fd);
	fd = fresh(AF_INET);
	tell("what TCP has", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
	tell("a hint", fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	tell("refused by TCP", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1);
	tell("refused by TCP, of IP", fd, IPPROTO_IP, IP_TTL, 0);
	tell("of IP", fd, IPPROTO_IP, IP_TTL, 7);
	tell("of IPv6", fresh(AF_INET6), IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7);
	tell("a class of IPv6", fresh(AF_INET6), IPPROTO_IPV6, IPV6_TCLASS, 32);
	tell("of no TCP", socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, IP_TTL, 7);
	wrong();
	forbidden();
	fd = fresh(AF_INET);
	other = dup(fd);
	tell("shared", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	close(other);
	tell("not any more", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	fd = fresh(AF_INET);
	epoll = epoll_create1(0);
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
	tell("waited for", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	close(epoll);
	must(listen(fd, 1) == 0, "listen");
	tell("listening", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	tell("listening, what TCP has", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
	tell("MPTCP, asked for", socket(AF_INET, SOCK_STREAM, 262), IPPROTO_TCP, TCP_USER_TIMEOUT, 1);
	return 0;
}
