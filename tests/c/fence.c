/*
 * fence PORT...: forbids itself with Landlock to bind ports other than 8003 and to connect to
 * ports other than 8001, executes itself, and tries. Without Landlock in the kernel it fails.
 */
#include "check.h"
#include <arpa/inet.h>
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

static void try(const char *name, int family, int binds, int port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
	int fd = socket(family, SOCK_STREAM, 0), result;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = in6addr_loopback;
	errno = MARK;
	result = binds ? bind(fd, to, size) : connect(fd, to, size);
	printf("%s %d %d: %d %s\n", name, family == AF_INET ? 4 : 6, port, result,
	       result ? strerror(errno) : errno == MARK ? "errno kept" : "errno changed");
	fprintf(stderr, "%d\n", protocol_of(fd));
	close(fd);
}

static void all(const char *when)
{
	static const int families[] = { AF_INET, AF_INET6 };

	printf("%s\n", when);
	for (int i = 0; i < 2; i++) {
		try("connect", families[i], 0, 8001);
		try("connect", families[i], 0, 8002);
		try("bind", families[i], 1, 8003);
		try("bind", families[i], 1, 8004);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		all("inherited");
		return 0;
	}
	all("free");
	fence();
	all("fenced");
	execl("/proc/self/exe", argv[0], "again", NULL);
	must(0, "execl");
}
