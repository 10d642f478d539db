//! How long the statements of a SQL script take, without anything around the engine: what to run
//! under a profiler. Jobs are waited for; CPU times are those of all threads, where the system
//! tells them (Linux).
//!
//! `cargo run --release -p tidemill-tests --example script FILE.sql`
#![allow(clippy::print_stdout, reason = "a report on the terminal")]

use std::collections::BTreeMap;
use std::time::Instant;

use tidemill_engine::session::Session;
use tidemill_tests::cpu_time::process_seconds;
use tidemill_tests::oracle::TestResult;

/// Characters of a statement that are shown.
const SHOWN: usize = 60;

fn main() -> TestResult<()> {
    let path = std::env::args().nth(1).ok_or("which script?")?;
    let session = Session::new(BTreeMap::new());
    println!("   wall s    cpu s");
    let script = std::fs::read_to_string(path)?;
    for (statement, text) in session.parse_script(&script)?.iter().zip(script.split(';')) {
        let (started, cpu_before) = (Instant::now(), process_seconds());
        let result = session.execute_statement(statement)?;
        if let Some(job) = &result.job {
            println!("{:?}", job.wait(None));
        }
        let wall = started.elapsed().as_secs_f64();
        let cpu = process_seconds() - cpu_before;
        let shown: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = shown.chars().take(SHOWN).collect();
        println!("{wall:>9.2}{cpu:>9.2}  {shown}");
    }
    Ok(())
}
