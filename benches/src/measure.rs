//! What a stretch of code costs: CPU time, instructions, allocations. Asks the operating system, and is
//! the only file here with `unsafe`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The system's allocator, counting between [`start_counting`] and [`stop_counting`]. Otherwise it costs one load of
/// a flag, for every candidate alike.
pub struct CountingAllocator;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn count(bytes: usize) {
    if COUNTING.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: every call goes to `System` with the arguments it came with.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Counts allocations of all threads from here on.
pub fn start_counting() {
    ALLOCATIONS.store(0, Relaxed);
    BYTES.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
}

/// Allocations and bytes since [`start_counting`].
pub fn stop_counting() -> (u64, u64) {
    COUNTING.store(false, Relaxed);
    (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed))
}

/// CPU time of this thread, in user space and in the kernel.
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of all threads of this process, in user space and in the kernel.
pub fn process_cpu() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// A clock that all processes of this machine share and nobody moves.
pub fn monotonic() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes during the call.
    let status = unsafe { libc::clock_gettime(id, &raw mut time) };
    assert_eq!(status, 0, "`clock_gettime` failed");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Instructions that this thread executes in user space, by the processor's own counter.
pub struct Instructions {
    #[cfg(target_os = "linux")]
    counter: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Instructions {
    /// The counter of the calling thread; `None` where the machine or its settings have none.
    pub fn open() -> Option<Self> {
        use std::os::fd::{FromRawFd, OwnedFd};

        /// The first version of `struct perf_event_attr`, which every kernel takes.
        #[repr(C)]
        #[derive(Default)]
        struct Attributes {
            kind: u32,
            size: u32,
            config: u64,
            sample_period: u64,
            sample_type: u64,
            read_format: u64,
            flags: u64,
            wakeup_events: u32,
            breakpoint_type: u32,
            breakpoint_address: u64,
        }
        const HARDWARE: u32 = 0;
        const INSTRUCTIONS: u64 = 1;
        const EXCLUDE_KERNEL: u64 = 1 << 5;
        const EXCLUDE_HYPERVISOR: u64 = 1 << 6;

        let attributes = Attributes {
            kind: HARDWARE,
            size: size_of::<Attributes>() as u32,
            config: INSTRUCTIONS,
            flags: EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR,
            ..Attributes::default()
        };
        // SAFETY: `attributes` has the layout and the size that it says, and lives through the call; the
        // other arguments are this thread, any CPU, no group, no flags.
        let descriptor =
            unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, 0, -1, -1, 0) };
        let descriptor = i32::try_from(descriptor).ok().filter(|it| *it >= 0)?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        let counter = Self {
            counter: unsafe { OwnedFd::from_raw_fd(descriptor) },
        };
        // Some virtual machines let a counter be opened that then stands still.
        (counter.read() > 0).then_some(counter)
    }

    /// The count since the counter was opened.
    pub fn read(&self) -> u64 {
        use std::os::fd::AsRawFd;
        let mut count = 0_u64;
        // SAFETY: the buffer is eight bytes, which is what the counter's read format gives.
        let read = unsafe {
            libc::read(
                self.counter.as_raw_fd(),
                (&raw mut count).cast(),
                size_of::<u64>(),
            )
        };
        if read == size_of::<u64>() as isize {
            count
        } else {
            0
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Instructions {
    /// Only Linux has the counter.
    pub fn open() -> Option<Self> {
        None
    }

    /// Never called: there is no value of this type.
    pub fn read(&self) -> u64 {
        0
    }
}

/// Has callgrind count what `run` executes, and write it to a file that has this name in it. Outside of
/// valgrind it only runs it.
pub fn callgrind(name: &std::ffi::CStr, run: impl FnOnce()) {
    const ZERO: usize = 0x4354_0001;
    const DUMP: usize = 0x4354_0003;
    const START: usize = 0x4354_0004;
    const STOP: usize = 0x4354_0005;
    valgrind(START, 0);
    valgrind(ZERO, 0);
    run();
    valgrind(DUMP, name.as_ptr() as usize);
    valgrind(STOP, 0);
}

/// A request to the valgrind that this program may run under: a sequence of instructions that does nothing
/// on a processor, and that valgrind looks out for (`valgrind.h`, "client requests"). The requests here are
/// those of `callgrind.h`.
#[inline(always)]
fn valgrind(request: usize, argument: usize) {
    let arguments = [request, argument, 0, 0, 0, 0];
    // SAFETY: the rotations add up to a whole turn, so that no register changes but the ones named; valgrind
    // reads the six words of `arguments` and what the request says of the argument, a C string.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_usize => _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "ror x12, x12, 3", "ror x12, x12, 13", "ror x12, x12, 51", "ror x12, x12, 61", "orr x10, x10, x10",
            in("x4") arguments.as_ptr(),
            inout("x3") 0_usize => _,
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = arguments;
}
