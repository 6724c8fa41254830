/*
 * between [off|udp]: one socket() call between two getppid() calls, as marks for strace. Not the first
 * one, at which the library tells the kernel of a page that children shall not inherit.
 * off: first puts MPTCPIZE=off and MPTCPIZE_DEBUG=1 into its own environment. Prints the protocol.
 */
#include "check.h"
#include <sys/syscall.h>

int main(int argc, char **argv)
{
	int type = argc > 1 && strcmp(argv[1], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	int fd;

	if (argc > 1 && strcmp(argv[1], "off") == 0) {
		must(setenv("MPTCPIZE", "off", 1) == 0, "setenv");
		must(setenv("MPTCPIZE_DEBUG", "1", 1) == 0, "setenv");
	}
	close(socket(AF_INET, SOCK_STREAM, 0));
	syscall(SYS_getppid);
	fd = socket(AF_INET, type, 0);
	syscall(SYS_getppid);
	printf("%d\n", protocol_of(fd));
	return 0;
}
