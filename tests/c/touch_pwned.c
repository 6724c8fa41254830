/*
 * touch_pwned: says that it was run, by a file that whoever looks for it finds.
 */
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	int fd = open("/tmp/pwned", O_CREAT | O_WRONLY, 0600);

	return fd < 0 ? 1 : close(fd);
}
