// SPDX-License-Identifier: Apache-2.0
#pragma once

// `dowel-document PID NAMESPACE ID NAME [ro|rw PATH]`: shows a file or folder of the host in the running sandbox of a
// process, at /run/flatpak/doc/ID/NAME, in place of what is there under that name; without a path, takes that away.
_Noreturn void document_run(char **words);
