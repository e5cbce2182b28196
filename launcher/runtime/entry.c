// SPDX-License-Identifier: Apache-2.0
// Where the process begins. The launcher brings the few functions of the C library that it needs: glibc's own start-up
// takes half as long as a whole sandbox where CPUID is slow (virtual machines), and ten times the memory.
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **words);
_Noreturn void runtime_start(long *stack);
_Noreturn void __stack_chk_fail(void);
extern uintptr_t __stack_chk_guard;

uintptr_t __stack_chk_guard;
char **environ;
static const Elf64_auxv_t *auxiliary;
static int error_number;

int *__errno_location(void) { return &error_number; }

#if defined(__x86_64__)
__asm__(
    ".globl _start\n_start:\n"
    "  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call runtime_start\n");

static long raw_syscall(long number, const long values[6]) {
  long result;
  register long fourth __asm__("r10") = values[3];
  register long fifth __asm__("r8") = values[4];
  register long sixth __asm__("r9") = values[5];
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(values[0]), "S"(values[1]), "d"(values[2]), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n_start:\n"
    "  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  b runtime_start\n");

static long raw_syscall(long number, const long values[6]) {
  register long call __asm__("x8") = number;
  register long first __asm__("x0") = values[0];
  register long second __asm__("x1") = values[1];
  register long third __asm__("x2") = values[2];
  register long fourth __asm__("x3") = values[3];
  register long fifth __asm__("x4") = values[4];
  register long sixth __asm__("x5") = values[5];
  __asm__ volatile("svc 0"
                   : "+r"(first)
                   : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "memory", "cc");
  return first;
}
#else
#error "system calls of this architecture are not known"
#endif

long syscall(long number, ...) {
  long values[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) values[i] = va_arg(rest, long);
  va_end(rest);
  long result = raw_syscall(number, values);
  if (result >= 0 || result < -4095) return result;
  error_number = (int)-result;
  return -1;
}

_Noreturn void _exit(int code) {
  for (;;) syscall(SYS_exit_group, (long)code);
}

_Noreturn void __stack_chk_fail(void) {
  static const char message[] = "error: The launcher's stack is damaged\n";
  syscall(SYS_write, 2L, message, sizeof message - 1);
  _exit(134);
}

unsigned long getauxval(unsigned long type) {
  for (const Elf64_auxv_t *one = auxiliary; one->a_type != AT_NULL; one++) {
    if (one->a_type == type) return one->a_un.a_val;
  }
  return 0;
}

__attribute__((no_stack_protector)) _Noreturn void runtime_start(long *stack) {
  char **words = (char **)(stack + 1);
  environ = words + *stack + 1;
  char **end = environ;
  while (*end != NULL) end++;
  auxiliary = (const Elf64_auxv_t *)(const void *)(end + 1);
  const void *random = (const void *)getauxval(AT_RANDOM);
  if (random != NULL) __builtin_memcpy(&__stack_chk_guard, random, sizeof __stack_chk_guard);
  _exit(main((int)*stack, words));
}
