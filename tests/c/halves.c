/*
 * halves: poll and ppoll with a number of descriptors of which the kernel takes the lower half. The
 * array is the last that is mapped.
 */
#include "check.h"
#include <poll.h>
#include <sys/mman.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

int main(void)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec now = { 0, 0 };
	nfds_t count = ((nfds_t)1 << 32) + 1;
	struct pollfd *polled;
	int ends[2];

	must(pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0, "mmap");
	must(pipe(ends) == 0 && write(ends[1], "", 1) == 1, "pipe");
	polled = (struct pollfd *)(void *)(pages + PAGE) - 1;
	*polled = (struct pollfd){ ends[0], POLLIN, 0 };
	printf("poll %d", poll(polled, count, 0));
	printf(" %x\n", polled->revents);
	printf("ppoll %d", ppoll(polled, count, &now, NULL));
	printf(" %x\n", polled->revents);
	return 0;
}
