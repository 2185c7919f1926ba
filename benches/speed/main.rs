//! `./bench` runs this: offpeak beside nginx, SQLite's and PostgreSQL's own loaders, and its own
//! limits. `docs/performance.md` says what is measured and how.
#![expect(
    dead_code,
    unused_imports,
    reason = "cargo sets cfg(test) here too, where tests vanish and what they use stays; \
              `tests/it/speed.rs` compiles the same modules without this"
)]

mod program;

fn main() -> anyhow::Result<()> {
    program::run(std::env::args().skip(1), &mut std::io::stdout().lock())
}
