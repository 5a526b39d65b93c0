//! The `stockroom` program: a hallway into [`stockroom::cli`].

fn main() -> std::process::ExitCode {
    stockroom::cli::main()
}
