// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "run.h"
#include "sys.h"

// The kernel gives the interface its addresses (127.0.0.1 and ::1) when it comes up.
void network_raise_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) die(STEP_NETWORK, -1, errno, NULL, NULL);
  close_later(fd);
}
