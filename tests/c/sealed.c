/*
 * sealed: makes calls of TCP, each in a child that has shut itself in: prctl(PR_SET_SECCOMP) with a
 * filter that knows this call alone, and kills for every other. Prints how the children end.
 */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Newer architectures lack the older two. */
#ifndef __NR_poll
#define __NR_poll __NR_ppoll
#endif
#ifndef __NR_epoll_wait
#define __NR_epoll_wait __NR_epoll_pwait
#endif

static void seal(int call, int other)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)other, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static struct sockaddr_in local;

/* A socket that is bound to this host, or to all addresses, and its address in `local`. */
static int bound(int fd, in_addr_t host)
{
	socklen_t size = sizeof local;

	local = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
	must(fd >= 0 && bind(fd, (struct sockaddr *)&local, size) == 0, "bind");
	must(getsockname(fd, (struct sockaddr *)&local, &size) == 0, "getsockname");
	return fd;
}

static int tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int to(void)
{
	int fd = tcp();

	must(connect(fd, (struct sockaddr *)&local, sizeof local) == 0, "connect");
	return fd;
}

/* A connection that a peer of plain TCP has reset. The peer's calls go past every library. */
static int reset(void)
{
	struct linger now = { 1, 0 };
	int listener = bound((int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0), INADDR_LOOPBACK), peer, fd;
	struct pollfd over;

	must(syscall(SYS_listen, listener, 1) == 0, "listen");
	fd = to();
	peer = (int)syscall(SYS_accept4, listener, NULL, NULL, 0);
	must(syscall(SYS_setsockopt, peer, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0, "linger");
	close(peer);
	/* Past the library too, which would look at the end. */
	over = (struct pollfd){ fd, POLLIN, 0 };
	must(syscall(SYS_ppoll, &over, 1, NULL, NULL, 8) == 1, "poll");
	return fd;
}

static int listener(in_addr_t host)
{
	int fd = bound(tcp(), host);

	must(listen(fd, 1) == 0, "listen");
	to();
	return fd;
}

static int act(int which)
{
	struct pollfd polled = { 0, POLLIN, 0 };
	struct rlimit limit = { 0, 0 };
	struct epoll_event event = { .events = EPOLLIN };
	socklen_t size = sizeof(int);
	int fd = -1, epoll, error = 0;
	char byte;

	switch (which) {
	case 0:
		seal(SYS_socket, SYS_socket);
		return tcp() < 0;
	case 1:
		fd = bound(tcp(), INADDR_LOOPBACK);
		seal(SYS_listen, SYS_listen);
		return listen(fd, 1);
	case 2:
	case 3:
		fd = listener(which == 2 ? INADDR_LOOPBACK : INADDR_ANY);
		seal(SYS_accept, SYS_accept4);
		return accept(fd, NULL, NULL) < 0;
	case 4:
		fd = reset();
		seal(SYS_read, SYS_read);
		return read(fd, &byte, 1) < 0 ? errno : 0;
	case 5:
		fd = reset();
		seal(SYS_recvfrom, SYS_recvfrom);
		return recv(fd, &byte, 1, 0) < 0 ? errno : 0;
	case 6:
		polled.fd = reset();
		seal(SYS_ppoll, __NR_poll);
		return poll(&polled, 1, 0) != 1;
	case 7:
		event.data.fd = fd = reset();
		epoll = epoll_create1(0);
		must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
		seal(SYS_epoll_pwait, __NR_epoll_wait);
		return epoll_wait(epoll, &event, 1, 0) != 1;
	case 8:
		fd = reset();
		must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
		seal(SYS_getsockopt, SYS_getsockopt);
		return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? -1 : error;
	case 9:
		listener(INADDR_LOOPBACK);
		fd = to();
		seal(SYS_getsockopt, SYS_getsockopt);
		return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &error, &size) || error == 0;
	default:
		exit(0);
	}
}

static const char *const names[] = { "socket", "listen", "accept", "accept at all addresses", "read",
	"recv", "poll", "epoll_wait", "SO_ERROR", "SO_RCVBUF" };

int main(void)
{
	for (int which = 0; which < (int)(sizeof names / sizeof *names); which++) {
		pid_t child = fork();
		int end;

		if (child == 0)
			syscall(SYS_exit_group, act(which));
		must(waitpid(child, &end, 0) == child, "waitpid");
		if (WIFSIGNALED(end))
			printf("%s: killed by signal %d\n", names[which], WTERMSIG(end));
		else
			printf("%s: %d\n", names[which], WEXITSTATUS(end));
	}
	return 0;
}
