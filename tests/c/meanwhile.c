/*
 * meanwhile bind|connect|fork ROUNDS [late|early]: in each round a thread sets an option that MPTCP refuses,
 * while this one does that to the same new socket. Prints how often something was lost: an address, a
 * connection, or (fork) that parent and child have one socket. With "late" it is done once the thread is
 * in the dup3 that puts TCP in the socket's place; with "early" the thread begins once the socket has
 * its address. Somebody (strace) must make dup3 or bind take a while then. Fewer rounds where they take
 * too long.
 */
#include "check.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static atomic_int round_now, done;
static atomic_int thread_id;
static int fd, rounds, result;
static const char *when = "";

static int port(void)
{
	struct sockaddr_in now = { 0 };
	socklen_t size = sizeof now;

	return getsockname(fd, (void *)&now, &size) ? 0 : now.sin_port;
}

static void *setter(void *unused)
{
	int value = 1234;

	atomic_store(&thread_id, (int)syscall(SYS_gettid));
	for (int round = 1; round <= rounds; round++) {
		while (atomic_load(&round_now) < round)
			;
		while (!strcmp(when, "early") && !port())
			;
		result = setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
		atomic_store(&done, round);
	}
	return unused;
}

/* Until the thread is in dup3, or through with its call. */
static void await_dup3(int round)
{
	char path[64], line[32];

	snprintf(path, sizeof path, "/proc/self/task/%d/syscall", atomic_load(&thread_id));
	while (atomic_load(&done) < round) {
		FILE *file = fopen(path, "r");
		int number = file && fgets(line, sizeof line, file) ? atoi(line) : -1;

		if (file)
			fclose(file);
		if (number == SYS_dup3)
			return;
	}
}

static ino_t inode(void)
{
	struct stat about;

	must(fstat(fd, &about) == 0, "fstat");
	return about.st_ino;
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET }, there = any, now;
	socklen_t size = sizeof there;
	pthread_t thread;
	int lost = 0, listener = socket(AF_INET, SOCK_STREAM, 0);
	const char *what = argc > 2 ? argv[1] : "";

	when = argc > 3 ? argv[3] : "";

	any.sin_addr.s_addr = there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rounds = argc > 2 ? atoi(argv[2]) : 0;
	must(bind(listener, (void *)&there, sizeof there) == 0 && listen(listener, 4000) == 0, "listen");
	must(getsockname(listener, (void *)&there, &size) == 0, "getsockname");
	must(pthread_create(&thread, NULL, setter, NULL) == 0, "thread");
	for (int round = 1; round <= rounds && !enough(); round++) {
		int status = 0, pipes[2];

		fd = socket(AF_INET, SOCK_STREAM, 0);
		must(pipe(pipes) == 0, "pipe");
		atomic_store(&round_now, round);
		/* At another moment of the setting each time. */
		for (volatile int wait = 0; wait < round % 64 * 1000; wait++)
			;
		if (!strcmp(when, "late"))
			await_dup3(round);
		if (!strcmp(what, "bind")) {
			must(bind(fd, (void *)&any, sizeof any) == 0, "bind");
		} else if (!strcmp(what, "connect")) {
			must(connect(fd, (void *)&there, sizeof there) == 0, "connect");
		} else {
			pid_t child = fork();
			if (child == 0) {
				ino_t theirs = 0;
				must(read(pipes[0], &theirs, sizeof theirs) == sizeof theirs, "read");
				_exit(theirs != inode());
			}
			while (atomic_load(&done) < round)
				sched_yield();
			ino_t ours = inode();
			must(write(pipes[1], &ours, sizeof ours) == sizeof ours, "write");
			must(waitpid(child, &status, 0) == child, "waitpid");
		}
		while (atomic_load(&done) < round)
			sched_yield();
		size = sizeof now;
		memset(&now, 0, sizeof now);
		if (!strcmp(what, "bind"))
			lost += !port() || result;
		else if (!strcmp(what, "connect"))
			lost += getpeername(fd, (void *)&now, &size) != 0;
		else
			lost += status != 0;
		close(fd);
		close(pipes[0]);
		close(pipes[1]);
	}
	printf("%d lost\n", lost);
	return 0;
}
