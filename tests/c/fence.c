/*
 * fence: forbids itself with Landlock to bind ports other than 8003 and to connect to ports other
 * than 8001, and tries, with its sockets under every kind of descriptor; then it executes itself
 * and tries again, also with sockets from before. Without Landlock in the kernel it fails.
 */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* include/uapi/linux/landlock.h, ABI 4; older headers lack the network. */
#define NET_BIND_TCP 1
#define NET_CONNECT_TCP 2
#define RULE_NET_PORT 2

struct ruleset {
	uint64_t fs, net;
};

struct port {
	uint64_t allowed, port;
};

static void allow(int rules, uint64_t what, uint64_t port)
{
	struct port rule = { what, port };

	must(syscall(SYS_landlock_add_rule, rules, RULE_NET_PORT, &rule, 0) == 0, "add_rule");
}

static void fence(void)
{
	struct ruleset net = { 0, NET_BIND_TCP | NET_CONNECT_TCP };
	int rules = syscall(SYS_landlock_create_ruleset, &net, sizeof net, 0);

	must(rules >= 0, "landlock_create_ruleset");
	allow(rules, NET_CONNECT_TCP, 8001);
	allow(rules, NET_BIND_TCP, 8003);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	must(syscall(SYS_landlock_restrict_self, rules, 0) == 0, "landlock_restrict_self");
	close(rules);
}

/* How a descriptor came to be. */
enum way { MADE, DUP, DUP2, DUP3, FCNTL, PASSED, INHERITED, WAYS };
static const char *const names[] = { "made", "dup", "dup2", "dup3", "fcntl", "passed",
	"inherited" };

/* Sockets from before an exec: two of each family. */
#define FIRST 100

static int passed(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof fd)];
	} control = { .head = { CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control.room };
	int two[2], got;

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0, "socketpair");
	must(sendmsg(two[0], &message, 0) == 1, "sendmsg");
	part.iov_base = control.room;
	must(recvmsg(two[1], &message, 0) == 1, "recvmsg");
	memcpy(&got, CMSG_DATA(&control.head), sizeof got);
	close(two[0]);
	close(two[1]);
	return got;
}

static int get(enum way way, int family, int binds, int number)
{
	int fd, other;

	if (way == INHERITED)
		return FIRST + (family == AF_INET6) * 4 + binds * 2 + number;
	fd = socket(family, SOCK_STREAM, 0);
	switch (way) {
	case DUP: other = dup(fd); break;
	case DUP2: other = dup2(fd, 90); break;
	case DUP3: other = dup3(fd, 91, 0); break;
	case FCNTL: other = fcntl(fd, F_DUPFD_CLOEXEC, 50); break;
	case PASSED: other = passed(fd); break;
	default: return fd;
	}
	close(fd);
	return other;
}

/* An address of no family is one of IPv4, to bind to. */
static void try(enum way way, int family, int binds, int number, int port, int nameless)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
	int fd = get(way, family, binds, number), result;

	v4.sin_addr.s_addr = htonl(nameless ? INADDR_ANY : INADDR_LOOPBACK);
	if (nameless)
		v4.sin_family = AF_UNSPEC;
	v6.sin6_addr = in6addr_loopback;
	errno = MARK;
	result = binds ? bind(fd, to, size) : connect(fd, to, size);
	printf("%s %s%s %d %d: %d %s\n", names[way], binds ? "bind" : "connect",
	       nameless ? " nameless" : "", family == AF_INET ? 4 : 6, port, result,
	       result ? strerror(errno) : errno == MARK ? "errno kept" : "errno changed");
	fprintf(stderr, "%d\n", protocol_of(fd));
	close(fd);
}

static void all(const char *when, enum way last)
{
	static const int families[] = { AF_INET, AF_INET6 };

	printf("%s\n", when);
	for (enum way way = MADE; way <= last; way++) {
		for (int i = 0; i < 2; i++) {
			try(way, families[i], 0, 0, 8001, 0);
			try(way, families[i], 0, 1, 8002, 0);
			try(way, families[i], 1, 0, 8003, 0);
			try(way, families[i], 1, 1, 8004, 0);
		}
		if (way != INHERITED) {
			try(way, AF_INET, 1, 0, 8003, 1);
			try(way, AF_INET, 1, 1, 8004, 1);
		}
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		all("executed", INHERITED);
		return 0;
	}
	all("free", PASSED);
	fence();
	all("fenced", PASSED);
	for (int number = 0; number < 8; number++) {
		int fd = socket(number < 4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);

		must(dup2(fd, FIRST + number) >= 0, "dup2");
		close(fd);
	}
	execl("/proc/self/exe", argv[0], "again", NULL);
	must(0, "execl");
}
