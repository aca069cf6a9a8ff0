"""Become a program that dies with its parent. Run as a script, never imported:

    python -I -S launcher.py PARENT SIGNAL ACCOUNT PROGRAM [ARGUMENT ...]

PARENT is the id of the starting process, SIGNAL the number the kernel shall send when that process dies, ACCOUNT is
`-` or `uid:gid:group,group` to change to first (needs root).

Why a program between and not `preexec_fn`: code between fork and exec can deadlock where the parent has threads (test
runners have), and an interpreter that is already loaded may lie where ACCOUNT could never reach it.

The order matters: changing credentials clears the death signal, so it is set after them; and the parent may have died
before it was set, so its id is compared afterwards. Only Linux has such a signal. Elsewhere a server survives a
`kill -9` of its owner; the next start finds it by its lock and stops it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

# Ignored signals survive exec. A shell ignores SIGINT for what it starts with `&`, Python ignores SIGPIPE.
_TO_DEFAULT = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def become(parent: int, death_signal: int, account: str, program: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    for number in _TO_DEFAULT:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if account != "-":
        uid, gid, groups = account.split(":")
        os.setgroups([int(group) for group in groups.split(",")])
        os.setgid(int(gid))
        os.setuid(int(uid))
        os.umask(0o077)
    if libc is not None:
        if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent:
            sys.exit("the starting process is gone")
    os.execvp(program[0], program)  # noqa: S606 - no shell on purpose; the arguments are our own


if __name__ == "__main__":
    try:
        become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[4]}: {error}")
