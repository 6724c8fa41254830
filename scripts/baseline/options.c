/* Times what the preloaded library adds to the calls of a socket's life, and what it takes to make
 * a socket TCP.
 *
 *   LD_PRELOAD=LIBRARY options ROUNDS
 *
 * Prints "NAME NATIVE ADDED" for each call: nanoseconds for one through libc, and what the same call
 * took more under the name that the program sees. Medians over the rounds; a round times a batch
 * of each, in random order next to each other, on sockets that the library made. Then "demotion NS":
 * setsockopt(TCP_USER_TIMEOUT) on a socket with four options set, less the same call on a TCP socket.
 *
 * The connections are over the loopback of a network namespace of its own.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { SETSOCKOPT, GETSOCKOPT, CONNECT, LOOPBACK, ACCEPT, SEND, SENDFILE, POLL, EPOLL, RECV, KINDS };
enum { BATCH = 100, CONNECTIONS = 10, CHUNK = 65536, CHUNKS = 10 };

static const char *const names[KINDS] = { "setsockopt", "getsockopt", "connect", "loopback",
					  "accept",	"send",	      "sendfile",
					  "poll",	"epoll_wait", "recv" };

/* As libc has them, and as the program sees them. */
static struct calls {
	int (*set)(int, int, int, const void *, socklen_t);
	int (*get)(int, int, int, void *, socklen_t *);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*accept)(int, struct sockaddr *, socklen_t *);
	ssize_t (*send)(int, const void *, size_t, int);
	ssize_t (*sendfile)(int, int, off_t *, size_t);
	int (*poll)(struct pollfd *, nfds_t, int);
	int (*epoll)(int, struct epoll_event *, int, int);
	ssize_t (*recv)(int, void *, size_t, int);
} calls[2] = { [1] = { setsockopt, getsockopt, (void *)connect, (void *)accept, send, sendfile, poll,
		       epoll_wait, recv } };

/* Of loopback, and one that the host has but that is not loopback's. */
static struct sockaddr_in address = { .sin_family = AF_INET }, other = { .sin_family = AF_INET };
static int listener, other_listener, client, server, file, epoll;
static char chunk[CHUNK];

static int must(int result, const char *what)
{
	if (result < 0)
		error(1, errno, "%s", what);
	return result;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int protocol_of(int fd)
{
	int protocol = 0;
	socklen_t size = sizeof protocol;

	must(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size), "SO_PROTOCOL");
	return protocol;
}

static int64_t options(int kind, const struct calls *call)
{
	int64_t start = now_ns();

	for (int i = 0; i < BATCH; i++) {
		int value = 1;
		socklen_t size = sizeof value;
		if (kind == SETSOCKOPT)
			call->set(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
		else
			call->get(client, IPPROTO_TCP, TCP_NODELAY, &value, &size);
	}
	return (now_ns() - start) / BATCH;
}

static int64_t connections(int kind, const struct calls *call)
{
	struct sockaddr_in *to = kind == CONNECT ? &other : &address;
	int at = kind == CONNECT ? other_listener : listener;
	int64_t took = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		int one = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), end;
		int64_t start = now_ns();
		must(call->connect(one, (void *)to, sizeof *to), "connect");
		int64_t between = now_ns();
		end = must(call->accept(at, NULL, NULL), "accept");
		took += kind != ACCEPT ? between - start : now_ns() - between;
		/* A reset leaves no TIME-WAIT behind. */
		struct linger reset = { 1, 0 };
		must(setsockopt(one, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), "SO_LINGER");
		close(one);
		close(end);
	}
	return took / CONNECTIONS;
}

static int64_t bytes(int kind, const struct calls *call)
{
	int64_t took = 0;

	for (int i = 0; i < CHUNKS; i++) {
		off_t from = 0;
		int64_t start = now_ns();
		ssize_t sent = kind == SEND ? call->send(client, chunk, CHUNK, 0) :
					      call->sendfile(client, file, &from, CHUNK);
		took += now_ns() - start;
		must((int)sent, names[kind]);
		while (sent > 0)
			sent -= must((int)recv(server, chunk, CHUNK, 0), "recv");
	}
	return took / CHUNKS;
}

/* With a byte to be read, which stays there; poll asks ten times about the connection. */
static int64_t waits(int kind, const struct calls *call)
{
	struct pollfd asked[10];
	struct epoll_event events[10];
	char byte;

	for (int i = 0; i < 10; i++)
		asked[i] = (struct pollfd){ server, POLLIN, 0 };
	int64_t start = now_ns();
	for (int i = 0; i < BATCH; i++) {
		if (kind == POLL)
			call->poll(asked, 10, -1);
		else if (kind == EPOLL)
			call->epoll(epoll, events, 10, -1);
		else
			call->recv(server, &byte, 1, MSG_PEEK);
	}
	return (now_ns() - start) / BATCH;
}

