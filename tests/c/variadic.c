/*
 * variadic: calls the functions that C declares with `...`, by their names and through pointers of
 * their types, with none, one and all of the arguments that are not named, after other calls have left
 * their values in the registers. Prints what came of each; the same natively and under the tool,
 * whichever way the processor's ABI passes such arguments.
 */
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

/* Where arguments go, this many values have been. */
static long __attribute__((noinline)) litter(long a, long b, long c, long d, long e, long f, long g, long h)
{
	return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
}

#define AFTER(call) (litter(-1, -2, -3, -4, -5, -6, -7, -8), call)

static void fcntls(const char *what, int (*function)(int, int, ...), int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int copy = AFTER(function(fd, F_DUPFD, 40)), closed = AFTER(function(fd, F_DUPFD_CLOEXEC, 50));

	printf("%s: copies %d %d", what, copy, closed);
	printf(", flags %d %d", AFTER(function(copy, F_GETFD)), AFTER(function(closed, F_GETFD)));
	printf(", set %d", AFTER(function(fd, F_SETFL, O_NONBLOCK)));
	printf(", status %o", AFTER(function(fd, F_GETFL)));
	printf(", lock %d", AFTER(function(fd, F_SETLK, &lock)) ? errno : 0);
	printf(", bad %d\n", AFTER(function(-1, F_GETFL)) ? errno : 0);
	close(copy);
	close(closed);
	function(fd, F_SETFL, 0);
}

static void ioctls(const char *what, __typeof__(ioctl) *function, int fd)
{
	int on = 1, waiting = -1, nowhere = 0;

	printf("%s: non-blocking %d", what, AFTER(function(fd, FIONBIO, &on)));
	printf(", readable %d", AFTER(function(fd, FIONREAD, &waiting)));
	printf(" %d", waiting);
	printf(", close-on-exec %d", AFTER(function(fd, FIOCLEX)));
	printf(" %d", fcntl(fd, F_GETFD));
	printf(", bad %d\n", AFTER(function(fd, 0x7fff, &nowhere)) ? errno : 0);
	on = 0;
	function(fd, FIONBIO, &on);
	function(fd, FIONCLEX);
}

static void prctls(const char *what, int (*function)(int, ...))
{
	char name[16] = "";
	int signal = -1;

	printf("%s: name %d", what, AFTER(function(PR_SET_NAME, "variadic name")));
	printf(" %d", AFTER(function(PR_GET_NAME, name)));
	printf(" %s, death %d", name, AFTER(function(PR_SET_PDEATHSIG, 10)));
	printf(" %d", AFTER(function(PR_GET_PDEATHSIG, &signal)));
	printf(" %d", signal);
	/* All four, of which the kernel wants the last three to be 0. */
	printf(", seccomp %d\n", AFTER(function(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server;
	socklen_t size = sizeof address;

	must(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
	must(connect(client, (struct sockaddr *)&address, size) == 0, "connect");
	server = accept(listener, NULL, NULL);
	must(server >= 0 && send(client, "seven..", 7, 0) == 7, "send");
	/* The bytes are there when a call that takes none away has seen all of them. */
	must(recv(server, (char[7]){ 0 }, 7, MSG_PEEK | MSG_WAITALL) == 7, "recv");
	fcntls("fcntl", fcntl, client);
	fcntls("fcntl, fresh", fcntl, listener);
	ioctls("ioctl", ioctl, server);
	prctls("prctl", prctl);
	return 0;
}
