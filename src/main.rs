//! The `stockroom` program: a hallway into [`stockroom::cli`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    stockroom::cli::main()
}