static int64_t batch(int kind, int hooked)
{
	switch (kind) {
	case SETSOCKOPT:
	case GETSOCKOPT:
		return options(kind, &calls[hooked]);
	case CONNECT:
	case LOOPBACK:
	case ACCEPT:
		return connections(kind, &calls[hooked]);
	case POLL:
	case EPOLL:
	case RECV:
		return waits(kind, &calls[hooked]);
	default:
		return bytes(kind, &calls[hooked]);
	}
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t median(int64_t *values, int count)
{
	qsort(values, count, sizeof *values, ascending);
	return values[count / 2];
}

static int prepared(void)
{
	int on = 1, fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &on, sizeof on);
	return fd;
}

static int64_t demotion(void)
{
	int value = 1000, fd = prepared();
	int64_t start, took;

	if (protocol_of(fd) != IPPROTO_MPTCP)
		error(1, 0, "socket() is not upgraded");
	start = now_ns();
	must(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value), "TCP_USER_TIMEOUT");
	took = now_ns() - start;
	start = now_ns();
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
	took -= now_ns() - start;
	if (protocol_of(fd) != IPPROTO_TCP)
		error(1, 0, "the socket was not demoted");
	close(fd);
	return took;
}

static int listening(struct sockaddr_in *at)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	socklen_t size = sizeof *at;

	must(bind(fd, (void *)at, sizeof *at), "bind");
	must(listen(fd, 100), "listen");
	must(getsockname(fd, (void *)at, &size), "getsockname");
	return fd;
}

static void prepare(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	cpu_set_t one;

	must(unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET), "a network namespace");
	int control = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(ioctl(control, SIOCSIFFLAGS, &lo), "loopback");
	other.sin_addr.s_addr = htonl(0xc6120001);
	struct ifreq more = { .ifr_name = "lo:1" };
	memcpy(&more.ifr_addr, &other, sizeof other);
	must(ioctl(control, SIOCSIFADDR, &more), "another address");
	close(control);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	must(sched_setaffinity(0, sizeof one, &one), "one CPU");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = listening(&address);
	other_listener = listening(&other);
	client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(client, (void *)&address, sizeof address), "connect");
	server = must(accept(listener, NULL, NULL), "accept");
	if (protocol_of(client) != IPPROTO_MPTCP)
		error(1, 0, "socket() is not upgraded");
	file = must(memfd_create("chunk", 0), "memfd");
	must((int)write(file, chunk, CHUNK), "write");
}

/* From now on a byte waits to be read. */
static void one_waits(void)
{
	struct epoll_event event = { EPOLLIN, { .fd = server } };

	epoll = must(epoll_create1(0), "epoll");
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event), "epoll_ctl");
	must((int)send(client, chunk, 1, 0), "send");
	must((int)recv(server, chunk, 1, MSG_PEEK), "recv");
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	if (rounds < 1 || !libc)
		error(2, 0, "usage: LD_PRELOAD=LIBRARY options ROUNDS (with glibc)");
	calls[0].set = dlsym(libc, "setsockopt");
	calls[0].get = dlsym(libc, "getsockopt");
	calls[0].connect = dlsym(libc, "connect");
	calls[0].accept = dlsym(libc, "accept");
	calls[0].send = dlsym(libc, "send");
	calls[0].sendfile = dlsym(libc, "sendfile");
	calls[0].poll = dlsym(libc, "poll");
	calls[0].epoll = dlsym(libc, "epoll_wait");
	calls[0].recv = dlsym(libc, "recv");
	prepare();

	int64_t *native = calloc(rounds, sizeof *native), *added = calloc(rounds, sizeof *added);
	if (!native || !added)
		error(1, errno, "calloc");
	srand(1);
	for (int kind = 0; kind < KINDS; kind++) {
		if (kind == POLL)
			one_waits();
		for (int round = 0; round < rounds; round++) {
			int64_t took[2];
			int first = rand() & 1;
			took[first] = batch(kind, first);
			took[!first] = batch(kind, !first);
			native[round] = took[0];
			added[round] = took[1] - took[0];
		}
		printf("%s %lld %lld\n", names[kind], (long long)median(native, rounds),
		       (long long)median(added, rounds));
	}
	for (int round = 0; round < rounds; round++)
		native[round] = demotion();
	printf("demotion %lld 0\n", (long long)median(native, rounds));
	return 0;
}
