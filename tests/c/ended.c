/*
 * ended: a loop that waits until there is something to read, reads, and ends with the end of the
 * stream or an error that it does not know; for each function that waits, on a connection that
 * is refused, and on ones that a peer of plain TCP resets. Prints what was read and whether the loop
 * came to its end in a few turns. The output is the same natively and under the tool.
 */
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* As _FORTIFY_SOURCE calls them; musl has none of these, older glibc no epoll_pwait2. */
#ifdef __GLIBC__
extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
extern ssize_t __recv_chk(int, void *, size_t, size_t, int);
extern ssize_t __read_chk(int, void *, size_t, size_t);
extern int epoll_pwait2(int, struct epoll_event *, int, const struct timespec *, const sigset_t *)
	__attribute__((weak));
#else
#define __poll_chk(fds, count, time, size) -1
#define __ppoll_chk(fds, count, time, mask, size) -1
#define __recv_chk(fd, to, count, size, flags) -1
#define __read_chk(fd, to, count, size) -1
#define epoll_pwait2(epoll, events, count, time, mask) -1
#endif

enum { TURNS = 1000, FEW = 3, SECONDS = 20 };
enum { POLL, PPOLL, POLL_CHK, PPOLL_CHK, SELECT, SELECT_RECV, SELECT_RECVMSG, PSELECT, EPOLL,
       EPOLL_PWAIT, EPOLL_PWAIT2, WAYS };

static const char *const names[WAYS] = { "poll",    "ppoll",      "__poll_chk",
					 "__ppoll_chk", "select and read", "select and recv",
					 "select and recvmsg", "pselect and readv", "epoll_wait",
					 "epoll_pwait", "epoll_pwait2" };

static int may_be_read(int way, int fd, int epoll)
{
	struct timespec limit = { SECONDS, 0 };
	struct timeval same = { SECONDS, 0 };
	struct pollfd one = { fd, POLLIN, 0 };
	struct epoll_event event = { 0, { 0 } };
	int ready;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	switch (way) {
	case POLL:
		ready = poll(&one, 1, SECONDS * 1000);
		break;
	case PPOLL:
		ready = ppoll(&one, 1, &limit, NULL);
		break;
	case POLL_CHK:
		ready = __poll_chk(&one, 1, SECONDS * 1000, sizeof one);
		break;
	case PPOLL_CHK:
		ready = __ppoll_chk(&one, 1, &limit, NULL, sizeof one);
		break;
	case SELECT:
	case SELECT_RECV:
	case SELECT_RECVMSG:
		return select(fd + 1, &set, NULL, NULL, &same) == 1 && FD_ISSET(fd, &set);
	case PSELECT:
		return pselect(fd + 1, &set, NULL, NULL, &limit, NULL) == 1 && FD_ISSET(fd, &set);
	case EPOLL:
		ready = epoll_wait(epoll, &event, 1, SECONDS * 1000);
		one.revents = event.events;
		break;
	case EPOLL_PWAIT:
		ready = epoll_pwait(epoll, &event, 1, SECONDS * 1000, NULL);
		one.revents = event.events;
		break;
	default:
		ready = epoll_pwait2(epoll, &event, 1, &limit, NULL);
		one.revents = event.events;
	}
	must(ready == 1, names[way]);
	return one.revents & POLLIN;
}

/* Another function with each way to wait; select has none that was told before. */
static ssize_t reads(int way, int fd)
{
	char buffer[10];
	struct iovec part = { buffer, sizeof buffer };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	switch (way) {
	case POLL_CHK:
		return __recv_chk(fd, buffer, sizeof buffer, sizeof buffer, 0);
	case PPOLL_CHK:
		return __read_chk(fd, buffer, sizeof buffer, sizeof buffer);
	case PPOLL:
		return recvfrom(fd, buffer, sizeof buffer, 0, NULL, NULL);
	case SELECT:
		return read(fd, buffer, sizeof buffer);
	case PSELECT:
		return readv(fd, &part, 1);
	case SELECT_RECVMSG:
		return recvmsg(fd, &message, 0);
	default:
		return recv(fd, buffer, sizeof buffer, 0);
	}
}

static void read_to_the_end(int way, const char *what, int fd, int epoll)
{
	int turn;

	printf("%s, %s:", names[way], what);
	for (turn = 0; turn < TURNS; turn++) {
		if (!may_be_read(way, fd, epoll))
			continue;
		ssize_t got = reads(way, fd);
		printf(" %s", got >= 0 ? "read" : strerror(errno));
		if (got == 0 || (got < 0 && errno == ENOTCONN))
			break;
	}
	printf(", %s\n", turn <= FEW ? "in a few turns" : "after many turns");
	close(fd);
	if (epoll >= 0)
		close(epoll);
}

static int watched(int fd)
{
	struct epoll_event event = { EPOLLIN, { .fd = fd } };
	int epoll = epoll_create1(0);

	must(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
	return epoll;
}

/* A socket of plain TCP, whoever stands between. */
static int plain(void)
{
	return (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

static struct sockaddr_in address;
static socklen_t size = sizeof address;

static int listening(int fd)
{
	address = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(bind(fd, (void *)&address, sizeof address) == 0 && listen(fd, 5) == 0, "listen");
	must(getsockname(fd, (void *)&address, &size) == 0, "getsockname");
	return fd;
}

static void refused(int way)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = -1;

	/* A port that nobody listens at: its owner is gone. */
	close(listening(plain()));
	if (way >= EPOLL)
		epoll = watched(fd);
	must(connect(fd, (void *)&address, sizeof address) < 0 && errno == EINPROGRESS, "connect");
	read_to_the_end(way, "refused", fd, epoll);
}

static void reset(int way, int accepts)
{
	struct linger now = { 1, 0 };
	int listener = listening(accepts ? socket(AF_INET, SOCK_STREAM, 0) : plain());
	int client = accepts ? plain() : socket(AF_INET, SOCK_STREAM, 0), server, fd, peer;

	must(connect(client, (void *)&address, sizeof address) == 0, "connect");
	server = accept(listener, NULL, NULL);
	must(server >= 0, "accept");
	fd = accepts ? server : client;
	peer = accepts ? client : server;
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(peer);
	read_to_the_end(way, accepts ? "accepted" : "connected", fd, way >= EPOLL ? watched(fd) : -1);
	close(listener);
}

int main(void)
{
	for (int way = 0; way < WAYS; way++) {
#ifdef __GLIBC__
		if (way == EPOLL_PWAIT2 && !epoll_pwait2)
			continue;
#else
		if (way == POLL_CHK || way == PPOLL_CHK || way == EPOLL_PWAIT2)
			continue;
#endif
		refused(way);
		reset(way, 0);
		reset(way, 1);
	}
	return 0;
}
