//! The way of requests: the stages, the pipeline of messages, models, batches and files.

use std::sync::Arc;

use super::parts::ServiceParts;
use super::real_key::first_key;
use crate::service::base::trace_context::Tracer;
use crate::service::config::Config;
use crate::service::relay::admission::Admission;
use crate::service::relay::answer::Answers;
use crate::service::relay::batches::{BatchParts, Batches, Calls};
use crate::service::relay::budget_gate::BudgetGate;
use crate::service::relay::key_probe::KeyProbe;
use crate::service::relay::key_renewal::KeyRenewal;
use crate::service::relay::key_swap::{self, KeySwap};
use crate::service::relay::ledger::Ledger;
use crate::service::relay::models::Models;
use crate::service::relay::pipeline::{Pipeline, Stages, body_limits};
use crate::service::relay::references::References;
use crate::service::run::start_error::StartError;
use crate::transport::connect::Connector;

pub(super) struct Relaying {
    pub connector: Connector,
    pub pipeline: Pipeline,
    pub models: Models,
    /// `None` when batches and files are not offered.
    pub batches: Option<Batches>,
    pub probe: Arc<KeyProbe>,
    /// Holds the real key in use.
    pub swap: Arc<KeySwap>,
    /// `None` if no command gives the key.
    pub renewal: Option<Arc<KeyRenewal>>,
}

impl Relaying {
    pub(super) fn build(config: &Config, parts: &ServiceParts) -> Result<Self, StartError> {
        let connector = key_swap::connector(&config.upstream)?;
        let swap = Arc::new(KeySwap::new(config.upstream.auth, first_key(&config.upstream.key)?));
        let renewal = KeyRenewal::of(&config.upstream.key, &swap);
        let limit = config.upstream.first_byte_timeout;
        let probe = Arc::new(KeyProbe::new(Arc::clone(&swap), connector.clone(), limit, parts.reports.clone()));
        let stages = Arc::new(stages(config, parts, (&swap, &probe)));
        let offer = config.batches_and_files;
        let skills = config.shared_skills.clone();
        let (db_requests, clock) = (parts.opened.db_requests.clone(), Arc::clone(&parts.clock));
        let references = References::new(db_requests, clock, skills, offer.offered);
        let batches = offer.offered.then(|| {
            Batches::new(BatchParts {
                offer,
                stages: Arc::clone(&stages),
                ledger: Ledger::new(parts.opened.db_requests.clone()),
                references: references.clone(),
                upstream: &config.upstream,
                probe: Arc::clone(&probe),
                connector: connector.clone(),
                sink_beside_database: Arc::clone(&parts.telemetry.sink_beside_database),
                clock: Arc::clone(&parts.clock),
            })
        });
        let tracer = config.otlp.as_ref().map(|to| Tracer::new(to.sample_ratio));
        let calls = Calls::new(&config.upstream, Arc::clone(&swap), Arc::clone(&probe));
        let models = Models::new(Arc::clone(&stages), calls, tracer, Arc::clone(&parts.clock));
        let pipeline = Pipeline {
            stages,
            breaker: parts.govern.breaker.clone(),
            tracer,
            references,
            first_byte: config.upstream.first_byte_timeout,
        };
        Ok(Self { connector, pipeline, models, batches, probe, swap, renewal })
    }
}

fn stages(config: &Config, parts: &ServiceParts, (swap, probe): (&Arc<KeySwap>, &Arc<KeyProbe>)) -> Stages {
    let (govern, prices) = (&parts.govern, Arc::clone(&parts.prices));
    let admission = Admission {
        auth: Arc::clone(&parts.tokens.auth),
        access: govern.access.clone(),
        leaks: Arc::clone(&parts.leaks),
        limiter: parts.opened.limiter.clone(),
        usage: Arc::clone(&parts.opened.usage),
        clock: Arc::clone(&parts.clock),
    };
    let (clock, swap) = (Arc::clone(&parts.clock), Arc::clone(swap));
    Stages {
        admission,
        budgets: BudgetGate { budgets: govern.budgets.clone(), prices, clock },
        answers: Answers { swap, probe: Arc::clone(probe), idle_timeout: config.upstream.idle_timeout },
        body_limits: body_limits(config.listen.max_payload, config.listen.request_timeout),
        sink: Arc::clone(&parts.telemetry.sink),
    }
}
