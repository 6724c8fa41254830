/*
 * overflow: writes one byte behind what it has allocated, as AddressSanitizer reports.
 */
#include "check.h"

int main(void)
{
	volatile int size = 4;
	volatile char *bytes = malloc(size);

	bytes[size] = 1;
	return protocol_of(socket(AF_INET, SOCK_STREAM, 0)) == 0;
}
