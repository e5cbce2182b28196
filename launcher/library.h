// SPDX-License-Identifier: Apache-2.0
#pragma once

// `dowel-library PID NAME [ro|rw FOLDER]`: shows a folder of the host in the running sandbox of a process, at
// /run/flatpak/library/NAME, in place of what is there under that name; without a folder, takes that away.
_Noreturn void library_run(char **words);
