// SPDX-License-Identifier: Apache-2.0
// What lies on the host for as long as the sandbox runs.
#include "run.h"
#include "trace.h"

bool prepare_start(struct start *start, struct failure *failure) {
  *failure = (struct failure){.step = STEP_INSTANCE};
  start->cgroup.folder = -1;
  if (start->plan.instance.folder == NULL) return true;
  if (!instance_make(start, failure)) return false;
  trace_mark("make the instance", start->instance.number);
  wayland_prepare(start);
  if (start->plan.session.socket != NULL && !session_make(start, failure)) {
    instance_remove(start);
    return false;
  }
  if (start->plan.cgroup == NULL) return true;
  if (!cgroup_make(start, failure)) {
    instance_remove(start);
    return false;
  }
  trace_mark("make the control group", NULL);
  return true;
}
