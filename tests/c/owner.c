/*
 * owner USER GROUP ADDRESS PORT: becomes that user and group, makes a TCP socket, prints its
 * protocol and whose it is, and sends a SYN to the address.
 */
#include "check.h"
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct stat stat;
	int fd;

	must(argc == 5, "usage");
	must(setgroups(0, NULL) == 0, "setgroups");
	must(setgid((gid_t)atoi(argv[2])) == 0, "setgid");
	must(setuid((uid_t)atoi(argv[1])) == 0, "setuid");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must(fd >= 0 && fstat(fd, &stat) == 0, "socket");
	printf("%d %u %u\n", protocol_of(fd), stat.st_uid, stat.st_gid);
	to.sin_port = htons((uint16_t)atoi(argv[4]));
	must(inet_pton(AF_INET, argv[3], &to.sin_addr) == 1, "address");
	connect(fd, (struct sockaddr *)&to, sizeof to);
	return 0;
}
