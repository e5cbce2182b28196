// SPDX-License-Identifier: Apache-2.0
#include "plan_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct plan plan;
  struct plan_error error;
  if (plan_parse(data, size, &plan, &error) == 0) walk_plan(&plan);
  return 0;
}
