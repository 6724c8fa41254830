/* Connects to ADDRESS PORT, sends a request of HTTP/1.0 for PATH, and prints how many bytes came and who
 * the peer is. Usage: first ADDRESS PORT PATH */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *at;
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer;
	char host[64], piece[65536];
	long came = 0;
	ssize_t got;
	int fd;

	if (argc != 4 || getaddrinfo(argv[1], argv[2], &hints, &at))
		return 2;
	fd = socket(at->ai_family, SOCK_STREAM, 0);
	if (connect(fd, at->ai_addr, at->ai_addrlen))
		return 1;
	dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", argv[3]);
	while ((got = read(fd, piece, sizeof piece)) > 0)
		came += got;
	getpeername(fd, (struct sockaddr *)&peer, &length);
	getnameinfo((struct sockaddr *)&peer, length, host, sizeof host, NULL, 0, NI_NUMERICHOST);
	printf("%ld %s\n", came, host);
	return got < 0;
}
