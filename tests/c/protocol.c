/*
 * protocol [EXIT [COUNT]]: makes COUNT (1) TCP sockets, prints the protocol of the last, and
 * ends with the code EXIT (0).
 */
#include "check.h"

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 1;
	int fd = -1;

	for (int i = 0; i < count; i++) {
		if (fd >= 0)
			close(fd);
		fd = socket(AF_INET, SOCK_STREAM, 0);
	}
	printf("%d\n", protocol_of(fd));
	return argc > 1 ? atoi(argv[1]) : 0;
}
