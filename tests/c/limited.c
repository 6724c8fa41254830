/*
 * limited: accept on a listener with SO_RCVTIMEO, alone and with others, interrupted or not to wait.
 * The output is the same natively and under the tool.
 */
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

static struct sockaddr_in address;
static socklen_t size = sizeof address;
static int listener;
static atomic_int done;

static void limit(long milliseconds)
{
	struct timeval time = { milliseconds / 1000, milliseconds % 1000 * 1000 };

	must(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0, "SO_RCVTIMEO");
}

/* A connection that waits to be accepted: whoever made it may know of it before the listener does. */
static int connected(void)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd one = { listener, POLLIN, 0 };

	must(connect(client, (void *)&address, sizeof address) == 0, "connect");
	must(poll(&one, 1, -1) == 1, "poll");
	return client;
}

static void says(const char *what, int result)
{
	printf("%s: %s\n", what, result >= 0 ? "accepted" : strerror(errno));
	if (result >= 0)
		close(result);
}

static void *accepts(void *result)
{
	int fd = accept(listener, NULL, NULL);

	*(int *)result = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	done = 1;
	return NULL;
}

/* Two threads, one connection. */
static void one_of_two(void)
{
	for (int round = 0; round < 30; round++) {
		pthread_t threads[2];
		int results[2], client = connected();

		for (int i = 0; i < 2; i++)
			must(pthread_create(&threads[i], NULL, accepts, &results[i]) == 0, "thread");
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		close(client);
		if (results[0] + results[1] != EAGAIN) {
			printf("two threads: %d %d\n", results[0], results[1]);
			return;
		}
	}
	printf("two threads: one each time\n");
}

static void nothing(int signal)
{
	(void)signal;
}

/* A limit makes accept end with EINTR although the handler wants calls to be restarted. */
static void interrupted(void)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	pthread_t thread;
	int result;

	sigaction(SIGUSR1, &action, NULL);
	done = 0;
	must(pthread_create(&thread, NULL, accepts, &result) == 0, "thread");
	while (!done) {
		pthread_kill(thread, SIGUSR1);
		sched_yield();
	}
	pthread_join(thread, NULL);
	printf("interrupted: %s\n", strerror(result));
}

int main(void)
{
	struct sockaddr_in peer = { 0 };
	socklen_t length = sizeof peer;
	int client, server;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (void *)&address, sizeof address) == 0, "bind");
	limit(30);
	must(listen(listener, 100) == 0, "listen");
	must(getsockname(listener, (void *)&address, &size) == 0, "getsockname");

	says("nobody comes", accept(listener, NULL, NULL));
	says("nobody comes, accept4", accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	client = connected();
	server = accept4(listener, (void *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
	printf("somebody came: %d %d %d %d\n", peer.sin_family, (int)length,
	       fcntl(server, F_GETFD), fcntl(server, F_GETFL) & O_NONBLOCK);
	close(client);
	close(server);
	client = connected();
	errno = MARK;
	server = accept(listener, NULL, NULL);
	printf("errno after success: %d\n", errno);
	close(client);
	close(server);
	one_of_two();
	limit(1000000);
	interrupted();
	fcntl(listener, F_SETFL, O_NONBLOCK);
	says("not to wait", accept(listener, NULL, NULL));
	fcntl(listener, F_SETFL, 0);
	limit(30);
	client = connected();
	says("a bad address", accept(listener, (void *)8, &length));
	says("the next", accept(listener, NULL, NULL));
	close(client);
	shutdown(listener, SHUT_RDWR);
	says("shut down", accept(listener, NULL, NULL));
	return 0;
}
