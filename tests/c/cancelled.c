/*
 * cancelled: a thread is cancelled in each function that waits, at once (before it gets there, as a
 * rule) and once it sleeps in it; what is to be cleaned up on its way out is. Built with
 * -fexceptions, so that the unwinder does it and every frame must be known to it.
 * The output is the same natively and under the tool.
 */
#include "check.h"
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/uio.h>

enum { ACCEPT, LIMITED, ACCEPT4, POLL, PPOLL, EPOLL, EPOLL_PWAIT, RECV, RECVFROM, RECVMSG, READ, READV,
       CONNECT, KINDS };

static const char *const names[KINDS] = { "accept", "accept with a limit", "accept4", "poll",
					  "ppoll",  "epoll_wait", "epoll_pwait", "recv",
					  "recvfrom", "recvmsg", "read", "readv", "connect" };
static int listener, client, epoll;
static int cleaned[KINDS];
static _Atomic int id;

static void clean(int **what)
{
	**what = 1;
}

static void *waits(void *argument)
{
	int kind = (int)(long)argument;
	__attribute__((cleanup(clean))) int *mark = &cleaned[kind];
	struct timespec long_time = { 1000, 0 };
	struct pollfd one = { listener, POLLIN, 0 };
	struct epoll_event event;
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	(void)mark;
	id = gettid();
	switch (kind) {
	case LIMITED:
	case ACCEPT:
		accept(listener, NULL, NULL);
		break;
	case ACCEPT4:
		accept4(listener, NULL, NULL, 0);
		break;
	case POLL:
		poll(&one, 1, -1);
		break;
	case PPOLL:
		ppoll(&one, 1, &long_time, NULL);
		break;
	case EPOLL:
		epoll_wait(epoll, &event, 1, -1);
		break;
	case EPOLL_PWAIT:
		epoll_pwait(epoll, &event, 1, -1, NULL);
		break;
	case RECV:
		recv(client, &byte, 1, 0);
		break;
	case RECVFROM:
		recvfrom(client, &byte, 1, 0, NULL, NULL);
		break;
	case RECVMSG:
		recvmsg(client, &message, 0);
		break;
	case READ:
		must(read(client, &byte, 1) != 0, "read");
		break;
	case READV:
		readv(client, &part, 1);
		break;
	case CONNECT: {
		/* Nobody accepts at that address, and nothing says so. */
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9),
					       .sin_addr.s_addr = htonl(0xc0000209) };
		connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof address);
	}
	}
	return NULL;
}

/* Returns when the thread that was started last sleeps. */
static void until_asleep(void)
{
	char path[64], state = 0;

	while (id == 0)
		sched_yield();
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
	for (int turn = 0; state != 'S' && turn < 10000000; turn++) {
		FILE *stat = fopen(path, "r");

		must(stat && fscanf(stat, "%*d (%*[^)]) %c", &state) == 1, path);
		fclose(stat);
	}
	must(state == 'S', "the thread sleeps");
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { 1000, 0 }, none = { 0, 0 };
	struct epoll_event event = { EPOLLIN, { 0 } };
	socklen_t size = sizeof address;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listener, (void *)&address, size) == 0 && listen(listener, 5) == 0, "listen");
	getsockname(listener, (void *)&address, &size);
	client = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(client, (void *)&address, size) == 0, "connect");
	must(accept(listener, NULL, NULL) >= 0, "accept");
	epoll = epoll_create1(0);
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
	for (int turn = 0; turn < 2 * KINDS; turn++) {
		int kind = turn / 2, asleep = turn % 2;
		pthread_t thread;
		void *result;

		id = cleaned[kind] = 0;
		setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, kind == LIMITED ? &limit : &none,
			   sizeof limit);
		must(pthread_create(&thread, NULL, waits, (void *)(long)kind) == 0, "thread");
		if (asleep)
			until_asleep();
		pthread_cancel(thread);
		pthread_join(thread, &result);
		printf("%s%s: %s, %s\n", names[kind], asleep ? ", asleep" : "",
		       result == PTHREAD_CANCELED ? "cancelled" : "not cancelled",
		       cleaned[kind] ? "cleaned" : "not cleaned");
	}
	return 0;
}
