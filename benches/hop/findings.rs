//! The measurements of a run, and the comparisons made from them.

use serde::Serialize;

use crate::case::Case;
use crate::latency::Singles;
use crate::numbers::Spread;
use crate::rounds::{Round, Series};

/// The measurements before they are compared.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// The rounds under load.
    pub series: Vec<Series>,
    /// The latencies of single requests.
    pub singles: Vec<Singles>,
    /// The memory of nginx and of the service.
    pub memory: Vec<Occupied>,
    /// The percentage of decisions that Redis did not make in time.
    pub by_fallback: Option<f64>,
}

/// The memory of one contestant, in kilobytes.
#[derive(Debug, Serialize)]
pub struct Occupied {
    pub target: &'static str,
    /// All resident memory before the first request.
    pub idle_kb: f64,
    /// Anonymous memory that each of the first open streams adds, with all that is set up once.
    pub stream_kb: f64,
    /// Anonymous memory that each of as many further streams adds.
    pub further_stream_kb: f64,
}

/// nginx and valetkey side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub title: String,
    /// `µs`, `kB` or `/s`.
    pub unit: &'static str,
    pub nginx: f64,
    /// The value of valetkey.
    pub valetkey: f64,
    /// The value of valetkey divided by nginx's; the median over pairs of rounds where there are rounds.
    pub ratio: f64,
    /// The largest ratio allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar: Option<f64>,
}

/// The whole chain from the app to the upstream.
#[derive(Debug, Serialize)]
pub struct Chain {
    pub title: String,
    /// CPU of the service, in microseconds.
    pub service_us: f64,
    /// CPU of the app's process, the addon included.
    pub app_us: f64,
}

impl Comparison {
    /// Whether the comparison has a bar and its ratio is above it.
    pub fn is_missed(&self) -> bool {
        self.bar.is_some_and(|bar| self.ratio > bar)
    }

    fn new(title: impl Into<String>, unit: &'static str, nginx: f64, valetkey: f64) -> Self {
        // Under load a hop can seem to add less than nothing.
        let ratio = if nginx > 0.0 { valetkey / nginx } else { f64::NAN };
        Self { title: title.into(), unit, nginx, valetkey, ratio, bar: None }
    }
}

impl Findings {
    /// CPU time, which is what the bars are about.
    pub fn cpu(&self) -> Vec<Comparison> {
        let of = |case: Case| {
            let tuned = self.cpu_of(case, "nginx", "valetkey");
            let unbuffered = self.cpu_of(case, "nginx-unbuffered", "valetkey").map(|row| {
                let title = format!("{}, nginx holding no bodies", case.title());
                Comparison { title, ..row }
            });
            let barred = move |row: Comparison| Comparison { bar: Some(case.bar()), ..row };
            tuned.into_iter().chain(unbuffered).map(barred)
        };
        Case::ALL.into_iter().flat_map(of).collect()
    }

    /// CPU time with restricted tokens.
    pub fn restricted(&self) -> Vec<Comparison> {
        Case::ALL.into_iter().filter_map(|case| self.cpu_of(case, "nginx", "valetkey-restricted")).collect()
    }

    /// Requests in a second, made as fast as the answers come, on a machine that the load and the upstream share.
    pub fn throughput(&self) -> Vec<Comparison> {
        let of = |case: Case| {
            let (nginx, ours) = (self.series(case, "nginx")?, self.series(case, "valetkey")?);
            let rate = |round: &Round| round.per_second;
            let ratio = ours.ratio(nginx, rate);
            Some(Comparison { ratio, ..Comparison::new(case.title(), "/s", nginx.median(rate), ours.median(rate)) })
        };
        [Case::Small, Case::Large, Case::Burst].into_iter().filter_map(of).collect()
    }

    /// The time that a hop adds to a request.
    pub fn added(&self) -> Vec<Comparison> {
        let singles = |case: Case, title, value: fn(&Singles) -> Spread| {
            let of = |target| self.singles(case, target).map(value);
            Some(added(title, of("direct")?, of("nginx")?, of("valetkey")?))
        };
        let loaded = |case: Case, title, value: fn(&Round) -> Spread| {
            let of = |target| self.spread(case, target, value);
            Some(added(title, of("direct")?, of("nginx")?, of("valetkey")?))
        };
        [
            singles(Case::Small, "small JSON, one at a time", |singles| singles.total),
            singles(Case::Large, "76 kB request, one at a time", |singles| singles.total),
            singles(Case::Burst, "SSE, one at a time, first byte", |singles| singles.first_byte),
            loaded(Case::Spaced, "SSE, all streams open, first byte", |round| round.first_byte),
            loaded(Case::Small, "small JSON, all connections busy", |round| round.total),
        ]
        .into_iter()
        .flatten()
        .flatten()
        .collect()
    }

    /// The memory of nginx and of valetkey.
    pub fn occupied(&self) -> Vec<Comparison> {
        let of = |target: &str| self.memory.iter().find(|occupied| occupied.target == target);
        let (Some(nginx), Some(ours)) = (of("nginx"), of("valetkey")) else { return Vec::new() };
        vec![
            Comparison::new("idle, resident (Pss)", "kB", nginx.idle_kb, ours.idle_kb),
            Comparison::new("each open stream, anonymous (Pss_Anon)", "kB", nginx.stream_kb, ours.stream_kb),
            Comparison::new("each further open stream", "kB", nginx.further_stream_kb, ours.further_stream_kb),
        ]
    }

    /// The whole chain's CPU time.
    pub fn chain(&self) -> Vec<Chain> {
        let of = |case: Case| {
            let series = self.series(case, "chain")?;
            let part = |index: usize| series.median(|round| round.cpu_us[index]);
            let title = format!("{}, per {}", case.title(), case.unit());
            Some(Chain { title, service_us: part(0), app_us: part(1) })
        };
        Case::ALL.into_iter().filter_map(of).collect()
    }

    /// The time that the whole chain adds until the first byte of a stream.
    pub fn chain_added(&self) -> Option<Spread> {
        let of = |target| self.singles(Case::Burst, target).map(|singles| singles.first_byte);
        Some(of("chain")?.beyond(of("direct")?))
    }

    fn cpu_of(&self, case: Case, nginx: &str, target: &str) -> Option<Comparison> {
        let (nginx, ours) = (self.series(case, nginx)?, self.series(case, target)?);
        let cpu = |round: &Round| round.cpu_us.iter().sum();
        let (title, ratio) = (format!("{}, per {}", case.title(), case.unit()), ours.ratio(nginx, cpu));
        Some(Comparison { ratio, ..Comparison::new(title, "µs", nginx.median(cpu), ours.median(cpu)) })
    }

    /// The rounds of a target.
    pub fn series(&self, case: Case, target: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.case == case.key() && series.target == target)
    }

    /// The single requests to a target.
    pub fn singles(&self, case: Case, target: &str) -> Option<&Singles> {
        self.singles.iter().find(|singles| singles.case == case.key() && singles.target == target)
    }

    fn spread(&self, case: Case, target: &str, value: fn(&Round) -> Spread) -> Option<Spread> {
        let series = self.series(case, target)?;
        Some(Spread { p50: series.median(|round| value(round).p50), p99: series.median(|round| value(round).p99) })
    }
}

fn added(title: &str, direct: Spread, nginx: Spread, ours: Spread) -> [Comparison; 2] {
    let (nginx, ours) = (nginx.beyond(direct), ours.beyond(direct));
    [
        Comparison::new(format!("{title}, p50"), "µs", nginx.p50, ours.p50),
        Comparison::new(format!("{title}, p99"), "µs", nginx.p99, ours.p99),
    ]
}
