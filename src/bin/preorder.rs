//! The program; everything is in the library.

use std::process::ExitCode;

/// Requests are many small allocations that end on another thread than they began on; glibc spends a tenth of the server's
/// time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    preorder::cli::main()
}
