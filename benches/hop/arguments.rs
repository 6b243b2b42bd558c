//! The arguments of the benchmark's command line.

use std::path::PathBuf;

use crate::case::Case;
use crate::failure::Failure;
use crate::scale::Scale;

pub struct Arguments {
    /// How many rounds, connections and requests.
    pub scale: Scale,
    /// Only these parts; empty means all.
    only: Vec<String>,
    /// Another build of the service than the one beside this program.
    pub valetkey: Option<PathBuf>,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut parsed = Self { scale: Scale::FULL, only: Vec::new(), valetkey: None };
        let mut rounds = None;
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| Failure::Usage(format!("{argument} needs a value")));
            match argument.as_str() {
                "--bench" => {} // cargo adds it
                "--quick" => parsed.scale = Scale::QUICK,
                "--rounds" => rounds = Some(value()?),
                "--only" => parsed.only = value()?.split(',').map(str::to_owned).collect(),
                "--valetkey" => parsed.valetkey = Some(program(&value()?)?),
                _ => return Err(Failure::Usage(format!("{argument} is not known"))),
            }
        }
        if let Some(rounds) = rounds {
            let count = rounds.parse().ok().filter(|count| *count > 0);
            parsed.scale.rounds = count.ok_or_else(|| Failure::Usage("--rounds needs a number above 0".into()))?;
        }
        let known = |part: &String| {
            [MEMORY, LATENCY, GOVERNANCE].into_iter().chain(Case::ALL.map(Case::key)).any(|key| key == part)
        };
        match parsed.only.iter().find(|part| !known(part)) {
            Some(part) => Err(Failure::Usage(format!("there is no part {part}"))),
            None => Ok(parsed),
        }
    }

    /// The loads to run.
    pub fn cases(&self) -> Vec<Case> {
        Case::ALL.into_iter().filter(|case| self.has(case.key())).collect()
    }

    /// Whether memory is measured.
    pub fn memory(&self) -> bool {
        self.has(MEMORY)
    }

    /// Whether the latency of single requests is measured.
    pub fn latency(&self) -> bool {
        self.has(LATENCY)
    }

    /// Whether the cost of governance is measured.
    pub fn governance(&self) -> bool {
        self.has(GOVERNANCE)
    }

    fn has(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// The service is started in a folder of its own, so its path must not depend on the working directory.
fn program(path: &str) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(Failure::system(path))
}

const MEMORY: &str = "memory";
const LATENCY: &str = "latency";
const GOVERNANCE: &str = "governance";
