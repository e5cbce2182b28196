// SPDX-License-Identifier: Apache-2.0
#pragma once

// `dowel-library PID NAMESPACE NAME [ro|rw FOLDER [DEVICE]]`: shows a folder of the host in the running sandbox of a process,
// at /run/flatpak/library/NAME, in place of what is there under that name; without a folder, takes that away. NAMESPACE is
// the number of the sandbox's mount namespace, DEVICE the number of the device that the folder must lie on.
_Noreturn void library_run(char **words);
