/*
 * unprivileged: gives up all privilege, then sets TCP_REPAIR, which wants CAP_NET_ADMIN; prints the errno,
 * 0 for none.
 */
#include "check.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>

int main(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	must(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
	/* Looked at by others of the same user, as the programs of users are. */
	must(prctl(PR_SET_DUMPABLE, 1) == 0, "prctl");
	errno = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on);
	printf("%d\n", errno);
	return 0;
}
