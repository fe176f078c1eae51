"""Numbers of the system calls that the filter speaks of, from the kernel's headers, for the two processors it knows."""

# AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64; a 32-bit program on the same kernel has another one, and other numbers.
AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

X32 = 0x40000000  # set in the numbers of x86-64's second ABI, which would pass a filter of the first
NEWEST = 469  # of Linux 6.17; later calls are refused as unknown

# name, number on x86-64, number on aarch64; 0 where there is no such call (none that is listed has that number).
_TABLE = """
    socket 41 198
    socketpair 53 199
    connect 42 203
    ptrace 101 117
    mount 165 40
    umount2 166 39
    pivot_root 155 41
    chroot 161 51
    unshare 272 97
    setns 308 268
    kexec_load 246 104
    kexec_file_load 320 294
    bpf 321 280
    keyctl 250 219
    add_key 248 217
    request_key 249 218
    perf_event_open 298 241
    process_vm_readv 310 270
    process_vm_writev 311 271
    io_uring_setup 425 425
    io_uring_enter 426 426
    io_uring_register 427 427
    clone 56 220
    clone3 435 435
    prlimit64 302 261
    fcntl 72 25
    ioctl 16 29
    kill 62 129
    tkill 200 130
    tgkill 234 131
    rt_sigqueueinfo 129 138
    rt_tgsigqueueinfo 297 240
    pidfd_send_signal 424 424
    pidfd_getfd 438 438
    chmod 90 0
    fchmod 91 52
    fchmodat 268 53
    fchmodat2 452 452
    chown 92 0
    lchown 94 0
    fchown 93 55
    fchownat 260 54
    utime 132 0
    utimes 235 0
    futimesat 261 0
    utimensat 280 88
    setxattr 188 5
    lsetxattr 189 6
    fsetxattr 190 7
    removexattr 197 14
    lremovexattr 198 15
    fremovexattr 199 16
    setxattrat 463 463
    removexattrat 466 466
    file_setattr 469 469
    shmget 29 194
    shmat 30 196
    shmctl 31 195
    msgget 68 186
    msgsnd 69 189
    msgrcv 70 188
    msgctl 71 187
    semget 64 190
    semop 65 193
    semtimedop 220 192
    semctl 66 191
    mq_open 240 180
    mq_unlink 241 181
    userfaultfd 323 282
    fanotify_init 300 262
    open_by_handle_at 304 265
    name_to_handle_at 303 264
    init_module 175 105
    finit_module 313 273
    delete_module 176 106
    sched_setaffinity 203 122
    sched_setscheduler 144 119
    sched_setparam 142 118
    sched_setattr 314 274
    setpriority 141 140
    ioprio_set 251 30
    migrate_pages 256 238
    move_pages 279 239
    kcmp 312 272
    process_madvise 440 440
    process_mrelease 448 448
    move_mount 429 429
    open_tree 428 428
    open_tree_attr 467 467
    fsopen 430 430
    fsconfig 431 431
    fsmount 432 432
    fspick 433 433
    mount_setattr 442 442
    prctl 157 167
    acct 163 89
    quotactl 179 60
    quotactl_fd 443 443
    swapon 167 224
    swapoff 168 225
    reboot 169 142
    syslog 103 116
    sethostname 170 161
    setdomainname 171 162
    settimeofday 164 170
    clock_settime 227 112
    adjtimex 159 171
    clock_adjtime 305 266
    vhangup 153 58
    lookup_dcookie 212 18
"""


def numbers(machine: str) -> dict[str, int]:
    """Number by name.

    Raises:
        KeyError: `machine` is neither x86_64 nor aarch64.
    """
    column = {"x86_64": 1, "aarch64": 2}[machine]
    rows = (line.split() for line in _TABLE.split("\n") if line.strip())
    return {row[0]: int(row[column]) for row in rows if row[column] != "0"}
