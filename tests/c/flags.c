/*
 * flags: the descriptor and file flags of TCP sockets made with each combination of SOCK_CLOEXEC
 * and SOCK_NONBLOCK, and the number that each got.
 */
#include "check.h"
#include <fcntl.h>

int main(void)
{
	static const int all[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK };

	close(0);
	for (int i = 0; i < 4; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | all[i], 0);

		printf("fd %d protocol %d cloexec %d flags %o\n", fd, protocol_of(fd),
		       fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
	}
	return 0;
}
