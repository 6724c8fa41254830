/*
 * fetch ADDRESS:PORT/PATH: asks a web server of IPv4 for the path and reads the answer to its end.
 */
#include "check.h"
#include <arpa/inet.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char address[16], path[256], request[300];
	unsigned int port;
	int fd, length;

	must(argc > 1 && sscanf(argv[1], "%15[^:]:%u%255s", address, &port, path) == 3, "usage");
	must(inet_pton(AF_INET, address, &to.sin_addr) == 1, "inet_pton");
	to.sin_port = htons(port);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
	length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
	must(write(fd, request, length) == length, "write");
	must(read(fd, request, 12) == 12 && memcmp(request + 9, "200", 3) == 0, "the answer");
	while (read(fd, request, sizeof request) > 0)
		;
	return 0;
}
