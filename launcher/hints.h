// SPDX-License-Identifier: Apache-2.0
// What the user can do about a failure of the kernel; null where nothing is known.
#pragma once

const char *hint_for_namespaces(int error);
const char *hint_for_descriptors(int error);
